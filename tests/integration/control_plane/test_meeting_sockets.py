"""The socket of people's meetings, as bots and pages use it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
import socketio

from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio


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
        async with asyncio.timeout(10):
            while True:
                for name, data in self.heard:
                    if name == event and fits(data):
                        return data
                self.arrived.clear()
                await self.arrived.wait()

    async def say(self, event: str, data: Any = None) -> Any:
        return await self.socket.call(event, data, timeout=10)

    async def join(self, made: dict[str, Any], name: str, **more: Any) -> dict[str, Any]:
        await self.socket.emit("join-meeting", {"meetingId": made["meetingId"], "name": name} | more)
        joined: dict[str, Any] = await self.until("joined")
        return joined


@asynccontextmanager
async def a_bot(platform: Platform) -> AsyncIterator[Bot]:
    socket = socketio.AsyncClient(reconnection=False)
    bot = Bot(socket)
    socket.on("*", bot.hear)
    await socket.connect(platform.url, transports=["websocket"])
    try:
        yield bot
    finally:
        await socket.disconnect()


async def make(tenant: Tenant, title: str = "Bot Meeting") -> dict[str, Any]:
    url = str(tenant.http.base_url).replace("/api/v1/", "/api/meetings")
    answer = await tenant.http.post(url, json={"title": title})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_the_three_steps_of_the_document(platform: Platform) -> None:
    made = await make(await platform.tenant())
    async with a_bot(platform) as person, a_bot(platform) as bot:
        first = await person.join(made, "Ada", isBot=False)
        admin = {"isAdmin": True, "adminToken": made["adminToken"]}
        await bot.socket.emit("join-meeting", {"meetingId": made["meetingId"], "name": "My AI Bot"} | admin)
        await bot.socket.emit("chat:message", {"text": "Hello from the bot!"})  # before it heard that it has joined
        joined = await bot.until("joined")
        line = await person.until("chat:message")
        newcomer = await person.until("participant:joined")
        assert [event for event, _ in bot.heard] == ["joined"]
    assert [(each["name"], each["isAdmin"], each["isBot"]) for each in joined["participants"]] == [
        ("Ada", False, False),
        ("My AI Bot", True, True),
    ]
    assert [each["name"] for each in first["participants"]] == ["Ada"]
    assert (line["name"], line["text"], line["participantId"]) == (
        "My AI Bot",
        "Hello from the bot!",
        joined["participantId"],
    )
    assert newcomer["participantId"] == joined["participantId"]
    token = jwt.decode(joined["livekit"]["token"], options={"verify_signature": False})
    assert (token["sub"], token["video"]["room"]) == (joined["participantId"], f"proj_{made['meetingId']}")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"isAdmin": True, "adminToken": "adm_wrong"}, "INVALID_ADMIN_TOKEN"),
        ({"isAdmin": True}, "INVALID_ADMIN_TOKEN"),
        ({"meetingId": "none-none-none"}, "MEETING_NOT_FOUND"),
        ({"name": ""}, "INVALID_REQUEST"),
        ({"name": "a\u0000"}, "INVALID_REQUEST"),
        ({"meetingId": 5}, "INVALID_REQUEST"),
    ],
)
async def test_who_may_not_join_is_told_why(platform: Platform, asked: dict[str, Any], code: str) -> None:
    made = await make(await platform.tenant())
    async with a_bot(platform) as bot:
        await bot.socket.emit("join-meeting", {"meetingId": made["meetingId"], "name": "Eve"} | asked)
        assert (await bot.until("join-error"))["code"] == code
        assert (await bot.say("chat:message", {"text": "hi"}))["code"] == "NOT_JOINED"
        for nonsense in ("text", ["a"], 5, {"text": {"deep": []}}):
            assert (await bot.say("chat:message", nonsense))["ok"] is False


async def test_hands_reactions_and_leaving_are_seen_by_the_others_in_order(platform: Platform) -> None:
    made = await make(await platform.tenant())
    async with a_bot(platform) as ada, a_bot(platform) as bob:
        await ada.join(made, "Ada")
        mine = (await bob.join(made, "Bob"))["participantId"]
        for event, data in (("hand:raise", None), ("reaction", {"emoji": "👏"}), ("hand:lower", None)):
            assert (await bob.say(event, data))["ok"] is True
        await bob.say("leave-meeting")
        await ada.until("participant:left")
        heard = [event for event, data in ada.heard if data.get("participantId") == mine]
        assert heard == ["participant:joined", "hand:raised", "reaction", "hand:lowered", "participant:left"]
        assert (await bob.say("chat:message", {"text": "still here?"}))["code"] == "NOT_JOINED"
        again = await bob.join(made, "Bob again")
        assert next(each["name"] for each in again["participants"]) == "Ada"


async def test_hosts_lock_send_away_and_end_and_others_may_not(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make(tenant)
    async with platform.jobs(), a_bot(platform) as host, a_bot(platform) as guest, a_bot(platform) as late:
        await host.join(made, "Host", isAdmin=True, adminToken=made["adminToken"])
        identity = (await guest.join(made, "Guest"))["participantId"]
        for act in ("meeting:lock", "meeting:end"):
            assert (await guest.say(act))["code"] == "FORBIDDEN"
        assert (await guest.say("participant:kick", {"participantId": identity}))["code"] == "FORBIDDEN"
        assert (await host.say("meeting:lock"))["ok"] is True
        await late.socket.emit("join-meeting", {"meetingId": made["meetingId"], "name": "Late"})
        assert (await late.until("join-error"))["code"] == "MEETING_LOCKED"
        assert (await host.say("participant:kick", {"participantId": identity}))["ok"] is True
        assert (await guest.until("join-error"))["code"] == "REMOVED"
        assert ("remove_participant", f"proj_{made['meetingId']}", identity) in platform.media.calls
        assert (await host.say("meeting:end"))["ok"] is True
        await host.until("meeting:ended")
        await late.socket.emit("join-meeting", {"meetingId": made["meetingId"], "name": "Late"})
        assert (await late.until("join-error", lambda data: data["code"] == "MEETING_ENDED"))["message"]


async def test_two_processes_show_the_same_meeting(platform: Platform) -> None:
    made = await make(await platform.tenant())
    async with platform.second_process() as url, a_bot(platform) as here:
        await here.join(made, "Here")
        socket = socketio.AsyncClient(reconnection=False)
        there = Bot(socket)
        socket.on("*", there.hear)
        await socket.connect(url, transports=["websocket"])
        joined = await there.join(made, "There")
        assert [each["name"] for each in joined["participants"]] == ["Here", "There"]
        await here.until("participant:joined")
        await there.say("chat:message", {"text": "over there"})
        assert (await here.until("chat:message"))["text"] == "over there"
        await socket.disconnect()
        await here.until("participant:left")
