"""Who is still there: a call ends with its phone, or when the last person has left."""

import asyncio
from collections.abc import Callable

from livekit import rtc

from agents.arrival import is_person

REJOIN_WITHIN = 10.0
"""Seconds a person whose connection was lost has to come back."""
OWN_ACT = {rtc.DisconnectReason.CLIENT_INITIATED, rtc.DisconnectReason.PARTICIPANT_REMOVED}


class Departure:
    """Watches a room; `end` is called with why the call is over, perhaps more than once, and with `failed` where the
    persona is put out by another one that came in its place."""

    def __init__(self, room: rtc.Room, phone: str | None, end: Callable[..., None]) -> None:
        self.room, self.phone, self.end = room, phone, end
        self._leaving: asyncio.TimerHandle | None = None
        room.on("participant_disconnected", self._on_left)
        room.on("participant_connected", self._on_joined)
        room.on("disconnected", self._on_disconnected)

    def _on_disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        if reason == rtc.DisconnectReason.DUPLICATE_IDENTITY:
            self.end("displaced", failed=True)
        else:
            self.end("room_closed")

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        if participant.identity == self.phone:
            removed = participant.disconnect_reason == rtc.DisconnectReason.PARTICIPANT_REMOVED
            self.end("api" if removed else "caller_left")  # whoever else is there came for this call
        if not is_person(participant) or self._is_somebody_there():
            return
        if participant.disconnect_reason in OWN_ACT:
            self.end("caller_left")
        elif self._leaving is None:
            loop = asyncio.get_running_loop()
            self._leaving = loop.call_later(REJOIN_WITHIN, self.end, "caller_left")

    def _on_joined(self, participant: rtc.RemoteParticipant) -> None:
        if is_person(participant) and self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _is_somebody_there(self) -> bool:
        return any(map(is_person, self.room.remote_participants.values()))
