"""Looks at pictures and says what can be measured in them: which colours fill them, and how large their text is."""

import base64
import binascii
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from parley.offline.errors import InvalidRequest, TooLarge

_DATA: Final = re.compile(r"data:image/(?:jpeg|png|webp|gif);base64,(?P<data>[A-Za-z0-9+/=\s]+)")
_LARGEST_FILE: Final = 4 * 1024 * 1024
_MOST_PIXELS: Final = 16_000_000
_LONGER_SIDE: Final = 1024
_ASKS: Final = re.compile(
    r"\b(colou?rs?|pictures?|images?|photos?|screens?|cameras?|see|seeing|look|looks|looking|show|shows|showing|shown|"
    r"wear|wearing|holding|visible|background|written|text|letters|slides?)\b",
    re.I,
)
_COLOURS: Final = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (220, 30, 30),
    "orange": (255, 150, 20),
    "yellow": (250, 230, 40),
    "green": (30, 160, 50),
    "turquoise": (40, 200, 200),
    "blue": (30, 60, 210),
    "purple": (130, 40, 170),
    "pink": (250, 130, 190),
    "brown": (120, 70, 30),
}
_LEAST_SHARE: Final = 0.1
_MOST_COLOURS: Final = 3
_EDGE: Final = 60  # of 255, between neighbours in a row: more than a camera's noise or a soft shadow
_STROKES: Final = 8  # edges in a row of pixels through at least some letters
_TALLEST_LINE: Final = 0.3  # of the height; what is taller is a pattern rather than text
_SMALLEST_LINE: Final = 5  # pixels; below, nobody reads it
_NAMES: Final = np.array(list(_COLOURS.values()), dtype=np.int32)


@dataclass(frozen=True)
class Seen:
    """What is in a picture. `colours` are names with their share, largest first; `text_height` is in its own pixels."""

    colours: list[tuple[str, float]]
    text_height: int | None
    lines: int

    def __str__(self) -> str:
        named = [f"{name} ({round(100 * share)} percent)" for name, share in self.colours]
        mostly = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named) or "of many colours"
        if self.text_height is None:
            return f"The picture is {mostly}. I see no text in it."
        count = "one line" if self.lines == 1 else f"{self.lines} lines"
        return f"The picture is {mostly}. There is text in {count}, about {self.text_height} pixels high."


def is_asked_about(question: str) -> bool:
    """Whether a question beside a picture is about what is to be seen."""
    return _ASKS.search(question) is not None


def load(url: str) -> Image.Image:
    """The picture of a `data:` address; raises for any other: nothing is fetched from here."""
    if len(url) > _LARGEST_FILE * 4 // 3:
        raise TooLarge(f"A picture may have {_LARGEST_FILE:,} bytes.", param="messages")
    found = _DATA.fullmatch(url.strip())
    if found is None:
        raise InvalidRequest("Pictures are read from data:image/…;base64 addresses; send the file.", param="messages")
    try:
        picture = Image.open(io.BytesIO(base64.b64decode(found["data"], validate=False)))
        if picture.width * picture.height > _MOST_PIXELS:
            raise Image.DecompressionBombError
        return picture.convert("RGB")
    except Image.DecompressionBombError as error:
        raise TooLarge(f"A picture may have {_MOST_PIXELS:,} pixels.", param="messages") from error
    except (binascii.Error, UnidentifiedImageError, OSError, ValueError) as error:
        raise InvalidRequest("The picture cannot be read.", param="messages") from error


def look(picture: Image.Image) -> Seen:
    """What can be measured in a picture; blocks."""
    original = picture.height
    picture = picture.copy()
    picture.thumbnail((_LONGER_SIDE, _LONGER_SIDE))
    heights = _text_lines(np.asarray(picture.convert("L"), dtype=np.int16))
    scale = original / picture.height
    height = round(float(np.median(heights)) * scale) if heights else None
    return Seen(_colours(picture), height, len(heights))


def _colours(picture: Image.Image) -> list[tuple[str, float]]:
    pixels = np.asarray(picture.resize((64, 64), Image.Resampling.BOX), dtype=np.int32).reshape(-1, 3)
    nearest = np.argmin(((pixels[:, None, :] - _NAMES[None]) ** 2).sum(axis=2), axis=1)
    shares = np.bincount(nearest, minlength=len(_NAMES)) / len(pixels)
    ranked = sorted(zip(_COLOURS, shares.tolist(), strict=True), key=lambda entry: -entry[1])
    return [(name, share) for name, share in ranked if share >= _LEAST_SHARE][:_MOST_COLOURS]


def _text_lines(grey: NDArray[np.int16]) -> list[int]:
    """Heights of the runs of rows that are crossed by as many edges as letters make."""
    edges = (np.abs(np.diff(grey, axis=1)) > _EDGE).sum(axis=1)
    inked = np.concatenate([[False], edges >= _STROKES, [False]])
    turns = np.flatnonzero(np.diff(inked.astype(np.int8)))
    runs = (turns[1::2] - turns[::2]).tolist()
    return [run for run in runs if _SMALLEST_LINE <= run <= _TALLEST_LINE * len(grey)]


def describe(urls: Sequence[str]) -> str:
    """What is to be seen in the last picture."""
    return str(look(load(urls[-1])))
