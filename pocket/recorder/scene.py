"""Who is to be seen in a recording, and where: people of a room, with or without a camera."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from pocket.recorder.voice import RATE, Voice
from pocket.rooms.native import Picture

Layout = Literal["grid", "speaker", "single-speaker"]

LAYOUTS: Final[tuple[Layout, ...]] = ("grid", "speaker", "single-speaker")
SEATS: Final = 4
"""People who are seen at once."""
FRAMES: Final = 32
"""Of one camera, that wait to be drawn: two seconds."""
GONE: Final = 2 * RATE
"""Samples without a frame after which a camera is off; one that shares a still screen sends some all the time."""
DARK: Final = 10 * RATE


class Sight:
    """A video track on the timeline of its recording: filled by the library's thread, emptied by the one that draws."""

    def __init__(self, epoch: float, rate: int, *, shared: bool) -> None:
        self.shared, self.muted = shared, False
        self._apart, self._last = RATE * 3 // rate // 4, -RATE
        self.begins: int | None = None
        self._epoch = epoch
        self._lock = threading.Lock()
        self._frames: deque[tuple[int, Picture]] = deque(maxlen=FRAMES)
        self._shown: tuple[int, Picture] | None = None

    def put(self, arrived: float, copied: Callable[[], Picture]) -> None:
        """Place a picture that arrived at a time of the monotonic clock, if it is not one too many."""
        place = round((arrived - self._epoch) * RATE)
        if place - self._last >= self._apart:
            self._last = place
            picture = copied()
            with self._lock:
                self.begins = place if self.begins is None else self.begins
                self._frames.append((place, picture))

    def at(self, place: int) -> Picture | None:
        """What is to be seen at a place; None while there is nothing, or has not been for long."""
        with self._lock:
            while self._frames and self._frames[0][0] <= place:
                self._shown = self._frames.popleft()
        if self._shown is None or self.muted or place - self._shown[0] > (DARK if self.shared else GONE):
            return None
        return self._shown[1]


@dataclass(eq=False)
class Person:
    """Somebody in the room."""

    name: str
    voices: tuple[Voice, ...] = ()
    sights: dict[str, Sight] = field(default_factory=dict)

    @property
    def spoke(self) -> int:
        """The place at which they were loud last."""
        return max((voice.spoke for voice in self.voices), default=-1)

    def seen(self, place: int) -> Picture | None:
        """Their screen, or else their face."""
        for sight in sorted(self.sights.values(), key=lambda sight: not sight.shared):
            picture = sight.at(place)
            if picture is not None:
                return picture
        return None


@dataclass(frozen=True, slots=True)
class Seat:
    """A rectangle of the picture and who is in it. All numbers are even."""

    person: Person
    left: int
    top: int
    width: int
    height: int
    speaks: bool


class Scene:
    """The people of one recording. Changed by the loop's thread, read by the one that draws."""

    def __init__(self) -> None:
        self._people: dict[str, Person] = {}
        self._seated: list[Person] = []
        self._speaker: Person | None = None

    def person(self, identity: str, name: str) -> Person:
        """Somebody, who comes if they are not there yet."""
        if identity not in self._people:
            self._people = {**self._people, identity: Person(name or identity)}
        return self._people[identity]

    def leave(self, identity: str) -> None:
        """Somebody went."""
        self._people = {each: person for each, person in self._people.items() if each != identity}

    def mute(self, identity: str, track: str, *, muted: bool) -> None:
        """A camera was switched off or on."""
        person = self._people.get(identity)
        if person is not None and track in person.sights:
            person.sights[track].muted = muted

    def began(self) -> list[int]:
        """Where the cameras began that have."""
        sights = (sight for person in self._people.values() for sight in tuple(person.sights.values()))
        return [sight.begins for sight in sights if sight.begins is not None]

    def seats(self, layout: Layout, width: int, height: int) -> list[Seat]:
        """Who is seen where. Whoever speaks gets a place; nobody changes places without need."""
        people = list(self._people.values())
        loudest = max(people, key=lambda person: person.spoke, default=None)
        if self._speaker not in people or (loudest is not None and loudest.spoke > (self._speaker or loudest).spoke):
            self._speaker = loudest
        self._seated = [person for person in self._seated if person in people]
        waiting = sorted((p for p in people if p not in self._seated), key=lambda person: -person.spoke)
        for person in waiting:
            if len(self._seated) < SEATS:
                self._seated.append(person)
            else:
                quietest = min(self._seated, key=lambda seated: seated.spoke)
                if person.spoke > quietest.spoke:
                    self._seated[self._seated.index(quietest)] = person
        latest = self._speaker.spoke if self._speaker else -1
        return [
            Seat(person, *rectangle, speaks=person is self._speaker and latest >= 0)
            for person, rectangle in _arranged(layout, self._seated, self._speaker, width, height)
        ]


def _arranged(
    layout: Layout, seated: list[Person], speaker: Person | None, width: int, height: int
) -> list[tuple[Person, tuple[int, int, int, int]]]:
    if not seated:
        return []
    if layout == "grid":
        return list(zip(seated, grid(len(seated), width, height), strict=False))
    first = speaker if speaker in seated else seated[0]
    assert first is not None
    others = [person for person in seated if person is not first]
    if layout == "single-speaker" or not others:
        return [(first, (0, 0, width, height))]
    main, strip = _even(width * 3 / 4), _even(height / (SEATS - 1))
    beside = [(main, row * strip, width - main, strip) for row in range(len(others))]
    return [(first, (0, 0, main, height)), *zip(others, beside, strict=False)]


def grid(count: int, width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Rectangles (left, top, width, height) for one to four people."""
    if count == 1:
        return [(0, 0, width, height)]
    half, middle = _even(width / 2), _even(height / 2)
    if count == 2:
        return [(0, 0, half, height), (half, 0, width - half, height)]
    places = [(0, 0), (half, 0), (0, middle), (half, middle)]
    return [(left, top, width - half, height - middle) for left, top in places[:count]]


def _even(value: float) -> int:
    return int(value) // 2 * 2
