"""The socket of people's meetings: Socket.IO at `/socket.io/`.

What one socket sends is handled in its order. What happens in a meeting goes through the live bus to every process, so
that all hear it in the same order; what LiveKit and the event log tell comes by the log, which every process follows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import socketio
import structlog
from pydantic import ValidationError

from control_plane.clock import Clock, iso_ms
from control_plane.db.database import Database
from control_plane.dialects.onepizza.messages import (
    ChatLine,
    JoinMeeting,
    Nothing,
    Reaction,
    Said,
    Whom,
    show_meeting,
    show_person,
)
from control_plane.errors import PlatformError
from control_plane.events.facts import Fact
from control_plane.events.live import LiveBus
from control_plane.events.models import Event
from control_plane.meetings.attending import BY_SOCKET, CannotJoin, attend, gone, roster, seen, still_there
from control_plane.meetings.hosting import CHAT, Host
from control_plane.meetings.models import Attendee, AttendeeState, Meeting
from control_plane.meetings.passes import Passes

MEETINGS: Final = "meetings"
"""Live channel: what happens in a meeting."""
SEEN_EVERY: Final = 10.0
MOST_BYTES: Final = 64 * 1024
"""Of one message."""

log = structlog.get_logger()


@dataclass(slots=True)
class Seat:
    """A socket in a meeting. `admitted` once it is let in."""

    sid: str
    meeting: Meeting
    attendee: Attendee
    admitted: bool

    @property
    def identity(self) -> str:
        """Who it is, in LiveKit too."""
        return self.attendee.identity


class MeetingSockets:
    """The sockets of this process."""

    def __init__(self, database: Database, clock: Clock, live: LiveBus, passes: Passes, host: Host) -> None:
        self.database, self.clock, self.live, self.passes, self.host = database, clock, live, passes, host
        self.server = socketio.AsyncServer(
            async_mode="asgi", async_handlers=False, cors_allowed_origins="*", max_http_buffer_size=MOST_BYTES
        )
        self.app = socketio.ASGIApp(self.server)
        self._seats: dict[str, Seat] = {}
        self._by_room: dict[str, set[str]] = {}
        """Sockets by LiveKit's name of their meeting's room."""
        handlers: dict[str, tuple[type[Said], Callable[..., Awaitable[Any]]]] = {
            "chat:message": (ChatLine, self._chat),
            "reaction": (Reaction, self._react),
            "hand:raise": (Nothing, self._raise_hand),
            "hand:lower": (Nothing, self._lower_hand),
            "leave-meeting": (Nothing, self._leave),
        }
        for act in ("mute", "kick", "admit"):
            handlers[f"participant:{act}"] = (Whom, self._hosted(act))
        for act in ("lock", "unlock", "end"):
            handlers[f"meeting:{act}"] = (Nothing, self._hosted(act))
        self.server.on("join-meeting", self._join)
        self.server.on("disconnect", self._disconnected)
        for name, (shape, handle) in handlers.items():
            self.server.on(name, self._seated(shape, handle))

    # What clients send.

    async def _join(self, sid: str, data: Any = None) -> None:
        try:
            if sid in self._seats:
                raise CannotJoin("ALREADY_JOINED", "This socket is in a meeting; leave it first")
            asked = JoinMeeting.model_validate(data)
            async with self.database.platform() as db:
                meeting, attendee = await attend(
                    db,
                    self.clock,
                    asked.meetingId,
                    asked.name,
                    admin_token=asked.adminToken,
                    wants_admin=asked.isAdmin,
                    is_bot=asked.isBot,
                )
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"])
            await self._refuse(sid, "INVALID_REQUEST", f"{where}: {problem['msg']}")
        except CannotJoin as error:
            await self._refuse(sid, error.code, error.message)
        except PlatformError as error:
            await self._refuse(sid, error.code, error.message)
        else:
            await self._seat(Seat(sid, meeting, attendee, attendee.state == AttendeeState.ADMITTED))

    async def _refuse(self, sid: str, code: str, message: str) -> None:
        await self.server.emit("join-error", {"code": code, "message": message}, to=sid)

    async def _seat(self, seat: Seat) -> None:
        self._seats[seat.sid] = seat
        self._by_room.setdefault(seat.meeting.room_name, set()).add(seat.sid)
        if seat.admitted:
            await self._let_in(seat)
            return
        waiting = {"participantId": seat.identity, "name": seat.attendee.name}
        await self.server.emit("waiting", waiting, to=seat.sid)
        await self._tell(seat, "waiting", waiting, to="hosts")

    async def _let_in(self, seat: Seat) -> None:
        """Show somebody the meeting, and them to the others."""
        async with self.database.platform() as db:
            people = await roster(db, self.clock, seat.meeting)
            persona = await self.passes.persona_of(db, seat.meeting)
        token = self.passes.admission(seat.meeting, seat.identity, seat.attendee.name, persona)
        joined = {
            "participantId": seat.identity,
            "participants": [show_person(person) for person in people],
            "meeting": show_meeting(seat.meeting),
            "livekit": {"url": self.passes.livekit_url, "token": token},
        }
        await self.server.emit("joined", joined, to=seat.sid)
        await self._tell(seat, "participant:joined", show_person(seen(seat.attendee)))

    def _seated(self, shape: type[Said], handle: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """A handler of what only somebody in a meeting may send; it answers with an acknowledgement."""

        async def act(sid: str, data: Any = None) -> dict[str, Any]:
            seat = self._seats.get(sid)
            if seat is None or not seat.admitted:
                return {"ok": False, "code": "NOT_JOINED", "message": "Join a meeting first"}
            try:
                done = await handle(seat, shape.model_validate({} if data is None else data))
            except ValidationError as error:
                return {"ok": False, "code": "INVALID_REQUEST", "message": str(error.errors()[0]["msg"])}
            except PlatformError as error:
                return {"ok": False, "code": error.code, "message": error.message}
            return {"ok": True, **(done or {})}

        return act

    async def _chat(self, seat: Seat, said: ChatLine) -> dict[str, Any]:
        sent_at = iso_ms(self.clock.now())
        line = {"participantId": seat.identity, "name": seat.attendee.name, "text": said.text, "sentAt": sent_at}
        session_id = await self.host.keep_chat(seat.meeting, seat.attendee, said.text)
        await self._tell(seat, "chat:message", line)
        if session_id is not None:
            heard = {"session_id": session_id, "text": said.text, "identity": seat.identity}
            await self.live.publish(CHAT, heard)
        return {"sentAt": sent_at}

    async def _react(self, seat: Seat, said: Reaction) -> None:
        await self._tell(seat, "reaction", {"participantId": seat.identity, "emoji": said.emoji})

    async def _raise_hand(self, seat: Seat, _: Nothing) -> None:
        await self._hand(seat, raised=True)

    async def _lower_hand(self, seat: Seat, _: Nothing) -> None:
        await self._hand(seat, raised=False)

    async def _hand(self, seat: Seat, *, raised: bool) -> None:
        await self.host.set_hand(seat.attendee, raised=raised)
        await self._tell(seat, "hand:raised" if raised else "hand:lowered", {"participantId": seat.identity})

    async def _leave(self, seat: Seat, _: Nothing) -> None:
        await self._unseat(seat)

    def _hosted(self, act: str) -> Callable[..., Awaitable[Any]]:
        async def handle(seat: Seat, said: Whom | Nothing) -> None:
            self.host.demand(seat.attendee)
            whom = said.participantId if isinstance(said, Whom) else None
            told = await self.host.act(seat.meeting, act, whom)
            for event, data in told:
                await self._tell(seat, event, data, to="all")

        return handle

    async def _disconnected(self, sid: str, *_: Any) -> None:
        seat = self._seats.get(sid)
        if seat is not None:
            await self._unseat(seat)

    async def _unseat(self, seat: Seat) -> None:
        if self._seats.pop(seat.sid, None) is None:
            return
        there = self._by_room.get(seat.meeting.room_name, set())
        there.discard(seat.sid)
        if not there:
            self._by_room.pop(seat.meeting.room_name, None)
        async with self.database.platform() as db:
            await gone(db, seat.attendee.id)
        if seat.admitted:
            await self._tell(seat, "participant:left", {"participantId": seat.identity})

    # What others hear.

    async def _tell(self, seat: Seat, event: str, data: dict[str, Any], *, to: str = "others") -> None:
        """Have every process tell its sockets in the meeting: the `others`, `all`, or the `hosts`."""
        message = {
            "room": seat.meeting.room_name,
            "event": event,
            "data": data,
            "to": to,
            "from": seat.identity,
        }
        if not await self.live.publish(MEETINGS, message):
            await self.hear(message)

    async def hear(self, message: dict[str, Any]) -> None:
        """Something happened in a meeting: tell the sockets of this process that are meant."""
        event, data = message["event"], message["data"]
        for seat in self._in(message["room"]):
            if event == "participant:admitted" and seat.identity == data["participantId"] and not seat.admitted:
                seat.admitted = True
                await self._let_in(seat)
            elif event == "participant:removed" and seat.identity == data["participantId"]:
                await self._refuse(seat.sid, "REMOVED", "The hosts have sent you away")
                await self._unseat(seat)
            elif seat.admitted and self._is_meant(seat, message) and not event.endswith((":admitted", ":removed")):
                await self.server.emit(event, data, to=seat.sid)

    @staticmethod
    def _is_meant(seat: Seat, message: dict[str, Any]) -> bool:
        if message["to"] == "hosts":
            return seat.attendee.is_admin
        return bool(message["to"] == "all" or seat.identity != message["from"])

    async def tell(self, events: Iterable[Event]) -> None:
        """What the log says of the meetings whose sockets are here."""
        for event in events:
            seats = self._in(event.room_name) if event.room_name else []
            for name, data in _told(event) if seats else ():
                await self._show(seats, name, data)
            if event.type == Fact.MEETING_ENDED:
                for seat in seats:
                    await self._unseat(seat)

    async def tell_line(self, line: dict[str, Any]) -> None:
        """A line as it is being said, or one that is not kept."""
        seats = self._in(line["room_name"])
        for name, data in _told_line(line, sent_at=iso_ms(self.clock.now())) if seats else ():
            await self._show(seats, name, data)

    async def _show(self, seats: list[Seat], event: str, data: dict[str, Any]) -> None:
        for seat in seats:
            if seat.admitted and (event != "transcript" or seat.meeting.controls["enable_transcription"]):
                await self.server.emit(event, data, to=seat.sid)

    def _in(self, room_name: str) -> list[Seat]:
        return [self._seats[sid] for sid in self._by_room.get(room_name, ())]

    # Upkeep.

    async def keep_present(self) -> None:
        """Say of everybody here that they are still there, until cancelled."""
        while True:
            await asyncio.sleep(SEEN_EVERY)
            here = [seat.attendee.id for seat in self._seats.values()]
            if not here:
                continue
            try:
                async with self.database.platform() as db:
                    await still_there(db, self.clock, here)
            except PlatformError as error:
                log.warning("who is in meetings is not written", reason=error.message)


def _told(event: Event) -> list[tuple[str, dict[str, Any]]]:
    """A fact as the socket tells it: in one event, or two, or not at all."""
    data = event.data
    if event.type == Fact.TRANSCRIPT_LINE:
        return _told_line(data, sent_at=iso_ms(event.created_at))
    if str(data.get("identity", "")).startswith(BY_SOCKET):
        return []
    match event.type:
        case Fact.PARTICIPANT_JOINED:
            person = {"participantId": data["identity"], "name": data.get("name") or data["identity"]}
            is_bot = data.get("kind") == "agent"
            more = {"isAdmin": False, "isBot": is_bot, "muted": False, "handRaised": False}
            return [("participant:joined", person | more)]
        case Fact.PARTICIPANT_LEFT:
            return [("participant:left", {"participantId": data["identity"]})]
        case Fact.RECORDING_STARTED | Fact.RECORDING_STOPPED | Fact.RECORDING_FAILED:
            return [("recording", {"status": data.get("status")})]
        case Fact.MEETING_ENDING:
            return [("meeting:warning", {"secondsLeft": data["seconds_left"]})]
        case Fact.MEETING_ENDED:
            return [("meeting:ended", {})]
    return []


def _told_line(line: dict[str, Any], *, sent_at: str) -> list[tuple[str, dict[str, Any]]]:
    """A line of a conversation: what is said, and where it belongs to the chat, what is written."""
    said = {"speaker": line["speaker"], "text": line["content"], "final": line["is_final"]}
    told = [("transcript", said)]
    if name := line.get("chat_name"):
        written = {"participantId": line["identity"], "name": name, "text": line["content"], "sentAt": sent_at}
        told.append(("chat:message", written))
    return told
