"""What a persona is shown: the speaker's screen first, nothing that is switched off, small, and not too often."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from livekit import rtc
from PIL import Image

from agents import sight as module
from agents.sight import EVERY, LARGEST, Sight, draw

pytestmark = pytest.mark.anyio

STANDARD, AGENT = rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD, rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
CAMERA, SCREEN = rtc.TrackSource.SOURCE_CAMERA, rtc.TrackSource.SOURCE_SCREENSHARE
RED, GREEN, BLUE = (200, 20, 20), (20, 160, 40), (20, 40, 200)


def frame(colour: tuple[int, int, int], width: int = 64, height: int = 48) -> rtc.VideoFrame:
    pixels = bytearray(bytes((*colour, 255)) * (width * height))
    return rtc.VideoFrame(width, height, rtc.VideoBufferType.RGBA, pixels)


def colour_of(picture: str | None) -> tuple[int, ...]:
    assert picture is not None
    image = Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2])))
    middle = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(middle, tuple)
    return min((RED, GREEN, BLUE), key=lambda known: sum((a - b) ** 2 for a, b in zip(known, middle, strict=True)))


class FakeStream:
    """Frames of a track, as they are shown."""

    def __init__(self, track: Any, capacity: int) -> None:
        assert capacity == 1, "old frames are of no use"
        self.frames: asyncio.Queue[rtc.VideoFrame] = track.frames
        self.closed = False
        track.stream = self

    def __aiter__(self) -> "FakeStream":
        return self

    async def __anext__(self) -> SimpleNamespace:
        return SimpleNamespace(frame=await self.frames.get(), rotation=0)

    async def aclose(self) -> None:
        self.closed = True


class Room(rtc.EventEmitter[str]):
    """A room in which people show tracks."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    async def show(
        self, identity: str, source: int, colour: tuple[int, int, int], kind: int = STANDARD
    ) -> tuple[Any, Any, Any]:
        self.count += 1
        track = SimpleNamespace(frames=asyncio.Queue[rtc.VideoFrame](), stream=None)
        publication = SimpleNamespace(sid=f"TR_{self.count}", source=source, muted=False)
        shown = track, publication, SimpleNamespace(identity=identity, kind=kind)
        self.emit("track_subscribed", *shown)
        await change(track, colour)
        return shown


async def change(track: Any, colour: tuple[int, int, int]) -> None:
    track.frames.put_nowait(frame(colour))
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(module.rtc, "VideoStream", FakeStream)
    return Room()


@pytest.fixture
async def sight(room: Room) -> AsyncIterator[Sight]:
    looking = Sight(room)  # type: ignore[arg-type]
    yield looking
    await looking.close()


async def test_nothing_is_seen_where_nothing_is_shown(room: Room, sight: Sight) -> None:
    assert await sight.look("ada") is None
    await room.show("recorder", CAMERA, RED, kind=AGENT)
    assert await sight.look("ada") is None


async def test_the_speakers_screen_comes_before_their_camera_and_both_before_others(room: Room, sight: Sight) -> None:
    await room.show("bob", SCREEN, BLUE)
    assert colour_of(await sight.look("ada")) == BLUE
    await room.show("ada", CAMERA, RED)
    assert colour_of(await sight.look("ada")) == RED
    await room.show("ada", SCREEN, GREEN)
    assert colour_of(await sight.look("ada")) == GREEN
    assert colour_of(await sight.look("bob")) == BLUE


async def test_what_is_switched_off_or_gone_is_not_seen(room: Room, sight: Sight) -> None:
    track, publication, person = await room.show("ada", CAMERA, RED)
    publication.muted = True
    assert await sight.look("ada") is None
    publication.muted = False
    assert await sight.look("ada") is not None
    room.emit("track_unsubscribed", track, publication, person)
    assert await sight.look("ada") is None
    await asyncio.sleep(0)
    assert track.stream.closed


async def test_a_new_picture_is_made_every_two_seconds_at_most(
    room: Room, sight: Sight, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    track, _, _ = await room.show("ada", CAMERA, RED)
    assert colour_of(await sight.look("ada")) == RED
    await change(track, BLUE)
    assert colour_of(await sight.look("ada")) == RED
    now += EVERY
    assert colour_of(await sight.look("ada")) == BLUE


async def test_only_some_tracks_are_followed_at_once(room: Room, sight: Sight) -> None:
    shown = [await room.show(f"p{n}", CAMERA, RED) for n in range(module.MOST + 2)]
    assert sum(track.stream is not None for track, _, _ in shown) == module.MOST


async def test_nothing_is_followed_any_more_once_it_is_closed(room: Room, sight: Sight) -> None:
    track, _, _ = await room.show("ada", CAMERA, RED)
    await sight.close()
    assert track.stream.closed
    late, _, _ = await room.show("ada", SCREEN, RED)
    assert late.stream is None


@pytest.mark.parametrize(("quarters", "size"), [(0, (LARGEST, 432)), (1, (432, LARGEST)), (2, (LARGEST, 432))])
def test_a_picture_is_small_and_upright(quarters: int, size: tuple[int, int]) -> None:
    picture = draw(frame(GREEN, 1920, 1080), quarters)
    assert len(picture) < 60_000
    assert Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2]))).size == size
