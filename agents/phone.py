"""A phone in the room: LiveKit's SIP service says in its attributes how far its call has come."""

import asyncio
from typing import Final

from livekit import rtc

STATUS = "sip.callStatus"
ANSWERED = ("active", "hangup")
KEYS: Final = "0123456789*#ABCD"
PAUSE: Final = 0.5
"""Seconds of a `w`."""


async def wait_for_answer(room: rtc.Room, identity: str) -> bool:
    """Until somebody has answered the phone; False where it left the room, or the room ended, before."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()

    def look(_changed: object, participant: rtc.Participant) -> None:
        if participant.identity == identity and participant.attributes.get(STATUS) in ANSWERED and not done.done():
            done.set_result(True)

    def gone(participant: rtc.RemoteParticipant) -> None:
        if participant.identity == identity and not done.done():
            done.set_result(False)

    def over(_reason: object) -> None:
        if not done.done():
            done.set_result(False)

    room.on("participant_attributes_changed", look)
    room.on("participant_disconnected", gone)
    room.on("disconnected", over)
    try:
        for participant in room.remote_participants.values():
            look(None, participant)
        return await done
    finally:
        room.off("participant_attributes_changed", look)
        room.off("participant_disconnected", gone)
        room.off("disconnected", over)


async def press(room: rtc.Room, digits: str) -> None:
    """Press keys for the phone in the room to hear; LiveKit's SIP service plays each in full, one after the other."""
    for digit in digits:
        if digit == "w":
            await asyncio.sleep(PAUSE)
        else:
            await room.local_participant.publish_dtmf(code=KEYS.index(digit), digit=digit)
