"""The socket of people's meetings: Socket.IO at `/socket.io/`.

What one socket sends is handled in its order. What happens in a meeting goes through the live bus to every process, so
that all hear it in the same order; what LiveKit and the event log tell comes by the log, which every process follows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import socketio
import structlog
from pydantic import ValidationError

from control_plane.clock import Clock, iso_ms
from control_plane.db.database import Database
from control_plane.dialects.onepizza.messages import (
    ChatLine,
    JoinMeeting,
    Microphone,
    Nothing,
    Reaction,
    Said,
    WaitingRoom,
    Whom,
    show_fact,
    show_line,
    show_meeting,
    show_person,
    show_waiting,
)
from control_plane.dialects.onepizza.pace import PATIENCE, SLOWLY, Pace, PlainPacket, Turns
from control_plane.dialects.onepizza.seats import Seat, Seats
from control_plane.errors import Forbidden, PlatformError
from control_plane.events.facts import Fact
from control_plane.events.live import LiveBus
from control_plane.events.models import Event
from control_plane.meetings.announcing import MEETINGS, Audience, announcement
from control_plane.meetings.attending import (
    CannotJoin,
    as_it_is,
    attend,
    attend_again,
    gone,
    is_recorded,
    is_seated,
    roster,
    seen,
    still_there,
    title_of,
)
from control_plane.meetings.hosting import CHAT, Host, Told
from control_plane.meetings.models import AttendeeState
from control_plane.meetings.passes import Passes
from control_plane.meetings.presence import lose
from control_plane.meetings.waiting import list_waiting, room_of
from control_plane.tokens.reader import TokenReader

SEEN_EVERY: Final = 10.0
MOST_BYTES: Final = 64 * 1024
"""Of one message."""

log = structlog.get_logger()


class MeetingSockets:
    """The sockets of this process."""

    def __init__(
        self, database: Database, clock: Clock, live: LiveBus, passes: Passes, tokens: TokenReader, host: Host
    ) -> None:
        self.database, self.clock, self.live, self.host = database, clock, live, host
        self.passes, self.tokens = passes, tokens
        self.server = socketio.AsyncServer(
            async_mode="asgi",
            async_handlers=False,
            cors_allowed_origins="*",
            max_http_buffer_size=MOST_BYTES,
            serializer=PlainPacket,
        )
        self._turns = Turns()
        self._paces: dict[str, Pace] = {}
        self.app = socketio.ASGIApp(self.server)
        self._seats = Seats()
        handlers: dict[str, tuple[type[Said], Callable[..., Awaitable[Any]]]] = {
            "chat:message": (ChatLine, self._chat),
            "reaction": (Reaction, self._react),
            "hand:raise": (Nothing, self._raise_hand),
            "hand:lower": (Nothing, self._lower_hand),
            "microphone": (Microphone, self._microphone),
            "leave-meeting": (Nothing, self._leave),
        }
        for act in ("mute", "kick", "admit"):
            handlers[f"participant:{act}"] = (Whom, self._hosted(act))
        for act in ("lock", "unlock", "end"):
            handlers[f"meeting:{act}"] = (Nothing, self._hosted(act))
        handlers["meeting:waiting-room"] = (WaitingRoom, self._switch_waiting_room)
        self.server.on("join-meeting", self._join)
        self.server.on("*", self._unknown)
        self.server.on("disconnect", self._disconnected)
        for name, (shape, handle) in handlers.items():
            self.server.on(name, self._seated(shape, handle))

    # What clients send.

    async def _join(self, sid: str, data: Any = None, *_: Any) -> None:
        try:
            if not await self._may_send(sid):
                raise CannotJoin("RATE_LIMITED", SLOWLY)
            if self._seats.find(sid):
                raise CannotJoin("ALREADY_JOINED", "This socket is in a meeting; leave it first")
            asked = JoinMeeting.model_validate(data)
            async with self._turns.take():
                seat, is_back = await self._attend(sid, asked)
                await self._seat(seat, is_back=is_back)
        except ValidationError as error:
            await self._refuse(sid, "INVALID_REQUEST", _wrong(error))
        except CannotJoin as error:
            await self._refuse(sid, error.code, error.message)
        except PlatformError as error:
            self._seats.leave(sid)
            await self._refuse(sid, error.code, error.message)

    async def _unknown(self, event: str, sid: str, *_: Any) -> dict[str, Any]:
        """An event that there is not."""
        if not await self._may_send(sid):
            return {"ok": False, "code": "RATE_LIMITED", "message": SLOWLY}
        return {"ok": False, "code": "UNKNOWN_EVENT", "message": f"There is no event {event[:64]!r}"}

    async def _may_send(self, sid: str) -> bool:
        """Whether a socket sends as fast as it may; one that does not heed it is closed."""
        pace = self._paces.setdefault(sid, Pace())
        if pace.take():
            return True
        if pace.refused >= PATIENCE:
            below = self.server.manager.eio_sid_from_sid(sid, "/")
            await self.server.disconnect(sid)
            if below is not None:  # else the client might connect again on the same socket
                await self.server.eio.disconnect(below)
        return False

    async def _attend(self, sid: str, asked: JoinMeeting) -> tuple[Seat, bool]:
        """The seat of whoever comes, and whether another socket has it still."""
        shown = self.tokens.read(asked.token) if asked.token else None
        if asked.token and shown is None:
            raise CannotJoin("INVALID_TOKEN", "This token is wrong, or its time is over")
        is_back = False
        async with self.database.platform() as db:
            if shown is not None:
                meeting, attendee, is_back = await attend_again(
                    db, self.clock, asked.meetingId, shown, is_bot=asked.isBot
                )
            else:
                meeting, attendee = await attend(
                    db,
                    self.clock,
                    asked.meetingId,
                    asked.name or "",
                    admin_token=asked.adminToken,
                    wants_admin=asked.isAdmin,
                    is_bot=asked.isBot,
                )
        return Seat(sid, meeting, attendee, attendee.state == AttendeeState.ADMITTED, shown), is_back

    async def _refuse(self, sid: str, code: str, message: str) -> None:
        await self.server.emit("join-error", {"code": code, "message": message}, to=sid)

    async def _seat(self, seat: Seat, *, is_back: bool) -> None:
        if is_back:
            await self._tell(seat, "seat:taken", {"participantId": seat.identity, "by": seat.sid})
        self._seats.take(seat)
        if seat.admitted:
            await self._let_in(seat, is_back=is_back)
            return
        waiting = show_waiting(seat.attendee)
        token = self.passes.waiting(room_of(seat.attendee), seat.identity, seat.attendee.name)
        await self.server.emit("waiting", waiting | {"token": token}, to=seat.sid)
        await self._tell(seat, "waiting", waiting, to="hosts")

    async def _let_in(self, seat: Seat, *, is_back: bool = False) -> None:
        """Show somebody the meeting, and them to the others."""
        async with self.database.platform() as db:
            seat.meeting = await as_it_is(db, seat.meeting)
            people = await roster(db, self.clock, seat.meeting)
            persona = await self.passes.persona_of(db, seat.meeting)
            title, recording = await title_of(db, seat.meeting), await is_recorded(db, seat.meeting)
            waiting = await list_waiting(db, seat.meeting) if seat.attendee.is_admin else []
        shown = seat.pass_shown
        token = shown.token if shown else None
        joined = {
            "participantId": seat.identity,
            "participants": [show_person(person) for person in people],
            "meeting": show_meeting(seat.meeting, title=title, recording=recording),
            "livekit": {
                "url": self.passes.livekit_url,
                "token": token or self.passes.admission(seat.meeting, seat.identity, seat.attendee.name, persona),
            },
        }
        if seat.attendee.is_admin:
            joined["waiting"] = [show_waiting(each) for each in waiting]
        await self.server.emit("joined", joined, to=seat.sid)
        if not is_back:
            await self._tell(seat, "participant:joined", show_person(seen(seat.attendee)))

    def _seated(self, shape: type[Said], handle: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """A handler of what only somebody in a meeting may send; it answers with an acknowledgement."""

        async def act(sid: str, data: Any = None, *_: Any) -> dict[str, Any]:
            if not await self._may_send(sid):
                return {"ok": False, "code": "RATE_LIMITED", "message": SLOWLY}
            seat = self._seats.find(sid)
            if seat is None or not seat.admitted:
                return {"ok": False, "code": "NOT_JOINED", "message": "Join a meeting first"}
            try:
                said = shape.model_validate({} if data is None else data)
                async with self._turns.take():
                    done = await handle(seat, said)
            except ValidationError as error:
                return {"ok": False, "code": "INVALID_REQUEST", "message": _wrong(error)}
            except PlatformError as error:
                return {"ok": False, "code": error.code, "message": error.message}
            return {"ok": True, **(done or {})}

        return act

    async def _chat(self, seat: Seat, said: ChatLine) -> dict[str, Any]:
        if seat.pass_shown is not None and not seat.pass_shown.may_chat:
            raise Forbidden("This token does not allow to chat")
        sent_at = iso_ms(self.clock.now())
        line = {"participantId": seat.identity, "name": seat.attendee.name, "text": said.text, "sentAt": sent_at}
        session_id = await self.host.keep_chat(seat.meeting, seat.attendee, said.text, self.live)
        await self._tell(seat, "chat:message", line)
        if session_id is not None:
            heard = {"session_id": session_id, "text": said.text, "identity": seat.identity, "name": seat.attendee.name}
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

    async def _microphone(self, seat: Seat, said: Microphone) -> None:
        await self.host.set_muted(seat.attendee, muted=said.muted)
        await self._tell(seat, "participant:updated", {"participantId": seat.identity, "muted": said.muted})

    async def _leave(self, seat: Seat, _: Nothing) -> None:
        await self._unseat(seat)

    def _hosted(self, act: str) -> Callable[..., Awaitable[Any]]:
        async def handle(seat: Seat, said: Whom | Nothing) -> None:
            self.host.demand(seat.attendee)
            whom = said.participantId if isinstance(said, Whom) else None
            await self._tell_all(seat, await self.host.act(seat.meeting, act, whom))

        return handle

    async def _switch_waiting_room(self, seat: Seat, said: WaitingRoom) -> None:
        self.host.demand(seat.attendee)
        await self._tell_all(seat, await self.host.set_waiting_room(seat.meeting, on=said.on))

    async def _disconnected(self, sid: str, *_: Any) -> None:
        self._paces.pop(sid, None)
        seat = self._seats.find(sid)
        if seat is not None:
            async with self._turns.take(within=None):
                await self._unseat(seat)

    async def _unseat(self, seat: Seat) -> None:
        if not self._seats.leave(seat.sid):
            return
        try:
            async with self.database.platform() as db:
                await gone(db, seat.attendee.id)
        except PlatformError as error:  # `keep_present` finds out
            log.warning("who left a meeting is not written", reason=error.message)
        if seat.admitted:
            await self._tell(seat, "participant:left", {"participantId": seat.identity})
        else:
            await self._tell(seat, "waiting:left", {"participantId": seat.identity}, to="hosts")

    # What others hear.

    async def _tell(self, seat: Seat, event: str, data: dict[str, Any], *, to: Audience = "others") -> None:
        """Have every process tell its sockets in the meeting."""
        await self._announce(announcement(seat.meeting.room_name, event, data, to=to, by=seat.identity))

    async def _tell_all(self, seat: Seat, told: Told) -> None:
        for event, data in told:
            await self._tell(seat, event, data, to="all")

    async def _announce(self, message: dict[str, Any]) -> None:
        if not await self.live.publish(MEETINGS, message):
            await self.hear(message)

    async def hear(self, message: dict[str, Any]) -> None:
        """Something happened in a meeting: tell the sockets of this process that are meant."""
        event, data = message["event"], message["data"]
        for seat in self._seats.in_room(message["room"]):
            is_about = seat.identity == data.get("participantId")
            if event == "participant:admitted":
                if is_about and not seat.admitted:
                    await self._admit(seat)
            elif event == "participant:removed":
                if is_about:
                    await self._refuse(seat.sid, "REMOVED", "The hosts have sent you away")
                    await self._unseat(seat)
            elif event == "seat:taken":
                if is_about and seat.sid != data["by"] and self._seats.leave(seat.sid):
                    await self._refuse(seat.sid, "ELSEWHERE", "You have joined again elsewhere")
            elif seat.admitted and self._is_meant(seat, message):
                await self.server.emit(event, data, to=seat.sid)

    async def _admit(self, seat: Seat) -> None:
        seat.admitted = True
        try:
            await self._let_in(seat)
        except PlatformError as error:  # they come again with their token
            self._seats.leave(seat.sid)
            await self._refuse(seat.sid, error.code, error.message)

    @staticmethod
    def _is_meant(seat: Seat, message: dict[str, Any]) -> bool:
        if message["to"] == "hosts":
            return seat.attendee.is_admin
        return bool(message["to"] == "all" or seat.identity != message["from"])

    async def tell(self, events: Iterable[Event]) -> None:
        """What the log says of the meetings whose sockets are here."""
        for event in events:
            seats = self._seats.in_room(event.room_name) if event.room_name else []
            told = show_fact(event) if seats else []
            if not told or await self._is_told_by_a_socket(event):
                continue
            for name, data in told:
                await self._show(seats, name, data)
            if event.type == Fact.MEETING_ENDED:
                for seat in seats:
                    if not seat.admitted:
                        await self.server.emit("meeting:ended", {}, to=seat.sid)
                    await self._unseat(seat)

    async def _is_told_by_a_socket(self, event: Event) -> bool:
        if event.type not in (Fact.PARTICIPANT_JOINED, Fact.PARTICIPANT_LEFT) or event.room_name is None:
            return False
        async with self.database.platform() as db:
            return await is_seated(db, self.clock, event.room_name, event.data["identity"])

    async def tell_line(self, line: dict[str, Any]) -> None:
        """A line as it is being said, or one that is not kept."""
        seats = self._seats.in_room(line["room_name"])
        for name, data in show_line(line, sent_at=self.clock.now()) if seats else ():
            await self._show(seats, name, data)

    async def _show(self, seats: list[Seat], event: str, data: dict[str, Any]) -> None:
        for seat in seats:
            is_meant = seat.attendee.is_admin or event not in ("waiting", "waiting:left")
            may_read = event != "transcript" or seat.meeting.controls["enable_transcription"]
            if seat.admitted and is_meant and may_read:
                await self.server.emit(event, data, to=seat.sid)

    # Upkeep.

    async def keep_present(self) -> None:
        """Say of everybody here that they are still there, and tell of those of whom no process says so any more, such
        as one that was killed; until cancelled."""
        while True:
            await asyncio.sleep(SEEN_EVERY)
            try:
                await self.look_after()
            except PlatformError as error:
                log.warning("who is in meetings is not written", reason=error.message)

    async def look_after(self) -> None:
        """Do that once."""
        here = self._seats.attendees()
        async with self.database.platform() as db:
            if here:
                await still_there(db, self.clock, here)
            lost = await lose(db, self.clock.now())
        for room, identity, admitted in lost:
            who = {"participantId": identity}
            told = announcement(room, "participant:left", who)
            await self._announce(told if admitted else announcement(room, "waiting:left", who, to="hosts"))


def _wrong(error: ValidationError) -> str:
    """The first thing that is wrong, with the field it is about."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else problem["msg"]
