"""A phone in the room: LiveKit's SIP service says in its attributes how far its call has come."""

import asyncio

from livekit import rtc

STATUS = "sip.callStatus"
ANSWERED = ("active", "hangup")


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
