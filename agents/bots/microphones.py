"""The microphones of a room: every voice that is not the bot's own, subscribed as it comes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import structlog
from livekit import rtc

from agents.arrival import hearing

MOST: Final = 32
"""That are followed at once in a room."""

log = structlog.get_logger()


class Follower(Protocol):
    """Somebody who follows voices."""

    def heard(self, sid: str, track: rtc.Track, speaker: rtc.RemoteParticipant) -> None:
        """A microphone can be heard from now on."""

    def gone(self, sid: str) -> None:
        """One cannot any more."""


class Microphones:
    """Subscribes to the microphones of a room. Pictures are never asked for."""

    def __init__(self, room: rtc.Room, followers: list[Follower]) -> None:
        self._room, self._followers = room, followers
        self._open: set[str] = set()
        self._waiting: dict[str, tuple[rtc.Track, rtc.RemoteParticipant]] = {}
        """Those that are followed when another ends."""

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Follow those that are there, and those to come, within the block."""
        events: dict[str, Callable[..., None]] = {
            "track_published": self._published,
            "track_subscribed": self._subscribed,
            "track_unsubscribed": self._unsubscribed,
        }
        with hearing(self._room, events):
            for participant in self._room.remote_participants.values():
                for publication in participant.track_publications.values():
                    self._published(publication, participant)
            try:
                yield
            finally:
                for sid in list(self._open):
                    self._close(sid)

    def _published(self, publication: rtc.RemoteTrackPublication, _: rtc.RemoteParticipant) -> None:
        if publication.source == rtc.TrackSource.SOURCE_MICROPHONE:
            publication.set_subscribed(True)

    def _subscribed(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, speaker: rtc.RemoteParticipant
    ) -> None:
        if publication.sid in self._open:
            return
        if len(self._open) < MOST:
            self._follow(publication.sid, track, speaker)
        else:
            log.warning("microphone not followed: there are too many", room=self._room.name)
            self._waiting[publication.sid] = track, speaker

    def _follow(self, sid: str, track: rtc.Track, speaker: rtc.RemoteParticipant) -> None:
        self._open.add(sid)
        for follower in self._followers:
            follower.heard(sid, track, speaker)

    def _unsubscribed(self, _: rtc.Track, publication: rtc.RemoteTrackPublication, __: rtc.RemoteParticipant) -> None:
        self._waiting.pop(publication.sid, None)
        self._close(publication.sid)
        if self._waiting and len(self._open) < MOST:
            sid = next(iter(self._waiting))
            self._follow(sid, *self._waiting.pop(sid))

    def _close(self, sid: str) -> None:
        if sid in self._open:
            self._open.remove(sid)
            for follower in self._followers:
                follower.gone(sid)
