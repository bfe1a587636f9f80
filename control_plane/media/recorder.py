"""LiveKit's egress behind a seam: what the platform asks of a recorder, in the platform's words."""

import asyncio
import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import aiohttp
from livekit import api

from control_plane.errors import Conflict, NotFound, Unavailable
from control_plane.media.orders import Access, RecordingOrder, request_of
from control_plane.media.server import told

T = TypeVar("T")
_MISSING: Final = re.compile(r"; missing ([0-9]{1,9}\.[0-9]) s: ")
"""What our recorder says of holes; LiveKit has no field for them."""


class EgressState(StrEnum):
    """STARTING ─▶ ACTIVE ─▶ ENDING ─▶ one of the others; LiveKit's words without their prefix."""

    STARTING = "starting"
    ACTIVE = "active"
    ENDING = "ending"
    COMPLETE = "complete"
    FAILED = "failed"
    ABORTED = "aborted"
    LIMIT_REACHED = "limit_reached"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self not in (EgressState.STARTING, EgressState.ACTIVE, EgressState.ENDING)


@dataclass(frozen=True)
class Target:
    """Where recorders put files: below `prefix`, which is a folder of theirs, or in a bucket with this access."""

    prefix: str
    access: Access | None = None

    def path(self, key: str) -> str:
        """Where a recorder puts what the store calls `key`."""
        return f"{self.prefix}/{key}" if self.prefix else key


def target_of(url: str, options: Mapping[str, str]) -> Target:
    """The store that `recordings.storage.open_store` opens, as recorders are told of it.

    Raises `ValueError` for one that they cannot write to.
    """
    parts = urlsplit(url)
    config = dict(parse_qsl(parts.query)) | dict(options)
    prefix = parts.path.strip("/")
    match parts.scheme:
        case "file":
            return Target(folder_of(url))
        case "s3":
            endpoint = config.get("endpoint", "")
            upload = api.S3Upload(
                access_key=config.get("access_key_id", ""),
                secret=config.get("secret_access_key", ""),
                session_token=config.get("session_token", ""),
                region=config.get("region", ""),
                endpoint=endpoint,
                bucket=parts.netloc,
                force_path_style=bool(endpoint),
            )
            return Target(prefix, upload)
        case "gs":
            return Target(prefix, api.GCPUpload(credentials=config.get("service_account_key", ""), bucket=parts.netloc))
        case "az":
            azure = api.AzureBlobUpload(
                account_name=config.get("account_name", ""),
                account_key=config.get("account_key", ""),
                container_name=parts.netloc,
            )
            return Target(prefix, azure)
    raise ValueError("a store of recordings is file:///folder, s3://bucket, gs://bucket or az://container")


def folder_of(url: str) -> str:
    """The folder of an address `file:///folder`. Raises `ValueError`."""
    parts = urlsplit(url)
    if parts.netloc or not parts.path.startswith("/") or parts.path == "/":
        raise ValueError("the folder of recordings needs an absolute path: file:///var/lib/parley/recordings")
    return unquote(parts.path).rstrip("/")


@dataclass(frozen=True)
class Egress:
    """What a recorder says of one recording. Times are those of the sound; `seconds` its length."""

    id: str
    room: str
    state: EgressState
    paths: tuple[str, ...]
    """As they were asked for."""
    error: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    seconds: float | None = None
    size: int | None = None
    filename: str = ""
    """Path of the file as it was written; its ending may be another than was asked for."""
    is_kept: bool = False
    """Whether the store did not take the file, and the recorder keeps it."""
    missing: float = 0
    """Seconds of silence in it where a recorder had died, or could not hear the room."""


class Recorder(Protocol):
    """Starts, stops and finds recordings. Raises `Unavailable` where LiveKit or its recorder does not answer."""

    async def start(self, order: RecordingOrder) -> Egress:
        """Begin; the sound begins a little later. Raises `NotFound` without the room, and `Conflict`."""

    async def stop(self, egress_id: str) -> None:
        """Have a recording end; one that has ended is fine."""

    async def find(self, egress_id: str) -> Egress | None: ...

    async def list_running(self) -> list[Egress]: ...


