"""What is in memory for one endpoint: lanes, each in order and one at a time, several of them at once. Pure."""

from collections import deque
from collections.abc import Hashable
from typing import Final, NamedTuple

from control_plane.webhooks.signing import message_id
from control_plane.webhooks.targets import Target

FIRST_AT_ONCE: Final = 8
LATER_AT_ONCE: Final = 4
"""Tries of one endpoint at once: first ones, and repeats, which therefore never take the place of first ones."""
FULL: Final = 512
LOW: Final = 128
"""First tries of one endpoint in memory: what is over the first number stays in the database until it is below the
second."""
FULL_UNANSWERED: Final = 16
"""The same for an endpoint that does not answer."""
SHARE: Final = 4
"""First tries of one endpoint that find room however much others hold."""
LATER_FULL: Final = 64


class Parcel(NamedTuple):
    """A delivery in memory. `attempts` is how often it was tried."""

    id: int
    endpoint_id: int
    project_id: int
    event_seq: int | None
    room_name: str | None
    body: str
    attempts: int = 0
    in_order: bool = True
    redelivery_of: int | None = None

    @property
    def is_first(self) -> bool:
        """Whether its order is the log's."""
        return self.attempts == 0 and self.in_order

    @property
    def lane(self) -> Hashable:
        """What it must not overtake: first tries of a room go in order, and so does a replay; repeats go alone."""
        if self.attempts:
            return self.id
        return self.in_order, self.room_name

    @property
    def message(self) -> str:
        """Its `webhook-id`."""
        return message_id(event_seq=self.event_seq, delivery_id=self.redelivery_of or self.id)


class Lanes:
    """Parcels by lane. A lane whose parcel is under way offers no other.

    `held` are the ids of those that are here, under way, or not yet settled in the database.
    """

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[Parcel]] = {}
        self._ready: deque[Hashable] = deque()
        self._running: set[Hashable] = set()
        self.held: set[int] = set()
        self.size = 0

    @property
    def running(self) -> int:
        """How many parcels are under way."""
        return len(self._running)

    def put(self, parcel: Parcel) -> None:
        """Add a parcel at the end of its lane."""
        lane = self._waiting.get(parcel.lane)
        if lane is None:
            lane = self._waiting[parcel.lane] = deque()
            if parcel.lane not in self._running:
                self._ready.append(parcel.lane)
        lane.append(parcel)
        self.held.add(parcel.id)
        self.size += 1

    def take(self) -> Parcel | None:
        """The next parcel of a free lane; lanes take turns."""
        if not self._ready:
            return None
        key = self._ready.popleft()
        lane = self._waiting[key]
        parcel = lane.popleft()
        if not lane:
            del self._waiting[key]
        self._running.add(key)
        self.size -= 1
        return parcel

    def empty(self) -> list[Parcel]:
        """Take out all that wait."""
        parcels = [parcel for lane in self._waiting.values() for parcel in lane]
        self._waiting.clear()
        self._ready.clear()
        self.held.difference_update(parcel.id for parcel in parcels)
        self.size = 0
        return parcels

    def done(self, parcel: Parcel) -> None:
        """A parcel has arrived, or not: its lane goes on."""
        self._running.discard(parcel.lane)
        if parcel.lane in self._waiting:
            self._ready.append(parcel.lane)


class EndpointQueue:
    """The parcels of one endpoint in memory.

    `spilled`: there are more first tries in the database, behind `last_id`, and new ones join them there.
    `missed`: such new ones were written since the database was last asked.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.first, self.later = Lanes(), Lanes()
        self.last_id = 0
        self.spilled = self.missed = False
        self.answers = True
        self.listed = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing about this endpoint need be remembered."""
        return not self.first.held and not self.later.held and not self.spilled

    @property
    def is_low(self) -> bool:
        """Whether it is time to fetch what was left in the database."""
        return self.spilled and self.first.size < (LOW if self.answers else FULL_UNANSWERED)

    def room(self, free: int) -> int:
        """How many more first tries may come into memory where that has `free` places for all endpoints."""
        most = FULL if self.answers else FULL_UNANSWERED
        return max(min(most - self.first.size, free), SHARE - self.first.size, 0)

    def put(self, parcel: Parcel) -> None:
        """Take a parcel in."""
        if parcel.is_first:
            self.last_id = parcel.id
        self._lanes(parcel).put(parcel)

    def holds(self, parcel: Parcel) -> bool:
        """Whether a parcel is here, under way, or not yet settled in the database."""
        return parcel.id in self._lanes(parcel).held

    def let_go(self, parcel: Parcel) -> None:
        """A parcel is settled in the database."""
        self._lanes(parcel).held.discard(parcel.id)

    def take(self) -> Parcel | None:
        """The next parcel that may be sent; an endpoint that does not answer is tried one at a time."""
        parcel = None
        if self.first.running < (FIRST_AT_ONCE if self.answers else 1):
            parcel = self.first.take()
        if parcel is None and self.later.running < (LATER_AT_ONCE if self.answers else 1):
            parcel = self.later.take()
        return parcel

    def done(self, parcel: Parcel, *, answered: bool) -> None:
        """A try has ended."""
        self.answers = answered
        self._lanes(parcel).done(parcel)

    def spill(self) -> None:
        """First tries were written that did not find room here."""
        self.spilled = self.missed = True

    def empty(self) -> int:
        """Forget all that wait; how many they were."""
        self.spilled = False
        return len(self.first.empty() + self.later.empty())

    def _lanes(self, parcel: Parcel) -> Lanes:
        return self.first if parcel.is_first else self.later
