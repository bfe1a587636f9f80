"""Sockets of meetings in the hands of clients that send too much, or nonsense, and of processes that are killed."""

import asyncio
import json
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlmodel import select
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from control_plane.clock import Clock
from control_plane.meetings.models import Attendee, AttendeeState, Meeting
from tests.support.meetings import a_bot, code_of, make_meeting, meet_people
from tests.support.platform import Platform

pytestmark = pytest.mark.anyio


async def open_socket(platform: Platform) -> ClientConnection:
    """A socket whose packets the test writes itself."""
    url = platform.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    socket = await connect(url, proxy=None)
    await socket.recv()
    await socket.send("40")
    await socket.recv()
    return socket


async def test_a_socket_that_sends_too_much_is_told_so_and_the_others_are_spared(platform: Platform) -> None:
    made = await meet_people(await platform.tenant())
    async with a_bot(platform.url) as host, a_bot(platform.url) as flood:
        await host.join(made, "Host")
        await flood.join(made, "Flood")
        asked = [flood.say("chat:message", {"text": f"{number}"}) for number in range(300)]
        answers = await asyncio.gather(*asked)
        refused = [answer for answer in answers if not answer["ok"]]
        assert {answer["code"] for answer in refused} == {"RATE_LIMITED"}
        heard = [data for event, data in host.heard if event == "chat:message"]
        assert len(heard) <= 300 - len(refused)
        assert (await host.say("reaction", {"emoji": "👍"}))["ok"] is True


async def test_a_socket_that_does_not_heed_it_is_closed(platform: Platform) -> None:
    made = await meet_people(await platform.tenant())
    async with a_bot(platform.url) as host:
        await host.join(made, "Host")
        socket = await open_socket(platform)
        await socket.send(f"42{json.dumps(['join-meeting', {'meetingId': made['meetingId'], 'name': 'Flood'}])}")
        await host.until("participant:joined")
        async with asyncio.timeout(60):
            with suppress(ConnectionClosed):
                while True:
                    await socket.send('42["reaction",{"emoji":"x"}]')
        await host.until("participant:left")


@pytest.mark.parametrize(
    "message",
    [
        '451000000000-["chat:message",{"_placeholder":true,"num":0}]',
        '451-["chat:message",{"_placeholder":true,"num":7}]',
        "42" + "[" * 20_000,
        "42{{{",
        "42[5]",
        "42[]",
        "42",
        "49",
        "4",
        '42["disconnect"]',
        '42["*",{}]',
        b"\x00",
    ],
)
async def test_nonsense_is_passed_over_and_what_follows_is_heard(platform: Platform, message: str | bytes) -> None:
    made = await meet_people(await platform.tenant())
    async with a_bot(platform.url) as host:
        await host.join(made, "Host")
        socket = await open_socket(platform)
        await socket.send(f"42{json.dumps(['join-meeting', {'meetingId': made['meetingId'], 'name': 'Eve'}])}")
        await socket.send(message)
        await socket.send('42["chat:message",{"text":"Still here"},"more than was asked"]')
        assert (await host.until("chat:message"))["text"] == "Still here"
        assert "participant:left" not in [event for event, _ in host.heard]
        await socket.close()


async def test_an_event_that_there_is_not_is_answered(platform: Platform) -> None:
    async with a_bot(platform.url) as bot:
        answer = await bot.say("meeting:explode", {"now": True})
        assert (answer["ok"], answer["code"]) == (False, "UNKNOWN_EVENT")
        assert "meeting:explode" in answer["message"]


@pytest.mark.parametrize("emoji", ["👍", "❤️", "1️⃣", "👨‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👋🏽", "‼️", "™"])
async def test_any_emoji_is_a_reaction(platform: Platform, emoji: str) -> None:
    made = await make_meeting(await platform.tenant(), enable_chat=False)
    async with a_bot(platform.url) as ada, a_bot(platform.url) as bob:
        await ada.join({"meetingId": code_of(made)}, "Ada")
        await bob.join({"meetingId": code_of(made)}, "Bob")
        assert (await ada.say("reaction", {"emoji": emoji}))["ok"] is True
        assert (await bob.until("reaction"))["emoji"] == emoji


