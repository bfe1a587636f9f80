"""More microphones than a bot follows at once."""

from types import SimpleNamespace
from typing import Any

import pytest
from livekit import rtc

from agents.bots import microphones
from agents.bots.microphones import Microphones


class Room:
    """One in which microphones come and go as a test wants it."""

    def __init__(self) -> None:
        self.name, self.remote_participants = "room", dict[str, Any]()
        self.handlers: dict[str, Any] = {}

    def on(self, event: str, handler: Any) -> None:
        self.handlers[event] = handler

    def off(self, event: str, _handler: Any) -> None:
        del self.handlers[event]

    def tell(self, event: str, sid: str) -> None:
        """A microphone came or went."""
        publication = SimpleNamespace(sid=sid, source=rtc.TrackSource.SOURCE_MICROPHONE)
        self.handlers[event](None, publication, None)


class Follower:
    """Remembers whom it follows."""

    def __init__(self) -> None:
        self.following: list[str] = []

    def heard(self, sid: str, _track: Any, _speaker: Any) -> None:
        self.following.append(sid)

    def gone(self, sid: str) -> None:
        self.following.remove(sid)


def test_one_that_was_too_many_is_followed_when_another_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphones, "MOST", 2)
    room, follower = Room(), Follower()
    with Microphones(room, [follower]).followed():  # type: ignore[arg-type]
        for sid in ("ada", "bob", "cem", "dot"):
            room.tell("track_subscribed", sid)
        assert follower.following == ["ada", "bob"]
        room.tell("track_unsubscribed", "cem")
        room.tell("track_unsubscribed", "ada")
        assert follower.following == ["bob", "dot"]
        room.tell("track_subscribed", "bob")
        assert follower.following == ["bob", "dot"]
    assert follower.following == []
