"""The socket of people's meetings, as bots and pages use it."""

import json
from typing import Any

import jwt
import pytest
from sqlmodel import col, update

from agents.calling import PersonaJob
from control_plane.clock import Clock
from control_plane.jobs.models import Job
from control_plane.meetings.life import WARN_MEETING
from tests.support.meetings import a_bot, claims, code_of, make_meeting, meet_people, tell
from tests.support.platform import Platform
from tests.support.studio import eventually
from tests.support.uplink import worker

pytestmark = pytest.mark.anyio


async def test_the_three_steps_of_the_document(platform: Platform) -> None:
    made = await meet_people(await platform.tenant())
    async with a_bot(platform.url) as person, a_bot(platform.url) as bot:
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
    made = await meet_people(await platform.tenant())
    async with a_bot(platform.url) as bot:
        await bot.socket.emit("join-meeting", {"meetingId": made["meetingId"], "name": "Eve"} | asked)
        assert (await bot.until("join-error"))["code"] == code
        assert (await bot.say("chat:message", {"text": "hi"}))["code"] == "NOT_JOINED"
        for nonsense in ("text", ["a"], 5, {"text": {"deep": []}}):
            assert (await bot.say("chat:message", nonsense))["ok"] is False


async def test_hands_reactions_and_leaving_are_seen_by_the_others_in_order(platform: Platform) -> None:
    made = await meet_people(await platform.tenant())
    async with a_bot(platform.url) as ada, a_bot(platform.url) as bob:
        await ada.join(made, "Ada")
        mine = (await bob.join(made, "Bob"))["participantId"]
        for event, data in (("hand:raise", None), ("reaction", {"emoji": "👏"}), ("hand:lower", None)):
            assert (await bob.say(event, data))["ok"] is True
        assert (await bob.say("reaction", {}))["message"] == "emoji: Field required"
        await bob.say("leave-meeting")
        await ada.until("participant:left")
        heard = [event for event, data in ada.heard if data.get("participantId") == mine]
        assert heard == ["participant:joined", "hand:raised", "reaction", "hand:lowered", "participant:left"]
        assert (await bob.say("chat:message", {"text": "still here?"}))["code"] == "NOT_JOINED"
        again = await bob.join(made, "Bob again")
        assert next(each["name"] for each in again["participants"]) == "Ada"


# Whoever only polls leaves half a minute after it wants to: its client waits for the end of its last question.
@pytest.mark.parametrize("transports", [pytest.param(["polling"], marks=pytest.mark.slow), ["polling", "websocket"]])
async def test_a_client_that_begins_without_a_websocket_meets_the_others(
    platform: Platform, transports: list[str]
) -> None:
    made = await meet_people(await platform.tenant())
    async with a_bot(platform.url) as ada, a_bot(platform.url, transports) as bob:
        await ada.join(made, "Ada")
        joined = await bob.join(made, "Bob")
        assert (await bob.say("chat:message", {"text": "by hand"}))["ok"] is True
        assert (await ada.until("chat:message"))["participantId"] == joined["participantId"]
        assert (await ada.say("chat:message", {"text": "heard"}))["ok"] is True
        assert (await bob.until("chat:message"))["text"] == "heard"