@pytest.mark.parametrize("text", ["call 555", "hi", "é", "12", "👍 ok", " ", "<b>", "👍" * 17])
async def test_a_reaction_is_no_way_around_a_chat_that_is_off(platform: Platform, text: str) -> None:
    made = await make_meeting(await platform.tenant(), enable_chat=False)
    async with a_bot(platform.url) as ada:
        await ada.join({"meetingId": code_of(made)}, "Ada")
        answer = await ada.say("reaction", {"emoji": text})
        assert (answer["ok"], answer["code"]) == (False, "INVALID_REQUEST")
        assert answer["message"].startswith("emoji:")


async def test_no_more_are_let_in_than_the_meeting_holds(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_meeting(tenant, enable_waiting_room=True, max_participants=1)
    path = f"/meetings/{made['meeting']['id']}/waiting"
    async with a_bot(platform.url) as ada, a_bot(platform.url) as bob:
        waiting = []
        for bot in (ada, bob):
            await bot.socket.emit("join-meeting", {"meetingId": code_of(made), "name": "Guest"})
            waiting.append((await bot.until("waiting"))["participantId"])
        assert (await tenant.http.post(f"{path}/{waiting[0]}/admit")).status_code == 200
        await ada.until("joined")
        assert (await tenant.http.post(f"{path}/{waiting[0]}/admit")).status_code == 200
        full = await tenant.http.post(f"{path}/{waiting[1]}/admit")
        assert full.status_code == 409
        assert "The meeting is full" in full.text
        await ada.say("leave-meeting")
        assert (await tenant.http.post(f"{path}/{waiting[1]}/admit")).status_code == 200
        assert len((await bob.until("joined"))["participants"]) == 1


async def test_whoever_was_let_in_after_a_lock_is_shown_the_lock(platform: Platform) -> None:
    tenant = await platform.tenant()
    url = str(tenant.http.base_url).replace("/api/v1/", "/api/meetings")
    made = (await tenant.http.post(url, json={"title": "Standup", "waitingRoom": True})).json()
    async with a_bot(platform.url) as host, a_bot(platform.url) as guest:
        await host.join(made, "Host", isAdmin=True, adminToken=made["adminToken"])
        await guest.socket.emit("join-meeting", {"meetingId": made["meetingId"], "name": "Guest"})
        whom = {"participantId": (await host.until("waiting"))["participantId"]}
        await host.say("meeting:lock")
        assert (await host.say("participant:admit", whom))["ok"] is True
        assert (await guest.until("joined"))["meeting"]["locked"] is True


async def test_people_of_a_process_that_was_killed_leave_for_those_of_the_others(platform: Platform) -> None:
    tenant = await platform.tenant()
    url = str(tenant.http.base_url).replace("/api/v1/", "/api/meetings")
    made = (await tenant.http.post(url, json={"title": "Standup", "waitingRoom": True})).json()
    async with a_bot(platform.url) as host:
        await host.join(made, "Host", isAdmin=True, adminToken=made["adminToken"])
        async with platform.database.platform() as db:
            meeting = (await db.exec(select(Meeting).where(Meeting.code == made["meetingId"]))).one()
            late = Clock().now() - timedelta(seconds=60)
            ids = {"project_id": meeting.project_id, "meeting_id": meeting.id, "since": late, "seen_at": late}
            db.add(Attendee(identity="p_ada", name="Ada", state=AttendeeState.ADMITTED, **ids))
            db.add(Attendee(identity="p_bob", name="Bob", state=AttendeeState.WAITING, **ids))
        await platform.app.state.sockets.look_after()
        assert await host.until("participant:left") == {"participantId": "p_ada"}
        assert await host.until("waiting:left") == {"participantId": "p_bob"}
        await platform.app.state.sockets.look_after()
        assert [event for event, _ in host.heard].count("participant:left") == 1
