"""Packets into order, without delay. Pure.

Every receiver in a LiveKit room has a jitter buffer of its own, so none stands here: what comes in order is handed on
at once. Only a hole makes what follows wait, for as long as the missing packet may still come.
"""

from typing import Final, Generic, TypeVar

from pocket.rtp.counters import Counters

PATIENCE: Final = 3
"""Later packets that may come before a missing one is given up."""
WAIT: Final = 0.06
"""Seconds after which it is given up in any case."""
MOST_CONCEALED: Final = 5
"""Packets of one hole that are filled in; a longer one is a silence."""
LATE: Final = 128
"""How far behind a packet is late; what is further behind begins a new sequence."""
JUMP: Final = 500
"""How far ahead a packet leaves a hole; what is further ahead begins a new sequence."""

T = TypeVar("T")


class Ordering(Generic[T]):
    """The packets of one stream, each handed on once, in order. Holds less than `PATIENCE` of them.

    `put` and `tick` return what is to be handed on now; None stands for a packet to conceal.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._ssrc: int | None = None
        self._next = 0
        self._seen = 0
        """Bit n: whether the packet n + 1 before the next one came."""
        self._waiting: dict[int, tuple[T, float]] = {}
        self._suspect: int | None = None

    @property
    def ssrc(self) -> int | None:
        """The source that is followed; None before the first packet."""
        return self._ssrc

    def put(self, sequence: int, ssrc: int, item: T, now: float) -> list[T | None]:
        """Take in a packet that came at `now`, in seconds of any clock that only grows."""
        out: list[T | None] = []
        if ssrc != self._ssrc:
            out = self._start(sequence, restarted=self._ssrc is not None)
            self._ssrc = ssrc
        ahead = _distance(self._next, sequence)
        if ahead > JUMP or ahead < -LATE:
            # A restarted sender, or one stray packet: two in a row decide (RFC 3550, appendix A.1).
            if sequence != self._suspect:
                self._suspect = (sequence + 1) & 0xFFFF
                return out
            out += self._start(sequence, restarted=True)
            ahead = 0
        self._suspect = None
        if ahead < 0:
            self._count_behind(-ahead - 1)
        elif sequence in self._waiting:
            self._counters.duplicate += 1
        elif ahead == 0:
            self._advance(came=True)
            out.append(item)
            out += self._follow()
        else:
            self._waiting[sequence] = (item, now)
            if len(self._waiting) >= PATIENCE:
                out += self._give_up()
        return out

    def tick(self, now: float) -> list[T | None]:
        """Give up what has been missing for too long."""
        out: list[T | None] = []
        while self._waiting and now - next(iter(self._waiting.values()))[1] >= WAIT:  # the first one came first
            out += self._give_up()
        return out

    def _start(self, sequence: int, *, restarted: bool) -> list[T | None]:
        """Begin a sequence; what waited of the old one is handed on."""
        ordered = sorted(self._waiting, key=lambda waiting: _distance(self._next, waiting))
        out: list[T | None] = [self._waiting[waiting][0] for waiting in ordered]
        self._waiting.clear()
        self._next, self._seen, self._suspect = sequence, 0, None
        self._counters.restarted += restarted
        return out

    def _advance(self, *, came: bool, by: int = 1) -> None:
        self._next = (self._next + by) & 0xFFFF
        self._seen = (self._seen << by | came) & ((1 << LATE) - 1)

    def _follow(self) -> list[T | None]:
        """What waited for the packet that was just handed on."""
        out: list[T | None] = []
        while self._next in self._waiting:
            out.append(self._waiting.pop(self._next)[0])
            self._advance(came=True)
        return out

    def _give_up(self) -> list[T | None]:
        """Close the first hole, and hand on what follows it."""
        missing = min(_distance(self._next, waiting) for waiting in self._waiting)
        self._advance(came=False, by=missing)
        self._counters.lost += missing
        concealed = min(missing, MOST_CONCEALED)
        self._counters.concealed += concealed
        return [None] * concealed + self._follow()

    def _count_behind(self, place: int) -> None:
        if self._seen >> place & 1:
            self._counters.duplicate += 1
        else:
            self._seen |= 1 << place
            self._counters.late += 1


def _distance(one: int, other: int) -> int:
    """How far `other` is ahead of `one`; numbers wrap at 16 bits."""
    return (other - one + 0x8000) % 0x10000 - 0x8000
