"""What the jobs process does of what is written in the job table: a handler for each kind."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from openai import AsyncOpenAI

from control_plane.analysis.making import Analyst
from control_plane.bots.life import STOP_RECORDING, WRITE_DOWN
from control_plane.bots.recognisers import UPLOAD_WITHIN, Gladia
from control_plane.bots.riding import GREET, BotGreeter
from control_plane.bots.writing import BotWriter
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.dialects.videosdk.life import CLOSE_LATE, close_late
from control_plane.dialects.videosdk.transcribing import TRANSCRIBE, Transcriber
from control_plane.events.live import LiveBus
from control_plane.jobs.queue import Handler
from control_plane.knowledge_bases.indexing import INDEX_BASE, BaseIndexer
from control_plane.media.recorder import Recorder
from control_plane.media.server import MediaServer
from control_plane.meetings.hosting import Host
from control_plane.meetings.life import ANSWER, END_MEETING, WARN_MEETING, end_meeting, warn_meeting
from control_plane.meetings.passes import Passes
from control_plane.meetings.waiting import Usher
from control_plane.metering.budget import WIND_UP
from control_plane.privacy.erasing import ERASE, Eraser
from control_plane.privacy.exporting import EXPORT, Exporter
from control_plane.privacy.receipts import Receipts
from control_plane.recordings.peaks import PEAKS, PeakMaker
from control_plane.recordings.removing import Remover
from control_plane.recordings.storage import ObjectStore
from control_plane.rooms.retiring import SHUT
from control_plane.rooms.supervisions import SEAT
from control_plane.secrets.box import SecretBox
from control_plane.sessions.ending import ANALYSE, CLOSE_ROOM, GIVE_UP, close_room
from control_plane.sessions.slots import StandingSigner
from control_plane.sessions.winding import wind_up
from control_plane.settings import Settings
from control_plane.supervision.seating import Seating
from control_plane.supervisor.parting import Parting
from control_plane.telephony.switchboard import Switchboard
from control_plane.tokens.signer import TokenSigner
from guard.outbound import Outbound
from sip.dialer import Dialer


@dataclass(frozen=True)
class Parts:
    """What the jobs process works with; `client` asks models."""

    database: Database
    settings: Settings
    clock: Clock
    media: MediaServer
    dialer: Dialer
    recorder: Recorder
    box: SecretBox
    store: ObjectStore
    client: AsyncOpenAI
    live: LiveBus

    @cached_property
    def tickets(self) -> StandingSigner:
        """Signs slots."""
        return StandingSigner(self.settings.secret_keys, "slot")


class Work:
    """The handlers."""

    def __init__(self, parts: Parts, remover: Remover, exporter: Exporter) -> None:
        self.parts, self.remover, self.exporter = parts, remover, exporter
        self.database, self.clock, self.media = parts.database, parts.clock, parts.media

    def handlers(self) -> tuple[dict[str, Handler], ...]:
        """By kind, for runners of their own: nobody who is to be let in must wait for what waits for phones and
        workers, or takes its time."""
        return self._quick(), self._waiting(), self._slow()

    def _quick(self) -> dict[str, Handler]:
        settings, parts = self.parts.settings, self.parts
        greeter = BotGreeter(
            Host(self.database, self.clock, self.media), parts.live, parts.tickets, slot_lifetime=settings.slot_lifetime
        )
        return {
            ANSWER: self._answer_attendee,
            GREET: greeter.handle,
            STOP_RECORDING: self._stop_bots_recording,
            END_MEETING: self._end_late_meeting,
            WARN_MEETING: self._warn_late_meeting,
            CLOSE_ROOM: self._close_room,
            SHUT: self._shut_room,
            SEAT: Seating(self.database, self.media).handle,
            CLOSE_LATE: self._close_late_room,
            WIND_UP: self._end_politely,
        }

    def _waiting(self) -> dict[str, Handler]:
        switchboard = Switchboard(self.database, self.clock, self.parts.dialer, self.media)
        return {GIVE_UP: Parting(self.database, self.clock, self.media, switchboard, self.parts.tickets).handle}

    def _slow(self) -> dict[str, Handler]:
        parts, settings = self.parts, self.parts.settings
        receipts = Receipts(settings.secret_keys, backups=settings.backups_kept)
        models = {"hearing": settings.stt_model, "reading": settings.analysis_model}
        return {
            ANALYSE: self._analyse,
            ERASE: Eraser(self.database, self.clock, parts.box, self.remover, parts.live, receipts).handle,
            EXPORT: self.exporter.handle,
            INDEX_BASE: BaseIndexer(self.database).handle,
            PEAKS: PeakMaker(self.database, parts.store).handle,
            TRANSCRIBE: Transcriber(self.database, self.clock, parts.store, parts.client, **models).handle,
            WRITE_DOWN: self._write_down,
        }

    @cached_property
    def _usher(self) -> Usher:
        settings = self.parts.settings
        passes = Passes(
            TokenSigner(settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()),
            StandingSigner(settings.secret_keys, "meeting"),
            settings.livekit_public_url,
        )
        return Usher(self.database, self.media, passes)

    async def _answer_attendee(self, payload: dict[str, Any]) -> None:
        await self._usher.answer(payload["attendee_id"])

    async def _stop_bots_recording(self, payload: dict[str, Any]) -> None:
        await self.parts.recorder.stop(payload["egress_id"])

    async def _end_late_meeting(self, payload: dict[str, Any]) -> None:
        async with self.database.platform() as db:
            await end_meeting(db, self.clock, self.media, payload["meeting_id"], reason="max_duration")

    async def _warn_late_meeting(self, payload: dict[str, Any]) -> None:
        async with self.database.platform() as db:
            await warn_meeting(db, self.clock, self.media, payload["meeting_id"])

    async def _close_room(self, payload: dict[str, Any]) -> None:
        await close_room(self.database, self.clock, self.media, payload)

    async def _shut_room(self, payload: dict[str, Any]) -> None:
        await self.media.close_room(payload["room_name"])

    async def _close_late_room(self, payload: dict[str, Any]) -> None:
        await close_late(self.database, self.clock, self.media, payload)

    async def _end_politely(self, payload: dict[str, Any]) -> None:
        await wind_up(self.database, self.clock, **payload)

    async def _analyse(self, payload: dict[str, Any]) -> None:
        analyst = Analyst(self.database, self.clock, self.parts.client, self.parts.settings.analysis_model)
        await analyst.analyse(payload["session_id"], payload.get("wish"))

    async def _write_down(self, payload: dict[str, Any]) -> None:
        parts, settings = self.parts, self.parts.settings
        async with Outbound(settings.webhook_networks, timeout=UPLOAD_WITHIN) as outbound:
            gladia = Gladia(outbound, settings.gladia_url)
            asked = {"model": settings.stt_model, "runpod_url": settings.runpod_url}
            writer = BotWriter(self.database, self.clock, parts.store, parts.box, parts.client, gladia, **asked)
            await writer.handle(payload)
