"""Who a persona waits for before it says a word: somebody in the room, or on the phone somebody who answers."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from livekit import rtc

from agents.attendance import HOST_PREFIX

COME_WITHIN: Final = 120.0
"""Seconds to wait in an empty room; a phone rings for as long as its call may."""
STATUS: Final = "sip.callStatus"
ANSWERED: Final = "active"
PEOPLE: Final = {rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD, rtc.ParticipantKind.PARTICIPANT_KIND_SIP}


def is_person(participant: rtc.Participant) -> bool:
    """Whether somebody is neither a persona nor a bot nor a service of ours."""
    return participant.kind in PEOPLE and not participant.identity.startswith(HOST_PREFIX)


@contextmanager
def hearing(room: rtc.Room, callbacks: Mapping[str, Callable[..., None]]) -> Iterator[None]:
    """Hear events of a room within the block."""
    for event, callback in callbacks.items():
        room.on(event, callback)  # type: ignore[arg-type]  # the SDK's type has each event's name
    try:
        yield
    finally:
        for event, callback in callbacks.items():
            room.off(event, callback)  # type: ignore[arg-type]


async def wait_for_person(room: rtc.Room) -> bool:
    """Until somebody is in the room; False where it ended before."""
    return await _wait(room, is_person, lambda participant: False)


async def wait_for_answer(room: rtc.Room, identity: str) -> bool:
    """Until somebody has answered the phone; False where it left the room, or the room ended, before.

    LiveKit's SIP service says in the phone's attributes how far its call has come.
    """

    def answered(participant: rtc.Participant) -> bool:
        return participant.identity == identity and participant.attributes.get(STATUS) == ANSWERED

    return await _wait(room, answered, lambda participant: participant.identity == identity)


async def _wait(
    room: rtc.Room, is_there: Callable[[rtc.Participant], bool], is_gone: Callable[[rtc.Participant], bool]
) -> bool:
    done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def look(participant: rtc.Participant) -> None:
        if is_there(participant) and not done.done():
            done.set_result(True)

    def changed(_attributes: object, participant: rtc.Participant) -> None:
        look(participant)

    def gone(participant: rtc.RemoteParticipant) -> None:
        if is_gone(participant) and not done.done():
            done.set_result(False)

    def over(_reason: object) -> None:
        if not done.done():
            done.set_result(False)

    heard: dict[str, Callable[..., None]] = {
        "participant_connected": look,
        "participant_attributes_changed": changed,
        "participant_disconnected": gone,
        "disconnected": over,
    }
    with hearing(room, heard):
        for participant in room.remote_participants.values():
            look(participant)
        return await done
