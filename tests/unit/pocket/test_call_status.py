"""How far a call has come, as its room is told: in order, and until it shows it. Personas wait there for the answer."""

import asyncio
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from pocket.bridge import participant as told
from pocket.bridge.call import Call
from pocket.bridge.outbound import Dialling
from pocket.bridge.participant import STATUS
from pocket.bridge.protobufs.rpc_sip_pb2 import InternalCreateSIPParticipantRequest as Asked
from pocket.sip.message import Response

pytestmark = pytest.mark.anyio


class FakeRoom:
    """One whose library sends what it is given at once in the order of its threads; `lost` are not sent at all."""

    def __init__(self, call: Call) -> None:
        self.call, self.lost = call, list[str]()
        self.identity = "callee"
        self.remote_participants: dict[str, Any] = {}
        self.local_participant, self.attributes = self, {STATUS: "dialing"}
        self.statuses: list[str] = []

    def isconnected(self) -> bool:
        return True

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        await asyncio.sleep(0)
        if (status := attributes[STATUS]) in self.lost:
            self.lost.remove(status)
            return
        self.attributes |= attributes
        self.statuses.append(status)
        self.call.participant._attributes_changed(attributes, self)  # type: ignore[arg-type]

    async def disconnect(self, **_: Any) -> None: ...


class FakeHouse:
    """What a call belongs to."""

    native: Any = None
    settings = SimpleNamespace(closed="")

    def __init__(self) -> None:
        self.works: list[asyncio.Task[None]] = []

    def own(self, work: Coroutine[Any, Any, None]) -> None:
        self.works.append(asyncio.create_task(work))


class QuickPhone:
    """A phone that rings and is answered before anybody has looked."""

    finished = True

    def __init__(self) -> None:
        self.responses = [Response(status=180), Response(status=200)]

    async def next(self) -> Response:
        return self.responses.pop(0)


def call_with_room() -> tuple[Call, FakeHouse, FakeRoom]:
    house: Any = FakeHouse()
    call = Call(house, "SCL_1", "out")
    room: Any = FakeRoom(call)
    call.participant._room = room
    return call, house, room


async def until_active(room: FakeRoom) -> None:
    async with asyncio.timeout(10):
        while room.attributes[STATUS] != "active":
            await asyncio.sleep(0)


async def test_a_phone_that_is_answered_as_soon_as_it_rings_is_shown_as_answered() -> None:
    call, house, room = call_with_room()
    phone: Any = QuickPhone()
    response = await Dialling(call, Asked(), "token")._ring(phone)
    assert response.status == 200
    await call.bridge({})
    await asyncio.gather(*house.works)
    await until_active(room)
    assert room.statuses == ["ringing", "active"]
    await call.participant.leave()


async def test_an_answer_that_was_lost_on_its_way_into_the_room_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told, "ATTRIBUTES_WITHIN", 0.02)
    call, _, room = call_with_room()
    room.lost.append("active")
    await call.bridge({})
    await until_active(room)
    await call.participant.leave()


async def test_a_room_that_shows_nothing_is_left_in_peace_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told, "ATTRIBUTES_WITHIN", 0.001)
    call, _, room = call_with_room()
    room.lost += ["active"] * 1000
    await call.bridge({})
    telling = call.participant._telling
    assert telling is not None
    async with asyncio.timeout(10):
        await telling
    assert len(room.lost) == 1000 - told.MOST_TRIES
    await call.participant.leave()
