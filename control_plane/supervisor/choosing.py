"""Which rooms are looked into in a pass: LiveKit is asked for each of them, and for so many only."""

from collections.abc import Iterable
from typing import Final

from control_plane.media.server import LiveRoom

AT_ONCE: Final = 100
"""Rooms that a pass looks into: each is a question to LiveKit."""
FOR_NEWS: Final = 60
"""Of those the places for rooms that differ from what was seen; the others are for whoever has waited longest."""


class Choice:
    """Remembers when each room was looked into, and how many were in it. Rooms are those of LiveKit's ids."""

    def __init__(self) -> None:
        self._pass = 0
        self._seen: dict[str, tuple[int, tuple[int, int]]] = {}

    def choose(self, rooms: Iterable[LiveRoom], *, urgent: frozenset[str] = frozenset()) -> list[LiveRoom]:
        """Those to look into: first those whose numbers differ or whose sid is `urgent`; each by how long ago it was.

        With no more rooms than `AT_ONCE` that is all of them, each time.
        """
        self._pass += 1
        waiting = sorted(rooms, key=self._last)
        news = [room for room in waiting if room.sid in urgent or self._differs(room)][:FOR_NEWS]
        chosen = {room.sid: room for room in news}
        for room in waiting:
            if len(chosen) == AT_ONCE:
                break
            chosen.setdefault(room.sid, room)
        there = {room.sid for room in waiting}
        self._seen = {sid: seen for sid, seen in self._seen.items() if sid in there}
        return list(chosen.values())

    def looked(self, room: LiveRoom) -> None:
        """A room was looked into, and what differed is written down."""
        self._seen[room.sid] = self._pass, _numbers(room)

    def _last(self, room: LiveRoom) -> int:
        return self._seen[room.sid][0] if room.sid in self._seen else 0

    def _differs(self, room: LiveRoom) -> bool:
        return room.sid not in self._seen or self._seen[room.sid][1] != _numbers(room)


def _numbers(room: LiveRoom) -> tuple[int, int]:
    return room.num_participants, room.num_publishers