def egress_of(info: api.EgressInfo) -> Egress:
    """Translate LiveKit's egress."""
    result: Any = next(iter((*info.file_results, *info.segment_results)), None)
    return Egress(
        id=info.egress_id,
        room=info.room_name,
        state=EgressState(api.EgressStatus.Name(info.status).removeprefix("EGRESS_").lower()),
        paths=tuple(_paths(info)),
        error=info.error,
        started_at=_moment(result.started_at if result and result.started_at else info.started_at),
        ended_at=_moment(result.ended_at if result and result.ended_at else info.ended_at),
        seconds=result.duration / 1e9 if result and result.duration else None,
        size=result.size if result else None,
        filename=getattr(result, "filename", ""),
        is_kept=info.backup_storage_used,
        missing=sum(map(float, _MISSING.findall(info.details))),
    )


def _paths(info: api.EgressInfo) -> list[str]:
    kind = info.WhichOneof("request")
    if kind is None:
        return []
    request: Any = getattr(info, kind)
    paths = [output.filepath for output in getattr(request, "file_outputs", ())]
    paths += [output.playlist_name for output in getattr(request, "segment_outputs", ())]
    paths += [output.file.filepath for output in getattr(request, "outputs", ()) if output.HasField("file")]
    if hasattr(request, "file") and request.HasField("file"):
        paths.append(request.file.filepath)
    return paths


def _moment(nanoseconds: int) -> datetime | None:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC) if nanoseconds else None


class LiveKitRecorder:
    """`Recorder` on livekit-server's egress API. Build it inside the running loop; one per process."""

    def __init__(self, url: str, key: str, secret: str, target: Target, *, timeout: float) -> None:
        self._api = api.LiveKitAPI(url, key, secret)
        self._target, self._timeout = target, timeout

    async def close(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def start(self, order: RecordingOrder) -> Egress:
        request = request_of(order, self._target.path(order.key), self._target.access)
        try:
            match request:
                case api.ParticipantEgressRequest():
                    begun = self._api.egress.start_participant_egress(request)
                case api.TrackCompositeEgressRequest():
                    begun = self._api.egress.start_track_composite_egress(request)
                case _:
                    begun = self._api.egress.start_room_composite_egress(request)
            return egress_of(await self._ask(begun))
        except api.TwirpError as error:
            if error.code == "not_found":
                raise NotFound("The room is not there") from error
            raise Conflict(f"The recorder refused: {told(error)}") from error

    async def stop(self, egress_id: str) -> None:
        try:
            await self._ask(self._api.egress.stop_egress(api.StopEgressRequest(egress_id=egress_id)))
        except api.TwirpError:  # unknown or over
            return

    async def find(self, egress_id: str) -> Egress | None:
        found = await self._list(api.ListEgressRequest(egress_id=egress_id))
        return found[0] if found else None

    async def list_running(self) -> list[Egress]:
        return await self._list(api.ListEgressRequest(active=True))

    async def _list(self, request: api.ListEgressRequest) -> list[Egress]:
        try:
            answer = await self._ask(self._api.egress.list_egress(request))
        except api.TwirpError as error:
            raise Unavailable(f"LiveKit answered {error.code}") from error
        return [egress_of(info) for info in answer.items]

    async def _ask(self, call: Awaitable[T]) -> T:
        """The answer; a `TwirpError` only where LiveKit refused."""
        try:
            async with asyncio.timeout(self._timeout):
                return await call
        except api.TwirpError as error:
            if error.code in ("unavailable", "deadline_exceeded", "request_timeout", "internal", "unknown"):
                raise Unavailable(NO_RECORDER, retry_after=RETRY_AFTER) from error
            raise
        except TimeoutError as error:  # LiveKit looks for a recorder for 20 s
            raise Unavailable(NO_RECORDER, retry_after=RETRY_AFTER) from error
        except aiohttp.ClientError as error:
            raise Unavailable("LiveKit cannot be reached; try again") from error


NO_RECORDER = "No recorder answers: an egress service beside livekit-server is away, or busy; try again"
RETRY_AFTER = 60
"""Seconds after which it is worth asking again for a part of the installation that is missing."""