async def test_hosts_lock_send_away_and_end_and_others_may_not(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await meet_people(tenant)
    async with platform.jobs(), a_bot(platform.url) as host, a_bot(platform.url) as guest, a_bot(platform.url) as late:
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
    made = await meet_people(await platform.tenant())
    async with platform.second_process() as url, a_bot(platform.url) as here, a_bot(url) as there:
        await here.join(made, "Here")
        joined = await there.join(made, "There")
        assert [each["name"] for each in joined["participants"]] == ["Here", "There"]
        await here.until("participant:joined")
        await there.say("chat:message", {"text": "over there"})
        assert (await here.until("chat:message"))["text"] == "over there"
        await there.socket.disconnect()
        await here.until("participant:left")


async def test_lines_of_the_chat_reach_the_persona_and_its_answer_is_in_the_chat(platform: Platform) -> None:
    made = await make_meeting(await platform.tenant(), enable_transcription=True)
    room, code = made["meeting"]["room_name"], code_of(made)
    ticket = json.loads(claims(made)["roomConfig"]["agents"][0]["metadata"])["ticket"]
    async with platform.jobs(), worker(platform) as fake, a_bot(platform.url) as bot:
        job = PersonaJob.model_validate((await fake.exchange(ticket, room=room))["job"])
        assert job.captions is True
        mine = (await bot.join({"meetingId": code}, "My bot"))["participantId"]
        await bot.say("chat:message", {"text": "How much?"})
        command = await fake.hear("command")
        assert (command["action"], command["text"], command["identity"]) == ("chat", "How much?", mine)
        said = {"type": "line.spoken.v1", "speaker": "agent", "identity": job.identity, "timestamp_ms": 9}
        await fake.report(job, 1, **said, text="Ten dollars.", name="Buyer", in_chat=True)
        line = await bot.until("chat:message")
        assert (line["participantId"], line["name"], line["text"]) == (job.identity, "Buyer", "Ten dollars.")
        assert await bot.until("transcript") == {"speaker": "Buyer", "text": "Ten dollars.", "final": True}


async def test_without_transcription_nobody_is_shown_what_is_said(platform: Platform) -> None:
    made = await make_meeting(await platform.tenant(), enable_transcription=False)
    ticket = json.loads(claims(made)["roomConfig"]["agents"][0]["metadata"])["ticket"]
    async with platform.jobs(), worker(platform) as fake, a_bot(platform.url) as bot:
        job = PersonaJob.model_validate((await fake.exchange(ticket, room=made["meeting"]["room_name"]))["job"])
        assert job.captions is False
        await bot.join({"meetingId": code_of(made)}, "My bot")
        said = {"type": "line.spoken.v1", "speaker": "agent", "identity": job.identity, "timestamp_ms": 9}
        await fake.report(job, 1, **said, text="A secret.")
        await fake.report(job, 2, **said, text="Written.", name="Buyer", in_chat=True)
        await bot.until("chat:message")  # which came after what was said
        assert "transcript" not in [event for event, _ in bot.heard]


async def test_everybody_is_told_a_minute_before_the_end(platform: Platform) -> None:
    made = await make_meeting(await platform.tenant(), max_duration=2)
    async with platform.jobs(), a_bot(platform.url) as bot:
        await bot.join({"meetingId": code_of(made)}, "My bot")
        await tell(platform, "participant_joined", made["meeting"]["room_name"])
        async with platform.database.platform() as db:
            await db.exec(update(Job).where(col(Job.kind) == WARN_MEETING).values(run_at=Clock().now()))
        assert await bot.until("meeting:warning") == {"secondsLeft": 60}
    (sent,) = [call for call in platform.media.calls if call[0] == "send_data"]
    room, told = made["meeting"]["room_name"], {"secondsLeft": 60}
    assert (sent[1], json.loads(sent[2]), sent[3]) == (
        room,
        told,
        "parley.ending",
    )


async def test_what_people_say_among_themselves_is_shown_with_their_names_and_analysed(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await meet_people(tenant)
    async with platform.jobs(), worker(platform) as fake, a_bot(platform.url) as ada:
        joined = await ada.join(made, "Ada", isBot=False)
        room = f"proj_{made['meetingId']}"
        asked = jwt.decode(joined["livekit"]["token"], options={"verify_signature": False})["roomConfig"]["agents"]
        ticket = json.loads(asked[0]["metadata"])["ticket"]
        job = PersonaJob.model_validate((await fake.exchange(ticket, room=room))["job"])
        assert job.only_writes is True
        said = {"type": "line.spoken.v1", "speaker": "user"}
        await fake.report(job, 1, **said, identity="a", name="Ada", text="Shall we?", timestamp_ms=0, duration_ms=900)
        await fake.report(job, 2, **said, identity="b", name="Bob", text="Yes.", timestamp_ms=2000, duration_ms=300)
        assert await ada.until("transcript", lambda data: data["speaker"] == "Bob") == {
            "speaker": "Bob",
            "text": "Yes.",
            "final": True,
        }
        await fake.report(job, 3, type="call.ended.v1", reason="caller_left", duration_ms=2500)
        analysis: dict[str, Any] = {}

        async def is_read() -> bool:
            answer = await tenant.http.get(f"/sessions/{job.session_id}/analysis")
            analysis.update(answer.json() if answer.status_code == 200 else {})
            return bool(analysis.get("speakers"))

        await eventually(is_read)
    assert analysis["speakers"] == [{"name": "Ada", "ms": 900}, {"name": "Bob", "ms": 300}]
    session = (await tenant.http.get(f"/sessions/{job.session_id}/detail")).json()["session"]
    assert (session["agent_config_id"], session["agent_name"]) == (None, "Notetaker")


async def test_the_waiting_room_is_switched_on_and_off_while_people_meet(platform: Platform) -> None:
    made = await meet_people(await platform.tenant())
    come = {"meetingId": made["meetingId"], "isBot": False}
    async with platform.jobs(), a_bot(platform.url) as host, a_bot(platform.url) as bob, a_bot(platform.url) as eve:
        await host.join(made, "Host", adminToken=made["adminToken"])
        assert (await host.say("meeting:waiting-room", {"on": True}))["ok"] is True
        told = await host.until("meeting:updated")
        assert told == {"meetingId": made["meetingId"], "locked": False, "waitingRoom": True}
        await bob.socket.emit("join-meeting", come | {"name": "Bob"})
        waits = await bob.until("waiting")
        await host.until("waiting", lambda data: data["name"] == "Bob")
        assert (await bob.say("meeting:waiting-room", {"on": False}))["code"] == "NOT_JOINED"
        assert (await host.say("meeting:waiting-room", {}))["code"] == "INVALID_REQUEST"
        assert (await host.say("meeting:waiting-room", {"on": False}))["ok"] is True
        joined = await bob.until("joined")
        assert joined["participantId"] == waits["participantId"]
        assert joined["meeting"]["controls"]["enable_waiting_room"] is False
        await host.until("participant:joined", lambda data: data["name"] == "Bob")
        assert (await bob.say("meeting:waiting-room", {"on": True}))["code"] == "FORBIDDEN"
        await eve.join(made, "Eve")


async def test_only_as_many_are_let_in_at_once_as_the_meeting_holds(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_meeting(tenant, enable_waiting_room=True, max_participants=2)
    come = {"meetingId": code_of(made)}
    path = f"/meetings/{made['meeting']['id']}"
    async with platform.jobs(), a_bot(platform.url) as host, a_bot(platform.url) as bob, a_bot(platform.url) as eve:
        await host.socket.emit("join-meeting", come | {"name": "Host", "adminToken": made["admin_token"]})
        assert (await host.until("joined"))["waiting"] == []
        for bot, name in ((bob, "Bob"), (eve, "Eve")):
            await bot.socket.emit("join-meeting", come | {"name": name})
            await bot.until("waiting")
        answer = await tenant.http.patch(path, json={"enable_waiting_room": False})
        assert answer.json()["meeting"]["controls"]["enable_waiting_room"] is False
        await bob.until("joined")
        (left,) = (await tenant.http.get(f"{path}/waiting")).json()["waiting"]
        assert left["name"] == "Eve"
        assert "joined" not in [event for event, _ in eve.heard]


async def test_a_scenario_meeting_has_a_host_who_lets_in_mutes_and_ends(platform: Platform) -> None:
    tenant = await platform.tenant()
    made, other = [await make_meeting(tenant, enable_waiting_room=True) for _ in range(2)]
    come = {"meetingId": code_of(made)}
    async with platform.jobs(), a_bot(platform.url) as host, a_bot(platform.url) as guest, a_bot(platform.url) as eve:
        await eve.socket.emit("join-meeting", come | {"name": "Eve", "adminToken": other["admin_token"]})
        assert (await eve.until("join-error"))["code"] == "INVALID_ADMIN_TOKEN"
        await host.socket.emit("join-meeting", come | {"name": "Host", "adminToken": made["admin_token"]})
        joined = await host.until("joined")
        assert joined["participants"][0]["isAdmin"] is True
        await guest.socket.emit("join-meeting", come | {"token": made["room_token"]})
        waits = await guest.until("waiting")
        assert (await host.say("participant:admit", {"participantId": waits["participantId"]}))["ok"] is True
        await guest.until("joined")
        assert (await guest.say("meeting:end"))["code"] == "FORBIDDEN"
        assert (await host.say("meeting:end"))["ok"] is True
        await guest.until("meeting:ended")
    ended = (await tenant.http.get(f"/meetings/{made['meeting']['id']}")).json()["meeting"]
    assert ended["status"] == "completed"
    refused = await tenant.http.patch(f"/meetings/{made['meeting']['id']}", json={"enable_waiting_room": True})
    assert refused.status_code == 409


async def test_who_comes_to_the_waiting_room_after_it_was_switched_off_is_in(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_meeting(tenant, enable_waiting_room=True)
    path = f"/meetings/{made['meeting']['id']}"
    assert (await tenant.http.patch(path, json={"enable_waiting_room": False})).status_code == 200
    async with platform.jobs(), a_bot(platform.url) as guest:
        await guest.socket.emit("join-meeting", {"meetingId": code_of(made), "token": made["room_token"]})
        joined = await guest.until("joined")
    token = jwt.decode(joined["livekit"]["token"], options={"verify_signature": False})
    assert token["video"]["room"] == made["meeting"]["room_name"]


async def test_the_waiting_room_of_peoples_meetings_is_switched_by_the_api(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await meet_people(tenant)
    url = f"{str(tenant.http.base_url).replace('/api/v1/', '/api/meetings')}/{made['meetingId']}"
    async with a_bot(platform.url) as bob:
        assert (await tenant.http.patch(url, json={"waitingRoom": True})).json()["waitingRoom"] is True
        await bob.socket.emit("join-meeting", {"meetingId": made["meetingId"], "name": "Bob"})
        await bob.until("waiting")
        assert (await tenant.http.patch(url, json={"waitingRoom": False})).json()["waitingRoom"] is False
        await bob.until("joined")
    assert (await tenant.http.patch(url, json={})).status_code == 400
    other = await platform.tenant("other")
    assert (await other.http.patch(url, json={"waitingRoom": True})).status_code == 404
