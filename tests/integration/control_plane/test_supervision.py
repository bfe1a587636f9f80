"""Supervising a call over HTTP: what is answered, what is refused, what is told, and what becomes of who leaves."""

import asyncio
from datetime import timedelta
from typing import Any

import jwt
import pytest
from livekit import api
from sqlmodel import col, select

from agents.audience import REACHES
from agents.calling import PersonaJob
from control_plane.clock import Clock
from control_plane.errors import Unavailable
from control_plane.events.models import Event
from control_plane.jobs.models import Job, JobState
from control_plane.livekit_hooks.service import take
from control_plane.media.server import participant_of
from control_plane.rooms.supervisions import SEAT
from control_plane.supervision.seating import Seating
from tests.integration.control_plane.test_monitor import hear, monitor, subscribe
from tests.support.clocks import TurnedClock
from tests.support.platform import Platform, Tenant
from tests.support.uplink import FakeWorker, ticket_of, worker

pytestmark = pytest.mark.anyio


async def a_call(platform: Platform, tenant: Tenant, at: FakeWorker) -> PersonaJob:
    """A persona talks in the room `r`."""
    ticket = await ticket_of(tenant)
    await tenant.http.post("/rooms", json={"name": "r"})
    exchanged = await at.exchange(ticket, room=f"{tenant.project.slug}_r")
    assert exchanged["job"], exchanged
    return PersonaJob.model_validate(exchanged["job"])


async def supervise(tenant: Tenant, mode: str, **more: Any) -> dict[str, Any]:
    answer = await tenant.http.post("/rooms/r/supervise", json={"mode": mode, **more})
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


async def refused(tenant: Tenant, body: dict[str, Any], room: str = "r") -> tuple[int, str]:
    answer = await tenant.http.post(f"/rooms/{room}/supervise", json=body)
    return answer.status_code, answer.json()["error"]


def claims(token: str) -> dict[str, Any]:
    content: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return content


