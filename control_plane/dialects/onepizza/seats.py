"""Sockets of this process that are in meetings, or wait for one."""

from dataclasses import dataclass

from control_plane.meetings.models import Attendee, Meeting
from control_plane.tokens.reader import Shown


@dataclass(slots=True)
class Seat:
    """A socket in a meeting. `admitted` once it is let in; `shown` is the token that it came with."""

    sid: str
    meeting: Meeting
    attendee: Attendee
    admitted: bool
    shown: Shown | None = None

    @property
    def identity(self) -> str:
        """Who it is, in LiveKit too."""
        return self.attendee.identity

    @property
    def pass_shown(self) -> Shown | None:
        """The token that opens the meeting itself, if it came with one: it gets no other, which might open more."""
        return self.shown if self.shown and self.shown.room == self.meeting.room_name else None


class Seats:
    """All of them, by socket and by LiveKit's name of their meeting's room."""

    def __init__(self) -> None:
        self._all: dict[str, Seat] = {}
        self._by_room: dict[str, set[str]] = {}

    def find(self, sid: str) -> Seat | None:
        """The seat of a socket."""
        return self._all.get(sid)

    def take(self, seat: Seat) -> None:
        """A socket has a seat from now on."""
        self._all[seat.sid] = seat
        self._by_room.setdefault(seat.meeting.room_name, set()).add(seat.sid)

    def leave(self, sid: str) -> bool:
        """A socket has none any more; whether it had."""
        seat = self._all.pop(sid, None)
        if seat is None:
            return False
        there = self._by_room.get(seat.meeting.room_name, set())
        there.discard(sid)
        if not there:
            self._by_room.pop(seat.meeting.room_name, None)
        return True

    def in_room(self, room_name: str) -> list[Seat]:
        """Those of one meeting."""
        return [self._all[sid] for sid in self._by_room.get(room_name, ())]

    def attendees(self) -> list[int]:
        """Who has one."""
        return [seat.attendee.id for seat in self._all.values()]
