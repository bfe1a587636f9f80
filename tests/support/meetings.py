"""Meetings as the tests make and hold them, and the sockets of bots in them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import jwt
import socketio
from livekit import api

from control_plane.clock import Clock
from control_plane.livekit_hooks.service import take
from tests.support.platform import Platform, Tenant
from tests.support.uplink import worker

SCENARIO = {
    "name": "Sales pitch",
    "persona": {"name": "Buyer", "instructions": "You buy software.", "greeting": "Yes?"},
    "briefing": "{{name}} of {{company}} sells you a telephone.",
    "objectives": ["Ask for the price", "Ask for a discount"],
    "criteria": [{"name": "Politeness", "description": "Never interrupts."}],
    "call_duration": 12,
    "controls": {"enable_chat": True},
}


async def make_scenario(tenant: Tenant, **changes: object) -> dict[str, Any]:
    answer = await tenant.http.post("/scenarios", json=SCENARIO | changes)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()["scenario"]
    return made


async def make_meeting(tenant: Tenant, path: str = "/meetings", **fields: object) -> dict[str, Any]:
    if "scenario_id" not in fields:
        fields["scenario_id"] = (await make_scenario(tenant))["id"]
    answer = await tenant.http.post(path, json={"name": "Ada"} | fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def claims(made: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = jwt.decode(made["room_token"], options={"verify_signature": False})
    return read


def code_of(made: dict[str, Any]) -> str:
    """By which people and bots join."""
    return urlsplit(made["room_url"]).path.rpartition("/")[2]


async def hold(platform: Platform, made: dict[str, Any], job_id: str = "AJ_1") -> dict[str, Any]:
    """What a worker is answered that brings the persona of a meeting."""
    ticket = json.loads(claims(made)["roomConfig"]["agents"][0]["metadata"])["ticket"]
    async with worker(platform) as fake:
        return await fake.exchange(ticket, room=made["meeting"]["room_name"], job_id=job_id)


async def tell(
    platform: Platform, event: str, room: str, kind: Any = api.ParticipantInfo.STANDARD, number: int = 1
) -> None:
    """A hook of LiveKit."""
    person = api.ParticipantInfo(sid=f"PA_{kind}_{number}", identity=f"somebody-{kind}", kind=kind)
    live = api.Room(name=room, sid="RM_1")
    async with platform.database.platform() as db:
        told = api.WebhookEvent(id=f"EV_{event}_{room}_{kind}_{number}", event=event, room=live, participant=person)
        await take(db, Clock(), told)


@dataclass
class Bot:
    """A client that remembers what it hears."""

    socket: socketio.AsyncClient
    heard: list[tuple[str, Any]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, event: str, data: Any = None) -> None:
        self.heard.append((event, data))
        self.arrived.set()

    async def until(self, event: str, fits: Callable[[Any], bool] = lambda _: True) -> Any:
        """The first such event, heard before or yet to come."""
        async with asyncio.timeout(60):
            while True:
                for name, data in self.heard:
                    if name == event and fits(data):
                        return data
                self.arrived.clear()
                await self.arrived.wait()

    async def until_any(self) -> None:
        """Anything has been heard."""
        async with asyncio.timeout(60):
            await self.arrived.wait()

    async def say(self, event: str, data: Any = None) -> Any:
        return await self.socket.call(event, data, timeout=60)

    async def join(self, made: dict[str, Any], name: str, **more: Any) -> dict[str, Any]:
        await self.socket.emit("join-meeting", {"meetingId": made["meetingId"], "name": name} | more)
        joined: dict[str, Any] = await self.until("joined")
        return joined


@asynccontextmanager
async def a_bot(url: str, transports: Sequence[str] = ("websocket",)) -> AsyncIterator[Bot]:
    socket = socketio.AsyncClient(reconnection=False)
    bot = Bot(socket)
    socket.on("*", bot.hear)
    await socket.connect(url, transports=list(transports), wait_timeout=60)
    try:
        yield bot
    finally:
        await socket.disconnect()


async def meet_people(tenant: Tenant, title: str = "Bot Meeting") -> dict[str, Any]:
    url = str(tenant.http.base_url).replace("/api/v1/", "/api/meetings")
    answer = await tenant.http.post(url, json={"title": title})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made
