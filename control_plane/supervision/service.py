"""Supervising a call: who listens, whispers, speaks to both, takes it over, and gives it back.

Somebody listens under one identity, hidden, for as long as they supervise, and speaks under another: in the call, or
aside in a room that the persona alone enters. What is no place of the mode's is closed before the next one is opened.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from sqlalchemy.exc import IntegrityError

from agents.audience import MODES, Mode, may_speak, place_of, voice_of
from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Conflict, NotFound
from control_plane.events.live import LiveBus
from control_plane.events.log import EventLog
from control_plane.gate.models import AuditEntry
from control_plane.media.server import MediaServer, ParticipantChange
from control_plane.rooms.models import Room, Supervision
from control_plane.rooms.repository import RoomRepository
from control_plane.rooms.service import get_open_room
from control_plane.rooms.supervisions import Supervisions, attributes_of, tell
from control_plane.sessions.models import Session
from control_plane.sessions.repository import SessionRepository
from control_plane.supervision.schemas import Supervise, Supervised, Voice, shown_audience
from control_plane.tokens.signer import Grants, Pass, TokenSigner

WHISPER: Final = "whisper"
"""Live channel: hints for personas. `session_id`, and `text`, or else `token` of the room aside."""
ASIDE: Final = "aside."
"""Of the rooms where a persona alone is spoken to. Rooms of projects have an underscore behind their slug."""
LISTENS_WITHIN, SPEAKS_WITHIN = timedelta(minutes=10), timedelta(minutes=2)
"""How long a token opens the room."""
LATER: Final = timedelta(milliseconds=1)
"""Between one mode and the next, however clocks are set."""
MOST: Final = 20
"""Supervisors of one room."""

_LISTENS: Final = Grants(can_publish=False, can_publish_data=False, can_publish_sources=(), hidden=True)
_SPEAKS: Final = Grants(can_subscribe=False, can_publish_data=False, can_publish_sources=("microphone",))
_HEARS: Final = Grants(can_publish=False, can_publish_data=False, can_publish_sources=())
"""What a supervisor may who listens, one who speaks, and a persona that listens aside."""


class Supervisor:
    """Supervises the rooms of one caller.

    `run` raises `NotFound` for an unknown room or supervisor, `Forbidden` for a room of another project, `Conflict` for
    a closed room, where somebody else speaks to those in it, and where there is no persona for what is asked; and
    `Unavailable` where LiveKit is away, or the persona cannot be told. What was asked for is then begun, and asked for
    again it is done.
    """

    def __init__(
        self,
        db: Db,
        caller: Caller,
        clock: Clock,
        media: MediaServer,
        signer: TokenSigner,
        live: LiveBus,
        entry: Callable[..., AuditEntry],
        *,
        ws_url: str,
    ) -> None:
        self.entry = entry
        self.db, self.caller, self.clock, self.media = db, caller, clock, media
        self.signer, self.live, self.ws_url = signer, live, ws_url
        self.rooms = RoomRepository(db, caller.project_id)
        self.supervisions = Supervisions(db, caller.project_id)
        self.log = EventLog(db, clock)

    async def run(self, given: str, body: Supervise) -> Supervised:
        """Do what is asked for, and say how to connect."""
        room = await get_open_room(self.rooms, self.caller, given)
        if await self.rooms.find_open(room.full_name, lock=True) is None:  # one at a time
            raise Conflict(f"The room {room.name!r} is closed")
        session = await SessionRepository(self.db, self.caller.project_id).lock_active(room.full_name)
        has_persona = session is not None and session.persona_id is not None
        if body.mode in ("whisper", "takeover") and not has_persona:
            raise Conflict(f"No persona is in the room {room.name!r}: listen, or speak to all with barge")
        running = await self._running(room)
        mine = self._mine(running, body)
        others = [each for each in running if each is not mine and each.mode != "listen"]
        if body.mode not in ("listen", "return") and others:
            other = others[0]
            raise Conflict(
                f"{other.name or other.identity} supervises this room already ({other.mode}); you can listen",
                details={"supervisor": other.identity, "mode": other.mode},
            )
        if body.text is not None:
            assert session is not None
            self._audit(room, mine, body)
            return await self._hint(room, session, mine, body.text)
        if body.mode == "return" and mine is None:
            raise Conflict("There is nothing to give back: you do not supervise this room")
        mode: Mode = "listen" if body.mode == "return" else body.mode
        mine = mine or await self._begin(room, running, body)
        before = mine.mode
        mine.mode, mine.name = mode, body.name or mine.name
        mine.changed_at = max(self.clock.now(), mine.changed_at + LATER)
        tell(self.log, room, mine, mode=mode, session_id=session.id if session else None)
        self._audit(room, mine, body)
        try:
            await self.db.commit()
        except IntegrityError as error:
            raise Conflict("Somebody else supervises this room already; you can listen") from error
        voice = await self._place(room, session, mine, mode, before)
        return self._answer(room, session, mine, voice)

    async def _running(self, room: Room) -> list[Supervision]:
        """Who really supervises; those who never came, or of whose leaving nothing was heard, have ended."""
        running, now = [], self.clock.now()
        for each in await self.supervisions.running(room.id):
            if await self.supervisions.is_there(each, now=now):
                running.append(each)
            else:
                each.ended_at = now
                tell(self.log, room, each, mode="ended")
        await self.db.flush()
        return running

    def _mine(self, running: list[Supervision], body: Supervise) -> Supervision | None:
        if body.supervisor is None:
            return next((each for each in running if each.key_id == self.caller.key_id), None)
        for each in running:
            if each.identity == body.supervisor:
                return each
        raise NotFound(f"{body.supervisor} does not supervise this room")

    async def _begin(self, room: Room, running: list[Supervision], body: Supervise) -> Supervision:
        if len(running) >= MOST:
            raise Conflict(f"{MOST} supervise this room already")
        begun = Supervision(
            project_id=self.caller.project_id,
            room_id=room.id,
            key_id=self.caller.key_id,
            name=body.name,
            changed_at=self.clock.now(),
        )
        self.db.add(begun)
        await self.db.flush()
        return begun

    def _audit(self, room: Room, mine: Supervision | None, body: Supervise) -> None:
        """Beside the intent: what LiveKit then refuses was asked for."""
        target = {"room_name": room.name, "mode": body.mode, "supervisor": mine.identity if mine else None}
        if body.text is not None:
            target["mode"] = "hint"
        self.db.add(self.entry(project_id=self.caller.project_id, key_id=self.caller.key_id, target=target, status=200))

    async def _hint(self, room: Room, session: Session, mine: Supervision | None, text: str) -> Supervised:
        session_id = session.id
        await self.db.commit()  # with what the audit says of it
        await self.live.command(WHISPER, {"session_id": session_id, "text": text, "token": ""})
        answer = self._answer(room, session, mine, None)
        return answer.model_copy(update={"voice": None})

    async def _place(
        self, room: Room, session: Session | None, mine: Supervision, mode: Mode, before: str
    ) -> Voice | None:
        """Put the supervisor's microphone where the mode wants it, and nowhere else."""
        identity, place, aside = voice_of(mine.identity), place_of(mode), f"{ASIDE}{mine.id}"
        if place != "aside" and before != "listen":
            await self.media.close_room(aside)
        if place != "call":
            if before != "listen" or mode == "listen":
                with suppress(NotFound):
                    await self.media.remove_participant(room.full_name, identity)
        else:
            with suppress(NotFound):  # not there yet: the token says the same
                change = ParticipantChange(attributes=attributes_of(mine))
                await self.media.update_participant(room.full_name, identity, change)
        if not may_speak(mode, "supervisor"):
            return None
        if place == "aside" and session is not None:
            token = self._sign(identity="persona", room=aside, grants=_HEARS)
            await self.live.command(WHISPER, {"session_id": session.id, "text": "", "token": token})
        where = aside if place == "aside" else room.full_name
        attributes = attributes_of(mine) if place == "call" else {}
        token = self._sign(identity=identity, room=where, grants=_SPEAKS, name=mine.name, attributes=attributes)
        return Voice(identity=identity, room=where, token=token)

    def _answer(self, room: Room, session: Session | None, mine: Supervision | None, voice: Voice | None) -> Supervised:
        mode = next((each for each in MODES if mine is not None and each == mine.mode), None)
        token = None
        if mine is not None:
            token = self._sign(
                identity=mine.identity, room=room.full_name, grants=_LISTENS, name=mine.name, ttl=LISTENS_WITHIN
            )
        return Supervised(
            room=room.full_name,
            session_id=session.id if session else None,
            mode=mode,
            supervisor=mine.identity if mine else None,
            token=token,
            voice=voice,
            wsUrl=self.ws_url,
            hears=shown_audience(mode),
        )

    def _sign(self, *, ttl: timedelta = SPEAKS_WITHIN, **entry: Any) -> str:
        return self.signer.sign(Pass(ttl=ttl, kind="agent", **entry))
