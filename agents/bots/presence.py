"""Who is in the meeting, and when a bot has stayed for long enough."""

import asyncio
from collections.abc import Callable
from typing import Final

from livekit import rtc

from agents.arrival import is_person
from agents.attendance import Patience
from agents.contract import EndReason

REJOIN_WITHIN: Final = 10.0
"""Seconds after the last person has left, in which somebody may come back."""
RETURN_WITHIN: Final = 60.0
"""The same after the meeting's server was away: people's clients come back one by one, with pauses."""


class Presence:
    """Watches a room; `end` is called with why the bot is done there, perhaps more than once. Close it."""

    def __init__(self, room: rtc.Room, line: str, patience: Patience, end: Callable[[EndReason], None]) -> None:
        self._room, self._line, self._patience, self._end = room, line, patience, end
        self._loop = asyncio.get_running_loop()
        self._heard: float = self._loop.time()
        self._waiting: asyncio.TimerHandle | None = None
        self._has_come = False
        self._is_cut_off = False

    def begin(self) -> None:
        """The bot is in the meeting: what happened before does not count."""
        self._room.on("participant_connected", self._came)
        self._room.on("participant_disconnected", self._left)
        self._room.on("active_speakers_changed", self._spoke)
        self._room.on("reconnecting", self._cut_off)
        self._room.on("reconnected", self._back)
        if any(map(is_person, self._room.remote_participants.values())):
            self._somebody_is_there()
        else:
            self._wait(self._patience.nobody, "nobody_came")

    def close(self) -> None:
        """Watch no more."""
        self._wait_for_nothing()

    def _came(self, participant: rtc.RemoteParticipant) -> None:
        if is_person(participant):
            self._somebody_is_there()

    def _left(self, participant: rtc.RemoteParticipant) -> None:
        if self._is_cut_off:  # it is we who have left; `_back` looks who is there
            return
        if participant.identity == self._line:
            self._end("caller_left")
        elif self._has_come and not any(map(is_person, self._room.remote_participants.values())):
            self._wait(REJOIN_WITHIN, "caller_left")

    def _cut_off(self) -> None:
        self._is_cut_off = True
        self._wait_for_nothing()

    def _back(self) -> None:
        self._is_cut_off = False
        there = self._room.remote_participants
        if self._line in there if self._line else any(map(is_person, there.values())):
            self._somebody_is_there()
        elif self._has_come:
            self._wait(RETURN_WITHIN, "caller_left")
        else:
            self._wait(self._patience.nobody, "nobody_came")

    def _spoke(self, speakers: list[rtc.Participant]) -> None:
        ours = self._room.local_participant.identity
        if any(speaker.identity != ours for speaker in speakers):
            self._heard = self._loop.time()

    def _somebody_is_there(self) -> None:
        self._has_come = True
        self._heard = self._loop.time()
        self._wait_for_silence()

    def _wait_for_silence(self) -> None:
        left = self._heard + self._patience.silence - self._loop.time()
        if left <= 0:
            self._end("silence")
        else:
            self._call_later(left, self._wait_for_silence)

    def _wait(self, seconds: float, reason: EndReason) -> None:
        self._call_later(seconds, lambda: self._end(reason))

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        self._wait_for_nothing()
        self._waiting = self._loop.call_later(seconds, callback)

    def _wait_for_nothing(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
