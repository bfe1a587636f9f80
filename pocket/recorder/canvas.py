"""Draws what is seen: cameras where there are some, cards with names where there are none."""

from functools import lru_cache
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter
from PIL import Image, ImageDraw, ImageFont

from pocket.recorder.scene import Layout, Scene, Seat
from pocket.rooms.native import Picture

Planes = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]

BACKGROUND, CARD, SPEAKING, INK = (17, 19, 24), (38, 43, 54), (46, 204, 113), (236, 239, 244)
FONTS: Final = ("NotoSans-Regular.ttf", "DejaVuSans.ttf")
"""Tried in turn; without any of them, the one that Pillow brings has Latin letters only."""
BORDER: Final = 4
LONGEST_NAME: Final = 40
CARDS: Final = 128
"""That are kept drawn."""


class Canvas:
    """The picture of one recording. Used by one thread."""

    def __init__(self, scene: Scene, layout: Layout, width: int, height: int) -> None:
        self._scene, self._layout = scene, layout
        self._width, self._height = width, height
        self._empty = _planes(Image.new("RGB", (width, height), BACKGROUND))
        self._scalers: dict[tuple[int, int], VideoReformatter] = {}

    def draw(self, place: int) -> av.VideoFrame:
        """What is to be seen at a place of the timeline."""
        whole = tuple(plane.copy() for plane in self._empty)
        for seat in self._scene.seats(self._layout, self._width, self._height):
            card = _card(seat.person.name[:LONGEST_NAME], seat.width, seat.height, seat.speaks)
            _paste(whole, card, seat.left, seat.top)
            picture = seat.person.seen(place)
            if picture is not None:
                self._paste_scaled(whole, picture, seat)
        packed = np.concatenate([plane.reshape(-1) for plane in whole]).reshape(self._height * 3 // 2, self._width)
        return av.VideoFrame.from_ndarray(packed, format="yuv420p")

    def _paste_scaled(self, whole: tuple[npt.NDArray[np.uint8], ...], picture: Picture, seat: Seat) -> None:
        """The whole camera within its seat, inside the border that shows who speaks."""
        height, width = picture[0].shape
        scale = min((seat.width - 2 * BORDER) / width, (seat.height - 2 * BORDER) / height)
        size = max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)
        packed = np.concatenate([plane.reshape(-1) for plane in picture]).reshape(height * 3 // 2, width)
        frame = av.VideoFrame.from_ndarray(packed, format="yuv420p")
        scaler = self._scalers.setdefault(size, VideoReformatter())
        scaled = scaler.reformat(frame, *size, "yuv420p", interpolation="FAST_BILINEAR").to_ndarray()
        left = seat.left + (seat.width - size[0]) // 4 * 2
        top = seat.top + (seat.height - size[1]) // 4 * 2
        _paste(whole, _split(scaled, *size), left, top)


def _paste(whole: tuple[npt.NDArray[np.uint8], ...], part: Planes, left: int, top: int) -> None:
    for plane, piece, by in zip(whole, part, (1, 2, 2), strict=True):
        rows, columns = piece.shape
        plane[top // by : top // by + rows, left // by : left // by + columns] = piece


def _split(packed: npt.NDArray[Any], width: int, height: int) -> Planes:
    flat, size = packed.reshape(-1), width * height
    half = (height // 2, width // 2)
    return (
        flat[:size].reshape(height, width),
        flat[size : size * 5 // 4].reshape(half),
        flat[size * 5 // 4 :].reshape(half),
    )


@lru_cache(CARDS)
def _card(name: str, width: int, height: int, speaks: bool) -> Planes:
    image = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(image)
    edge = SPEAKING if speaks else CARD
    draw.rectangle((1, 1, width - 2, height - 2), fill=CARD, outline=edge, width=BORDER)
    shown = "".join(letter if letter.isprintable() else " " for letter in name)
    size = max(10, min(height // 6, 2 * width // max(8, len(shown))))
    draw.text((width / 2, height / 2), shown, fill=INK, font=_font(size), anchor="mm")
    return _planes(image)


@lru_cache(32)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _planes(image: Image.Image) -> Planes:
    frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24").reformat(format="yuv420p")
    return _split(frame.to_ndarray(), image.width, image.height)
