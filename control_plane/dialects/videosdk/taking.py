"""What is asked of the recorder for a room: how it looks, whom it is of, where it goes."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlmodel import col, select

from control_plane.accounts.limits import is_full
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.dialects.videosdk.configs import AutoStart, Composition, Transcription
from control_plane.dialects.videosdk.models import VideoRoom
from control_plane.media.orders import Picture
from control_plane.recordings.beeping import problem_of
from control_plane.recordings.models import Recording, RecordingKind, RecordingOrigin, RecordingStatus
from control_plane.recordings.sessions import WANTED
from control_plane.recordings.settling import fail
from control_plane.recordings.taking import tie_to_session, urls_row
from control_plane.recordings.telling import tell
from control_plane.rooms.models import Room
from control_plane.secrets.box import SecretBox

SIZES: Final = {"low": (640, 360, 15), "med": (960, 540, 20), "high": (1280, 720, 25), "ultra": (1920, 1080, 30)}
LAYOUTS: Final = {"GRID": "grid", "SPOTLIGHT": "single-speaker", "SIDEBAR": "speaker"}
THEMES: Final = {"DARK": "-dark", "LIGHT": "-light", "DEFAULT": ""}
SEALED: Final = "HLS is played as it is stored: it cannot be had while recordings are encrypted at rest"
FULL: Final = "all recordings of the plan were in use"


@dataclass(frozen=True, slots=True)
class Wish:
    """A recording or stream that somebody wants."""

    kind: RecordingKind
    format: str
    picture: Picture | None = None
    whom: dict[str, str] = field(default_factory=dict)
    """`identity`, `audio_track`, `video_track` of what is recorded."""
    folder: str = ""
    asked: dict[str, Any] = field(default_factory=dict)
    """What is shown of it later, as it was asked for."""
    transcription: Transcription = field(default_factory=Transcription)
    urls: tuple[str, ...] = ()


def picture_of(look: Composition, template_url: str | None = None) -> Picture | None:
    """What a recorder draws; None where sound alone is wanted."""
    if look.mode == "audio":
        return None
    width, height, rate = SIZES[look.quality]
    if look.orientation == "portrait":
        width, height = height, width
    alone = look.layout.gridSize == 1  # a grid of one is whoever speaks
    layout = LAYOUTS["SPOTLIGHT" if alone else look.layout.type] + THEMES[look.theme]
    return Picture(width, height, rate, layout=layout, template_url=template_url or "")


def wishes_of(auto: AutoStart) -> list[Wish]:
    """What a room wants as soon as a session begins."""
    wishes = []
    if auto.recording is not None:
        wanted = auto.recording
        asked = {"config": wanted.config.model_dump()}
        picture = picture_of(wanted.config, wanted.templateUrl)
        wishes.append(recorded(picture, folder=wanted.awsDirPath, asked=asked, transcription=wanted.transcription))
    if auto.hls is not None:
        look = auto.hls.config
        picture, asked = picture_of(look, auto.hls.templateUrl), {"config": look.model_dump()}
        wishes.append(Wish(RecordingKind.HLS, "m3u8", picture, asked=asked, transcription=auto.hls.transcription))
        if look.recording.enabled and auto.recording is None:
            wishes.append(recorded(picture))
    return wishes


def recorded(picture: Picture | None, film: str = "mp4", **more: Any) -> Wish:
    """The recording of a room, in this format where there is a picture."""
    return Wish(RecordingKind.ROOM, film if picture else "ogg", picture, **more)


async def write_wish(
    db: Db,
    box: SecretBox,
    room: VideoRoom,
    session: Room,
    wish: Wish,
    *,
    origin: RecordingOrigin,
    at: datetime,
) -> Recording:
    """The row of a wish, which no recorder knows yet. The name of its file says nothing of who is in it."""
    folder = "/".join(part for part in wish.folder.split("/") if part.strip(" ."))
    place = f"{room.project_id}/{folder}/{at:%Y-%m}" if folder else f"{room.project_id}/{at:%Y-%m}"
    kept = wish.kind != RecordingKind.LIVESTREAM
    recording = Recording(
        project_id=room.project_id,
        room_name=room.full_name,
        origin=origin,
        kind=wish.kind,
        format=wish.format,
        storage_key=f"{place}/{secrets.token_hex(16)}.{wish.format}" if kept else None,
        started_at=at,
        details={
            "room_id": session.id,
            "asked": wish.asked,
            "transcription": wish.transcription.model_dump(),
            "picture": asdict(wish.picture) if wish.picture else None,
            **wish.whom,
        },
    )
    await tie_to_session(db, recording)
    db.add(recording)
    await db.flush()
    if wish.urls:
        recording.sealed_urls = box.seal(json.dumps(wish.urls), row=urls_row(recording.id))
    return recording


async def begin_by_itself(db: Db, box: SecretBox, clock: Clock, room: VideoRoom, session: Room) -> None:
    """Have begun what a room was told to begin with a session; harmless when it was done before."""
    if room.auto_start is None:
        return
    done = select(Recording.id).where(
        Recording.project_id == room.project_id,
        Recording.room_name == room.full_name,
        Recording.origin == RecordingOrigin.ROOM,
        col(Recording.details)["room_id"].as_integer() == session.id,
    )
    if (await db.exec(done)).first() is not None:
        return
    for wish in wishes_of(AutoStart.model_validate(room.auto_start)):
        full = await is_full(db, room.project_id, "recordings", clock.now())
        made = await write_wish(db, box, room, session, wish, origin=RecordingOrigin.ROOM, at=clock.now())
        problem = FULL if full else await problem_of(db, made)
        if problem is not None:
            tell(db, clock, made, "starting")
            fail(db, clock, made, problem)
    await db.execute(text(f"select pg_notify('{WANTED}', '')"))


def is_running() -> Any:
    """The condition of recordings that have not ended and that nobody asked to end."""
    return (
        (col(Recording.status) == RecordingStatus.RECORDING)
        & col(Recording.ended_at).is_(None)
        & col(Recording.stop_asked_at).is_(None)
    )
