"""What the pages of meetings build on: entrance without a key, and tokens as seats on the socket."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
import pytest
from livekit import api as livekit

from control_plane.clock import Clock
from control_plane.livekit_hooks.service import take
from tests.support.meetings import Bot, a_bot, meet_people
from tests.support.platform import Platform, Tenant
from tests.support.studio import eventually

pytestmark = pytest.mark.anyio


async def make_along_a_scenario(tenant: Tenant, **fields: object) -> dict[str, Any]:
    persona = {"name": "Buyer", "instructions": "You buy."}
    scenario = await tenant.http.post("/scenarios", json={"name": "Sales pitch", "persona": persona})
    assert scenario.status_code == 201, scenario.text
    body = {"first_name": "Ada", "email": "ada@example.org", "scenario_id": scenario.json()["scenario"]["id"]}
    answer = await tenant.http.post("/meetings/dynamic", json=body | fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def come(bot: Bot, made: dict[str, Any], **more: Any) -> None:
    asked = {"meetingId": made["meeting"]["code"], "token": made["room_token"], "isBot": False}
    await bot.socket.emit("join-meeting", asked | more)


async def test_a_token_is_a_seat_on_the_socket_and_gives_no_more_than_itself(platform: Platform) -> None:
    made = await make_along_a_scenario(await platform.tenant(), enable_chat=True)
    async with a_bot(platform.url) as ada:
        await come(ada, made)
        joined = await ada.until("joined")
        assert joined["participantId"] == f"user-{made['end_user_id']}"
        assert joined["livekit"]["token"] == made["room_token"]
        assert joined["meeting"]["title"] == "Sales pitch"
        assert joined["meeting"]["recording"] is False
        assert (await ada.say("chat:message", {"text": "Good morning"}))["ok"] is True


async def test_a_meeting_without_chat_has_none_on_the_socket_either(platform: Platform) -> None:
    made = await make_along_a_scenario(await platform.tenant())
    async with a_bot(platform.url) as ada:
        await come(ada, made)
        await ada.until("joined")
        assert (await ada.say("chat:message", {"text": "Good morning"}))["code"] == "FORBIDDEN"
        assert (await ada.say("hand:raise"))["ok"] is True


@pytest.mark.parametrize("wrong", ["nonsense", "of another meeting", "forged"])
async def test_a_token_that_does_not_open_the_meeting_is_no_seat(platform: Platform, wrong: str) -> None:
    tenant = await platform.tenant()
    made, other = await make_along_a_scenario(tenant), await make_along_a_scenario(tenant)
    claims = jwt.decode(made["room_token"], options={"verify_signature": False})
    tokens = {
        "nonsense": "nonsense",
        "of another meeting": other["room_token"],
        "forged": jwt.encode(claims, "another secret that is long enough", "HS256"),
    }
    async with a_bot(platform.url) as eve:
        await come(eve, made, token=tokens[wrong])
        assert (await eve.until("join-error"))["code"] == "INVALID_TOKEN"


async def test_whoever_waits_with_a_token_waits_on_the_socket_until_the_api_lets_them_in(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_along_a_scenario(tenant, enable_waiting_room=True, enable_chat=True)
    path = f"/meetings/{made['meeting']['id']}/waiting"
    async with a_bot(platform.url) as ada:
        await come(ada, made)
        waiting = await ada.until("waiting")
        assert (await ada.say("chat:message", {"text": "Let me in"}))["code"] == "NOT_JOINED"
        (listed,) = (await tenant.http.get(path)).json()["waiting"]
        assert (listed["identity"], listed["state"]) == (waiting["participantId"], "waiting")
        assert (await tenant.http.post(f"{path}/{listed['identity']}/admit")).status_code == 200
        joined = await ada.until("joined")
        opened = jwt.decode(joined["livekit"]["token"], options={"verify_signature": False})
        assert opened["video"]["room"] == made["meeting"]["room_name"]


async def test_hosts_see_who_waits_when_they_come_and_who_gives_up(platform: Platform) -> None:
    tenant = await platform.tenant()
    url = str(tenant.http.base_url).replace("/api/v1/", "/api/meetings")
    made = (await tenant.http.post(url, json={"title": "Board", "waitingRoom": True})).json()
    async with a_bot(platform.url) as guest, a_bot(platform.url) as host:
        await guest.socket.emit("join-meeting", {"meetingId": made["meetingId"], "name": "Guest"})
        identity = (await guest.until("waiting"))["participantId"]
        joined = await host.join(made, "Host", isAdmin=True, adminToken=made["adminToken"])
        assert joined["waiting"] == [{"participantId": identity, "name": "Guest"}]
        await guest.socket.disconnect()
        assert (await host.until("waiting:left")) == {"participantId": identity}
        async with a_bot(platform.url) as other:
            await other.socket.emit("join-meeting", {"meetingId": made["meetingId"], "name": "Other"})
            waits = await host.until("waiting", lambda data: data["name"] == "Other")
            assert (await host.say("participant:kick", waits))["ok"] is True
            assert (await other.until("join-error"))["code"] == "REMOVED"
            token = (await other.until("waiting"))["token"]
            await other.socket.emit("join-meeting", {"meetingId": made["meetingId"], "token": token})
            await other.until("join-error", lambda data: data["code"] == "REMOVED")


async def test_whoever_comes_back_with_their_token_is_who_they_were(platform: Platform) -> None:
    made = await meet_people(await platform.tenant())
    async with a_bot(platform.url) as bob, a_bot(platform.url) as first, a_bot(platform.url) as second:
        await bob.join(made, "Bob")
        joined = await first.join(made, "Host", isAdmin=True, adminToken=made["adminToken"])
        again = {"meetingId": made["meetingId"], "token": joined["livekit"]["token"], "isBot": False}
        await second.socket.emit("join-meeting", again)
        back = await second.until("joined")
        assert (await first.until("join-error"))["code"] == "ELSEWHERE"
        assert back["participantId"] == joined["participantId"]
        assert [each["isAdmin"] for each in back["participants"]] == [False, True]
        await first.socket.disconnect()
        assert (await second.say("chat:message", {"text": "Here I am again"}))["ok"] is True
        await bob.until("chat:message")
        assert [event for event, _ in bob.heard] == ["joined", "participant:joined", "chat:message"]


async def test_whoever_was_sent_away_is_sent_away_again_when_their_token_brings_them_back(platform: Platform) -> None:
    made = await meet_people(await platform.tenant())
    async with platform.jobs(), a_bot(platform.url) as host, a_bot(platform.url) as guest:
        await host.join(made, "Host", isAdmin=True, adminToken=made["adminToken"])
        identity = (await guest.join(made, "Guest"))["participantId"]
        assert (await host.say("participant:kick", {"participantId": identity}))["ok"] is True
        await guest.until("join-error")
        room = f"proj_{made['meetingId']}"
        platform.media.calls.clear()
        async with platform.database.platform() as db:
            person = livekit.ParticipantInfo(sid="PA_1", identity=identity)
            room_info = livekit.Room(name=room, sid="RM_1")
            event = livekit.WebhookEvent(id="EV_1", event="participant_joined", room=room_info, participant=person)
            await take(db, Clock(), event)
        await eventually(lambda: ("remove_participant", room, identity) in platform.media.calls)


async def test_ones_own_microphone_is_seen_by_the_others(platform: Platform) -> None:
    made = await meet_people(await platform.tenant())
    async with a_bot(platform.url) as ada, a_bot(platform.url) as bob:
        await ada.join(made, "Ada")
        identity = (await bob.join(made, "Bob"))["participantId"]
        await bob.say("microphone", {"muted": True})
        assert await ada.until("participant:updated") == {"participantId": identity, "muted": True}
        async with a_bot(platform.url) as late:
            joined = await late.join(made, "Late")
        assert [each["muted"] for each in joined["participants"]] == [False, True, False]


async def test_a_meeting_can_be_looked_at_without_a_key(platform: Platform) -> None:
    made = await meet_people(await platform.tenant(), "Planning")
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", timeout=30) as http:
        seen = (await http.get(f"/join/{made['meetingId']}")).json()
        missing = await http.get("/join/none-none-none")
    assert seen["meeting"] == {"meetingId": made["meetingId"], "title": "Planning", "status": "scheduled"}
    assert missing.status_code == 404
    assert "adm_" not in str(seen)


async def test_an_end_user_begins_their_next_meeting_from_the_page_of_the_scenario(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_along_a_scenario(tenant)
    address = urlsplit(made["scenario_url"])
    scenario_id, pair = address.path.rpartition("/")[2], {k: v[0] for k, v in parse_qs(address.query).items()}
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", timeout=30) as http:
        seen = await http.get(f"/join/scenarios/{scenario_id}", params=pair)
        assert (seen.json()["scenario"]["name"], seen.json()["end_user"]["name"]) == ("Sales pitch", "Ada")
        begun = await http.post(f"/join/scenarios/{scenario_id}", params=pair)
        assert begun.status_code == 201, begun.text
        assert urlsplit(begun.json()["meeting_url"]).query == address.query
        listed = (await tenant.http.get("/meetings", params={"end_user_id": pair["end_user_id"]})).json()
        assert listed["total"] == 2
        for wrong in ({"end_user_id": "999"}, {"membership_id": "999"}):
            for ask in (http.get, http.post):
                assert (await ask(f"/join/scenarios/{scenario_id}", params=pair | wrong)).status_code == 403
        assert (await http.post("/join/scenarios/999", params=pair)).status_code == 403
        assert (await http.post(f"/join/scenarios/{scenario_id}", params={"end_user_id": "x"})).status_code == 400
        answers = await asyncio.gather(*(http.post(f"/join/scenarios/{scenario_id}", params=pair) for _ in range(10)))
    assert sorted(each.status_code for each in answers)[-1] == 429