async def test_listening_opens_the_room_hidden_and_publishes_nothing(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as at:
        job = await a_call(platform, tenant, at)
        answer = await supervise(tenant, "listen", name="Dana")
    assert (answer["mode"], answer["session_id"], answer["voice"]) == ("listen", job.session_id, None)
    assert answer["room"] == "proj_r"
    token = claims(answer["token"])
    assert token["sub"] == answer["supervisor"]
    assert answer["supervisor"].startswith("supervisor-")
    assert token["kind"] == "agent"
    video = token["video"]
    assert (video["hidden"], video["canPublish"], video["canPublishData"], video["canSubscribe"]) == (
        True,
        False,
        False,
        True,
    )
    assert (video["room"], video["canUpdateOwnMetadata"]) == ("proj_r", False)


@pytest.mark.parametrize("mode", ["whisper", "barge", "takeover"])
async def test_a_voice_is_let_in_where_those_who_are_to_hear_it_are(platform: Platform, mode: str) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as at:
        await a_call(platform, tenant, at)
        answer = await supervise(tenant, mode, name="Dana")
        voice = answer["voice"]
        token = claims(voice["token"])
        assert answer["hears"]["supervisor"] == sorted(REACHES[mode]["supervisor"])  # type: ignore[index]
        assert voice["identity"] == answer["supervisor"] + "-voice" == token["sub"]
        assert token["video"]["canPublishSources"] == ["microphone"]
        assert token["video"]["canSubscribe"] is False
        if mode == "whisper":
            command = await at.hear("command")
            aside = claims(command["token"])["video"]
            assert (command["action"], aside["room"], aside["canPublish"]) == ("whisper", voice["room"], False)
            assert voice["room"] != "proj_r"
            assert "attributes" not in token
        else:
            assert (voice["room"], token["attributes"]["parley.supervising"]) == ("proj_r", mode)


async def test_the_same_key_changes_its_mode_and_what_the_mode_does_not_want_is_closed(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as at:
        await a_call(platform, tenant, at)
        first = await supervise(tenant, "listen")
        number = first["supervisor"].removeprefix("supervisor-")
        platform.media.calls.clear()
        await supervise(tenant, "whisper")
        await supervise(tenant, "takeover")
        assert ("close_room", f"aside.{number}") in platform.media.calls
        platform.media.calls.clear()
        last = await supervise(tenant, "return")
        assert ("remove_participant", "proj_r", f"supervisor-{number}-voice") in platform.media.calls
        assert (last["mode"], last["supervisor"], last["voice"]) == ("listen", first["supervisor"], None)


async def test_a_hint_reaches_the_persona_and_needs_nobody_in_the_room(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as at:
        await a_call(platform, tenant, at)
        answer = await supervise(tenant, "whisper", text="Offer her the red one.")
        assert (answer["mode"], answer["supervisor"], answer["token"], answer["voice"]) == (None, None, None, None)
        command = await at.hear("command")
        assert (command["action"], command["text"], command["token"]) == ("whisper", "Offer her the red one.", "")
    entry = (await tenant.http.get("/audit")).json()["entries"][0]
    assert (entry["action"], entry["target"]["mode"]) == ("POST /rooms/{room_name}/supervise", "hint")
    assert "red" not in str(entry)


async def test_the_second_supervisor_may_listen_and_nothing_else(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as at:
        await a_call(platform, tenant, at)
        first = await supervise(tenant, "takeover", name="Dana")
        second = (await tenant.http.post("/api-keys", json={"label": "second", "scopes": ["*"]})).json()
        tenant.http.headers["X-API-Key"] = second["api_key"]["key"]
        for mode in ("whisper", "barge", "takeover"):
            status, error = await refused(tenant, {"mode": mode})
            assert status == 409
            assert "Dana supervises this room already (takeover)" in error
        status, _ = await refused(tenant, {"mode": "whisper", "text": "psst"})
        assert status == 409
        other = await supervise(tenant, "listen")
        assert other["supervisor"] != first["supervisor"]
        shown = (await tenant.http.get("/rooms/r")).json()["room"]
        assert [(each["name"], each["mode"]) for each in shown["supervisors"]] == [("Dana", "takeover"), ("", "listen")]


async def test_what_cannot_be_supervised_says_so(platform: Platform) -> None:
    tenant, other = await platform.tenant(), await platform.tenant("other")
    assert (await refused(tenant, {"mode": "listen"}))[0] == 404
    await tenant.http.post("/rooms", json={"name": "r"})
    for mode in ("whisper", "takeover"):
        status, error = await refused(tenant, {"mode": mode})
        assert (status, error) == (409, "No persona is in the room 'r': listen, or speak to all with barge")
    assert (await supervise(tenant, "barge"))["mode"] == "barge"
    assert (await refused(tenant, {"mode": "listen", "supervisor": "supervisor-99"}))[0] == 404
    assert (await refused(tenant, {"mode": "shout"}))[0] == 400
    assert (await refused(tenant, {"mode": "barge", "text": "hello"}))[0] == 400
    assert (await refused(other, {"mode": "return"}, "proj_r"))[0] == 403
    await tenant.http.delete("/rooms/r")
    assert (await refused(tenant, {"mode": "listen"})) == (409, "The room 'r' is closed")
    assert (await tenant.http.get("/rooms/r")).json()["room"]["supervisors"] == []


async def test_nothing_can_be_given_back_that_was_not_taken(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.http.post("/rooms", json={"name": "r"})
    assert (await refused(tenant, {"mode": "return"}))[0] == 409


async def test_a_key_that_may_only_read_supervises_nobody(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.http.post("/rooms", json={"name": "r"})
    made = (await tenant.http.post("/api-keys", json={"label": "reader", "scopes": ["rooms:read"]})).json()
    tenant.http.headers["X-API-Key"] = made["api_key"]["key"]
    assert (await refused(tenant, {"mode": "listen"}))[0] == 403


async def test_without_livekit_it_is_said_and_can_be_asked_again(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as at:
        await a_call(platform, tenant, at)
        await supervise(tenant, "barge")
        platform.media.fail_next = Unavailable("LiveKit cannot be reached; try again")
        assert (await refused(tenant, {"mode": "return"}))[0] == 503
        platform.media.calls.clear()
        assert (await supervise(tenant, "return"))["mode"] == "listen"
        assert any(call[0] == "remove_participant" for call in platform.media.calls)


def hook(name: str, number: int, identity: str, *, kind: str = "AGENT", sid: str = "PA_1") -> api.WebhookEvent:
    """What LiveKit tells of somebody in the room `r`."""
    return api.WebhookEvent(
        event=name,
        id=f"EV_{number}",
        room=api.Room(name="proj_r", sid="RM_1", creation_time=1_700_000_000),
        participant=api.ParticipantInfo(
            sid=sid,
            identity=identity,
            kind=getattr(api.ParticipantInfo.Kind, kind),
            permission=api.ParticipantPermission(hidden="-voice" not in identity),
        ),
    )


async def test_supervisors_are_nobody_in_the_room_and_their_leaving_gives_the_call_back(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as at:
        await a_call(platform, tenant, at)
        answer = await supervise(tenant, "takeover", name="Dana")
        ear, voice = answer["supervisor"], answer["voice"]["identity"]

        async def told(*event: Any, at: timedelta = timedelta(0), **more: Any) -> None:
            later = TurnedClock()
            later.ahead = at
            async with platform.database.platform() as db:
                await take(db, later, hook(*event, **more))

        await told("participant_joined", 1, ear, sid="PA_ear")
        await told("participant_joined", 2, voice, sid="PA_voice")
        room = (await tenant.http.get("/rooms/r")).json()["room"]
        assert (room["numParticipants"], room["participants"]) == (0, [])
        assert [each["mode"] for each in room["supervisors"]] == ["takeover"]

        await told("participant_left", 3, voice, sid="PA_voice", at=timedelta(seconds=10))
        assert [each["mode"] for each in (await tenant.http.get("/rooms/r")).json()["room"]["supervisors"]] == [
            "listen"
        ]
        await told("participant_left", 4, ear, sid="PA_ear", at=timedelta(seconds=20))
        assert (await tenant.http.get("/rooms/r")).json()["room"]["supervisors"] == []
    async with platform.database.platform() as db:
        events = (await db.exec(select(Event).order_by(col(Event.id)))).all()
    assert [event.data["mode"] for event in events if event.type == "supervision.changed"] == [
        "takeover",
        "listen",
        "ended",
    ]
    assert not [event for event in events if "supervisor" in str(event.data.get("identity"))]
    trail = (await tenant.http.get("/audit")).json()["entries"]
    assert [entry["action"] for entry in trail[:2]] == ["supervisor left"] * 2


@pytest.mark.parametrize(
    ("before", "now", "done"),
    [
        ("listen", "takeover", []),
        ("takeover", "barge", ["update_participant"]),
        ("takeover", "return", ["remove_participant"]),
        ("barge", "whisper", ["remove_participant"]),
    ],
)
async def test_who_comes_with_an_older_token_may_do_what_they_may_now(
    platform: Platform, before: str, now: str, done: list[str]
) -> None:
    """Where the request that heard of it died before it could do anything."""
    tenant = await platform.tenant()
    async with worker(platform) as at:
        await a_call(platform, tenant, at)
        given = [(await supervise(tenant, mode))["voice"] for mode in (before, now)]
        token = claims(next(voice for voice in given[:: 1 if done else -1] if voice)["token"])
    voice = token["sub"]
    joined = hook("participant_joined", 1, voice, sid="PA_voice")
    joined.participant.attributes.update(token["attributes"])
    platform.media.people["proj_r"] = [participant_of(joined.participant)]
    platform.media.calls.clear()
    async with platform.database.platform() as db:
        await take(db, Clock(), joined)
    async with platform.jobs(), asyncio.timeout(60):
        while await seats(platform):
            await asyncio.sleep(0.05)
    assert [call[0] for call in platform.media.calls if call[0].endswith("_participant")] == done
    trail = (await tenant.http.get("/audit")).json()["entries"]
    turned_away = [entry["target"] for entry in trail if entry["action"] == "supervisor turned away"]
    assert turned_away == [{"room_name": "r", "supervisor": voice}] * done.count("remove_participant")


async def test_who_came_after_somebody_with_an_older_token_is_left_alone(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as at:
        await a_call(platform, tenant, at)
        voice = (await supervise(tenant, "listen"))["supervisor"] + "-voice"
        platform.media.people["proj_r"] = [participant_of(hook("participant_joined", 1, voice, sid="PA_2").participant)]
        platform.media.calls.clear()
        who = {"room_name": "proj_r", "identity": voice}
        await Seating(platform.database, platform.media).handle({**who, "sid": "PA_1"})
        assert platform.media.calls == []
        await Seating(platform.database, platform.media).handle({**who, "sid": "PA_2"})
        assert platform.media.calls == [("remove_participant", "proj_r", voice)]


async def seats(platform: Platform) -> int:
    """Supervisors who are still to be looked at."""
    waiting = select(Job.id).where(Job.kind == SEAT, col(Job.state) != JobState.DONE)
    async with platform.database.platform() as db:
        return len((await db.exec(waiting)).all())


async def test_the_monitor_shows_what_a_persona_is_doing_its_turns_and_its_tools(platform: Platform) -> None:
    tenant = await platform.tenant()
    now = Clock().now()
    async with worker(platform) as at, platform.jobs(), monitor(platform, tenant.key) as socket:
        job = await a_call(platform, tenant, at)
        await subscribe(socket, "room:r")
        stated = {"type": "persona.state.v1", "at": now.isoformat(), "room_name": "proj_r", "state": "thinking"}
        key = {"session_id": job.session_id, "epoch": job.epoch, "capability": job.capability}
        await at.say(type="report", sequence=0, report=stated, **key)
        shown = await hear(socket, "persona.state")
        assert (shown["id"], shown["channel"], shown["data"]["state"]) == (None, "room:r", "thinking")

        spoken = {"speech_ended_at": now.isoformat(), "audio_started_at": (now + timedelta(seconds=0.9)).isoformat()}
        await at.report(job, 1, type="turn.measured.v1", model_ms=300.0, **spoken)
        measured = await hear(socket, "turn.measured")
        assert (measured["data"]["heard_gap_ms"], measured["data"]["parts"]["model_ms"]) == (900, 300.0)
        assert measured["id"] is not None

        tool = {"name": "find_order", "arguments": "secret", "began_at": now.isoformat(), "ms": 41.6}
        await at.report(job, 2, type="tool.used.v1", **tool)
        used = (await hear(socket, "tool.used"))["data"]
        assert (used["name"], used["failed"], used["ms"]) == ("find_order", False, 42)
        assert "secret" not in str(used)


async def test_of_many_who_take_a_call_over_at_once_one_has_it(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as at:
        await a_call(platform, tenant, at)
        keys = [tenant.key]
        for number in range(3):
            made = (await tenant.http.post("/api-keys", json={"label": f"{number}", "scopes": ["*"]})).json()
            keys.append(made["api_key"]["key"])

        async def take_over(key: str) -> tuple[str, int]:
            body = {"mode": "takeover", "name": key[-4:]}
            answer = await tenant.http.post("/rooms/r/supervise", json=body, headers={"X-API-Key": key})
            return key, answer.status_code

        told = await asyncio.gather(*(take_over(key) for key in keys for _ in range(4)))
        has_it = {key for key, status in told if status == 200}
        assert len(has_it) == 1
        assert all(status == 409 for key, status in told if key not in has_it)
        shown = (await tenant.http.get("/rooms/r")).json()["room"]["supervisors"]
        assert [(each["name"], each["mode"]) for each in shown] == [(next(iter(has_it))[-4:], "takeover")]
