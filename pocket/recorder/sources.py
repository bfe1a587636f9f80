"""Whom a recording hears, and on which side."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import cycle
from typing import Final, Literal

from livekit.protocol import egress, models


class Channel(IntEnum):
    """Where a voice goes in a recording with two channels."""

    BOTH = 0
    LEFT = 1
    RIGHT = 2


@dataclass(frozen=True, slots=True)
class Speaker:
    """What there is to know of a published track."""

    track: str
    identity: str
    kind: int
    """`models.ParticipantInfo.Kind`."""
    screen_share: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """Who is heard on a channel; the first route that fits is the one."""

    by: Literal["track_id", "participant_identity", "participant_kind"]
    value: str | int
    channel: Channel

    def fits(self, speaker: Speaker) -> bool:
        """Whether it is about this speaker."""
        found = {
            "track_id": speaker.track,
            "participant_identity": speaker.identity,
            "participant_kind": speaker.kind,
        }
        return found[self.by] == self.value


@dataclass(frozen=True, slots=True)
class Source:
    """Whom a request wants: everyone, one participant, one track, or whoever a route names."""

    everyone: bool = False
    identity: str = ""
    screen_share: bool = False
    """Of the participant, the sound of the shared screen instead of the voice."""
    track: str = ""
    routes: tuple[Route, ...] = ()
    seen: Literal["", "everyone", "participant", "track"] = ""
    """Whose pictures are wanted."""
    camera: str = ""
    """The participant's identity or the track's id."""
    mixing: int = egress.DEFAULT_MIXING

    def wants(self, speaker: Speaker) -> bool:
        """Whether a speaker is recorded."""
        if self.track:
            return speaker.track == self.track
        if self.identity:
            return speaker.identity == self.identity and speaker.screen_share == self.screen_share
        return self.everyone or any(route.fits(speaker) for route in self.routes)

    def shows(self, speaker: Speaker) -> bool:
        """Whether a video track is recorded."""
        match self.seen:
            case "everyone":
                return True
            case "participant":
                return speaker.identity == self.camera
            case "track":
                return speaker.track == self.camera
        return False

    def awaited(self) -> tuple[set[str], set[str]]:
        """The identities and the tracks without which there is no recording."""
        identities = {str(route.value) for route in self.routes if route.by == "participant_identity"}
        tracks = {str(route.value) for route in self.routes if route.by == "track_id"}
        identities |= {self.identity, self.camera if self.seen == "participant" else ""}
        tracks |= {self.track, self.camera if self.seen == "track" else ""}
        return identities - {""}, tracks - {""}


_SIDES: Final = (Channel.LEFT, Channel.RIGHT)


class Sides:
    """Gives every speaker of one recording a channel, and somebody who comes back the same."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._turns: Iterator[Channel] = cycle(_SIDES)
        self._known: dict[str, Channel] = {}

    def of(self, speaker: Speaker) -> Channel:
        """Where a speaker goes."""
        route = next((route for route in self._source.routes if route.fits(speaker)), None)
        if route is not None:
            return route.channel
        if self._source.mixing == egress.DUAL_CHANNEL_AGENT:
            return Channel.LEFT if speaker.kind == models.ParticipantInfo.AGENT else Channel.RIGHT
        if self._source.mixing == egress.DUAL_CHANNEL_ALTERNATE:
            if speaker.identity not in self._known:
                self._known[speaker.identity] = next(self._turns)
            return self._known[speaker.identity]
        return Channel.BOTH
