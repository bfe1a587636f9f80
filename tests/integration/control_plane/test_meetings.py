"""Scenario meetings over HTTP: what is created, what its token allows, how its persona is briefed, how it ends."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from livekit import api
from sqlmodel import col, select

from agents.calling import PersonaJob
from control_plane.events.models import Event
from control_plane.media.server import LiveParticipant
from tests.support.meetings import claims, hold, make_meeting, make_scenario, tell
from tests.support.platform import Platform, Tenant
from tests.support.statements import statements
from tests.support.studio import eventually

pytestmark = pytest.mark.anyio


async def test_a_name_and_a_scenario_are_enough_for_a_meeting_with_its_page_and_its_token(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_meeting(tenant)
    meeting, page, token = made["meeting"], urlsplit(made["room_url"]), claims(made)
    assert (meeting["status"], meeting["language"], meeting["max_duration"]) == ("scheduled", "en", 12)
    assert (meeting["voice_provider"], meeting["voice_provider_used"]) == ("azure", "openai")
    assert page.path == f"/join/{meeting['code']}"
    assert page.fragment == f"token={made['room_token']}"
    assert token["video"]["room"] == meeting["room_name"] == f"proj_{meeting['code']}"
    assert token["video"]["canPublishSources"] == ["microphone"]
    assert token["video"]["canPublishData"] is True
    assert (await tenant.http.get(f"/meetings/{meeting['id']}")).json()["meeting"] == meeting


async def test_a_meeting_takes_four_statements_and_asks_nothing_of_livekit(platform: Platform) -> None:
    tenant = await platform.tenant()
    scenario = (await make_scenario(tenant))["id"]
    await make_meeting(tenant, scenario_id=scenario)
    platform.media.calls.clear()
    with statements() as sent:
        await make_meeting(tenant, scenario_id=scenario)
    assert len(sent) == 4, sent  # whose rows; scenario and persona; the meeting; the trail
    assert platform.media.calls == []


async def test_a_meeting_has_the_persona_as_it_was_published(platform: Platform) -> None:
    tenant = await platform.tenant()
    scenario = await make_scenario(tenant)
    agent = f"/agents/{scenario['agent_id']}"
    made = await tenant.http.post(f"{agent}/publish", json={})
    assert made.status_code < 300, made.text
    assert (await tenant.http.patch(agent, json={"name": "Draft"})).status_code == 200
    ticket = claims(await make_meeting(tenant, scenario_id=scenario["id"]))["roomConfig"]["agents"][0]["metadata"]
    assert json.loads(ticket)["name"] == "Buyer"


async def test_a_scenario_whose_agent_is_gone_or_out_of_service_makes_no_meeting(platform: Platform) -> None:
    tenant = await platform.tenant()
    scenario = await make_scenario(tenant)
    agent, body = f"/agents/{scenario['agent_id']}", {"name": "Ada", "scenario_id": scenario["id"]}
    assert (await tenant.http.patch(agent, json={"is_active": False})).status_code == 200
    assert (await tenant.http.post("/meetings", json=body)).status_code == 409
    assert (await tenant.http.delete(agent)).status_code == 200
    assert (await tenant.http.post("/meetings", json=body)).status_code == 404
    assert (await tenant.http.get("/meetings")).json()["total"] == 0


async def test_what_a_meeting_allows_is_in_the_grants_of_its_token(platform: Platform) -> None:
    tenant = await platform.tenant()
    silent = claims(await make_meeting(tenant, enable_audio=False, enable_chat=False))
    full = claims(await make_meeting(tenant, enable_video=True, enable_screen_sharing=True, max_participants=3))
    assert (silent["video"]["canPublish"], silent["video"]["canPublishData"]) == (False, False)
    assert full["video"]["canPublishSources"] == ["microphone", "camera", "screen_share", "screen_share_audio"]
    assert full["roomConfig"]["maxParticipants"] == 3


async def test_the_persona_knows_the_scenario_the_person_and_the_meetings_own_settings(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_meeting(
        tenant,
        language="German",
        welcome_message="Guten Tag, {{name}}.",
        max_duration=7,
        enable_recording=False,
        metadata={"company": "Ada & Co"},
    )
    answer = await hold(platform, made)
    job = PersonaJob.model_validate(answer["job"])
    for told in ("You buy software.", "Ada of Ada & Co sells", "1. Ask for the price", "with Ada, in the language de"):
        assert told in job.instructions
    assert (job.greeting, job.language, job.max_call_duration, job.recorded) == ("Guten Tag, Ada.", "de", 420, False)
    assert job.speaks_first
    meeting = (await tenant.http.get(f"/meetings/{made['meeting']['id']}")).json()["meeting"]
    assert meeting["session_id"] == job.session_id


async def test_the_same_address_is_the_same_end_user_and_none_is_a_new_one(platform: Platform) -> None:
    tenant = await platform.tenant()
    scenario = (await make_scenario(tenant))["id"]
    given = {"scenario_id": scenario, "name": None}

    async def dynamic(**fields: object) -> dict[str, Any]:
        return await make_meeting(tenant, "/meetings/dynamic", **given, **fields)

    first = await dynamic(email="Ada@Example.org", first_name="Ada", last_name="Lovelace")
    again = await dynamic(email="ada@example.org", first_name="A.")
    nobody, other = await dynamic(), await dynamic()
    pair = {"end_user_id": first["end_user_id"], "membership_id": first["membership_id"]}
    assert pair == {"end_user_id": again["end_user_id"], "membership_id": again["membership_id"]}
    assert min(pair["membership_id"], nobody["membership_id"]) > 1_000_000, "a number that counts up is guessed"
    assert (first["meeting"]["name"], again["meeting"]["name"]) == ("Ada Lovelace", "A.")
    assert nobody["meeting"]["name"] == "Guest"
    assert len({first["end_user_id"], nobody["end_user_id"], other["end_user_id"]}) == 3
    for url in (first["meeting_url"], first["scenario_url"]):
        assert {name: int(value) for name, (value,) in parse_qs(urlsplit(url).query).items()} == pair
    assert urlsplit(first["scenario_url"]).path == f"/s/{scenario}"
    found = (await tenant.http.get("/end-users", params={"email": "ADA@example.org"})).json()
    assert [person["email"] for person in found["end_users"]] == ["ada@example.org"]


async def test_a_meeting_is_active_while_somebody_is_there_and_completed_afterwards(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = (await make_meeting(tenant))["meeting"]
    room = made["room_name"]

    async def status() -> str:
        return str((await tenant.http.get(f"/meetings/{made['id']}")).json()["meeting"]["status"])

    await tell(platform, "participant_joined", room, kind=api.ParticipantInfo.AGENT)
    assert await status() == "scheduled"
    await tell(platform, "participant_joined", room)
    assert await status() == "active"
    await tell(platform, "room_finished", room)
    assert await status() == "completed"
    async with platform.database.platform() as db:
        told = (await db.exec(select(Event.type).where(col(Event.type).startswith("meeting.")))).all()
    assert told == ["meeting.started", "meeting.ended"]
    refused = await hold(platform, {"meeting": made, "room_token": (await make_meeting(tenant))["room_token"]})
    assert refused["refused"]


async def test_an_ended_meeting_has_no_room_no_conversation_and_no_way_in(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_meeting(tenant)
    job = (await hold(platform, made))["job"]
    path = f"/meetings/{made['meeting']['id']}"
    ended = (await tenant.http.post(f"{path}/end")).json()["meeting"]
    again = (await tenant.http.post(f"{path}/end")).json()["meeting"]
    session = (await tenant.http.get(f"/sessions/{job['session_id']}/detail")).json()["session"]
    assert ended["status"] == "completed"
    assert again == ended
    assert (session["status"], session["end_reason"]) == ("completed", "api")
    assert ("close_room", made["meeting"]["room_name"]) in platform.media.calls
    assert "over" in (await hold(platform, made, "AJ_2"))["refused"]


WRONG: list[tuple[dict[str, object], str]] = [
    ({"name": " "}, "name"),
    ({"meeting_type": "end-user"}, "end_user_id"),
    ({"language": "Gibberish!"}, "language"),
    ({"voice_provider": "azure"}, "PARLEY_VOICE_PROVIDERS"),
    ({"web_search": True}, "web_search"),
    ({"max_duration": 0}, "max_duration"),
    ({"enable_vidoe": True}, "enable_vidoe"),
    ({"metadata": {"a": "\u0000"}}, "metadata"),
]


@pytest.mark.parametrize(("wrong", "named"), WRONG)
async def test_what_cannot_be_done_is_refused_and_nothing_is_made(
    platform: Platform, wrong: dict[str, object], named: str
) -> None:
    tenant = await platform.tenant()
    scenario = (await make_scenario(tenant))["id"]
    answer = await tenant.http.post("/meetings", json={"name": "Ada", "scenario_id": scenario} | wrong)
    assert answer.status_code == 400, answer.text
    assert named in answer.text
    assert (await tenant.http.get("/meetings")).json()["total"] == 0


async def test_scenarios_end_users_and_meetings_of_others_are_forbidden(platform: Platform) -> None:
    mine, other = await platform.tenant(), await platform.tenant("other")
    made = await make_meeting(mine, "/meetings/dynamic", email="ada@example.org")
    scenario, meeting = made["meeting"]["scenario_id"], made["meeting"]["id"]
    own = await make_scenario(other)
    for method, path, body in (
        ("GET", f"/scenarios/{scenario}", None),
        ("PATCH", f"/scenarios/{scenario}", {"name": "Mine now"}),
        ("DELETE", f"/scenarios/{scenario}", None),
        ("GET", f"/end-users/{made['end_user_id']}", None),
        ("DELETE", f"/end-users/{made['end_user_id']}", None),
        ("GET", f"/meetings/{meeting}", None),
        ("POST", f"/meetings/{meeting}/end", None),
        ("POST", "/meetings", {"name": "Eve", "scenario_id": scenario}),
        ("POST", "/meetings", {"name": "Eve", "scenario_id": own["id"], "end_user_id": made["end_user_id"]}),
        ("POST", "/scenarios", {"name": "Eve", "agent_id": made["meeting"]["agent_id"]}),
    ):
        answer = await other.http.request(method, path, json=body)
        assert answer.status_code == 403, (method, path, answer.text)
        assert "Ada" not in answer.text
    assert (await other.http.get("/meetings")).json()["meetings"] == []


async def test_a_scenario_is_changed_in_parts_and_deleted_ones_make_no_meetings(platform: Platform) -> None:
    tenant = await platform.tenant()
    scenario = await make_scenario(tenant)
    path = f"/scenarios/{scenario['id']}"
    changed = (await tenant.http.patch(path, json={"controls": {"enable_video": True}})).json()["scenario"]
    assert (changed["controls"]["enable_chat"], changed["controls"]["enable_video"]) == (True, True)
    assert changed["briefing"] == scenario["briefing"]
    assert (await tenant.http.delete(path)).status_code == 200
    gone = await tenant.http.post("/meetings", json={"name": "Ada", "scenario_id": scenario["id"]})
    assert gone.status_code == 404
    assert (await tenant.http.get("/scenarios")).json()["scenarios"] == []


async def wait_outside(platform: Platform, tenant: Tenant) -> dict[str, Any]:
    """A meeting with a waiting room, and its guest there."""
    made = await make_meeting(tenant, enable_waiting_room=True)
    token = claims(made)
    guest = LiveParticipant("PA_1", token["sub"], "Ada", "standard", "ACTIVE", 1, hidden=False, tracks=[])
    platform.media.people[token["video"]["room"]] = [guest]
    await tell(platform, "participant_joined", token["video"]["room"])
    return made


async def test_who_waits_has_a_token_for_nothing_and_no_persona_comes(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await wait_outside(platform, tenant)
    token = claims(made)
    assert token["video"]["room"] != made["meeting"]["room_name"]
    assert not any(token["video"][may] for may in ("canPublish", "canSubscribe", "canPublishData"))
    assert "roomConfig" not in token
    (waiting,) = (await tenant.http.get(f"/meetings/{made['meeting']['id']}/waiting")).json()["waiting"]
    assert (waiting["name"], waiting["state"]) == ("Ada", "waiting")
    assert (await tenant.http.get("/rooms")).json()["rooms"] == []
    meeting = (await tenant.http.get(f"/meetings/{made['meeting']['id']}")).json()["meeting"]
    assert meeting["status"] == "scheduled"
    automatic = await make_meeting(tenant, enable_waiting_room=True, auto_admit=True)
    assert claims(automatic)["video"]["room"] == automatic["meeting"]["room_name"]


async def test_who_is_admitted_is_sent_the_meetings_token_also_when_they_come_later(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await wait_outside(platform, tenant)
    identity, lobby = claims(made)["sub"], claims(made)["video"]["room"]
    path = f"/meetings/{made['meeting']['id']}/waiting/{identity}"
    async with platform.jobs():
        assert (await tenant.http.post(f"{path}/admit")).json()["attendee"]["state"] == "admitted"
        first = await sent_to(platform, lobby, 1)
        await tell(platform, "participant_joined", lobby, number=2)
        again = await sent_to(platform, lobby, 2)
    for told in (first, again):
        token = jwt.decode(told["token"], options={"verify_signature": False})
        assert (token["sub"], token["video"]["room"]) == (identity, made["meeting"]["room_name"])
        assert token["video"]["canPublishSources"] == ["microphone"]
    assert (await tenant.http.get(f"/meetings/{made['meeting']['id']}/waiting")).json()["waiting"] == []


async def test_who_is_denied_or_waits_for_a_meeting_that_ends_is_sent_away(platform: Platform) -> None:
    tenant = await platform.tenant()
    denied, late = await wait_outside(platform, tenant), await wait_outside(platform, tenant)
    identity, path = claims(denied)["sub"], f"/meetings/{denied['meeting']['id']}/waiting"
    async with platform.jobs():
        assert (await tenant.http.post(f"{path}/{identity}/deny")).status_code == 200
        assert (await tenant.http.post(f"/meetings/{late['meeting']['id']}/end")).status_code == 200
        closed = {("close_room", claims(made)["video"]["room"]) for made in (denied, late)}
        await eventually(lambda: closed <= set(platform.media.calls))
    assert not [call for call in platform.media.calls if call[0] == "send_data"]
    assert (await tenant.http.post(f"{path}/nobody/admit")).status_code == 404
    over = f"/meetings/{late['meeting']['id']}/waiting/{claims(late)['sub']}/admit"
    assert (await tenant.http.post(over)).status_code == 409
    other = await platform.tenant("other")
    assert (await other.http.post(f"{path}/{identity}/admit")).status_code == 403
    assert (await other.http.get(path)).status_code == 403


async def sent_to(platform: Platform, room: str, count: int) -> dict[str, Any]:
    """What was sent to a waiting room last, of so many messages."""

    def sent() -> list[bytes]:
        return [call[2] for call in platform.media.calls if call[0] == "send_data" and call[1] == room]

    await eventually(lambda: len(sent()) == count)
    told: dict[str, Any] = json.loads(sent()[-1])
    return told
