"""A project that announces: no recorder is asked before people have heard of it, and when they had is a fact."""

from datetime import timedelta
from typing import Any

import jwt
import pytest
from sqlmodel import select

from agents.calling import DispatchMetadata, PersonaJob
from agents.contract import Exchange
from control_plane.clock import iso_ms
from control_plane.events.models import Event
from control_plane.media.recorder import EgressState
from control_plane.recordings.models import Recording
from tests.integration.control_plane.test_livekit import hook
from tests.support.calls import until
from tests.support.platform import Platform, Tenant
from tests.support.recordings import facts, start, tell, watch
from tests.support.uplink_client import submission_of

pytestmark = pytest.mark.anyio

SAID = "This call is recorded."


@pytest.fixture
async def announcing(tenant: Tenant) -> Tenant:
    """A project that announces recordings, with an agent that records."""
    changed = await tenant.http.patch(f"/projects/{tenant.project.id}", json={"announce_recordings": True})
    assert changed.json()["project"]["announce_recordings"] is True
    await tenant.http.post("/agents", json={"name": "Ada", "record": True, "record_notice": "Recorded, {{name}}."})
    return tenant


async def answer(platform: Platform, tenant: Tenant, job_id: str = "AJ_1", **body: Any) -> PersonaJob:
    """The job of a call to the project's agent."""
    await platform.add_worker()
    wanted = {"identity": "ada", "room": "r", "variables": {"name": "Grace"}} | body
    token = (await tenant.http.post("/token", json=wanted)).json()["token"]
    config = jwt.decode(token, options={"verify_signature": False}).get("roomConfig")
    dispatches = [call[2] for call in platform.media.calls if call[0] == "dispatch"]
    dispatch = config["agents"][0]["metadata"] if config else dispatches[-1]
    ticket = DispatchMetadata.model_validate_json(dispatch).ticket
    request = Exchange(ticket=ticket, job_id=job_id, room_name=f"{tenant.project.slug}_r", room_sid="RM_1")
    return PersonaJob.model_validate((await platform.app.state.uplink.exchange(request, "w")).job)


async def reports(platform: Platform, job: PersonaJob, sequence: int, **report: Any) -> None:
    submission = submission_of(job, sequence, **report)
    assert [each.refused for each in await platform.app.state.uplink.submit(submission)] == [None]


def started(platform: Platform) -> list[str]:
    return [call[1].room for call in platform.recorder.calls if call[0] == "start"]


async def announced(platform: Platform) -> list[dict[str, Any]]:
    async with platform.database.platform() as db:
        told = (await db.exec(select(Event.data).where(Event.type == "recording.announced"))).all()
    return [dict(each) for each in told]


async def test_the_recorder_is_asked_when_people_have_heard_of_it(platform: Platform, announcing: Tenant) -> None:
    job = await answer(platform, announcing)
    assert (job.recorded, job.announces, job.notice) == (True, True, "Recorded, Grace.")
    spoke, heard = job.started_at + timedelta(seconds=1), job.started_at + timedelta(seconds=3)
    await reports(platform, job, 1, type="call.started.v1", at=spoke.isoformat())
    await platform.add(
        Recording(
            project_id=announcing.project.id,
            room_name="proj_x",
            started_at=job.started_at,
            storage_key="k",
            origin="room",
        )
    )
    async with platform.jobs():
        await until(lambda: waiting(announcing), [("recording", "EG_1"), ("recording", None)])
        await watch(platform).compare()
        assert started(platform) == ["proj_x"], "the one that came after it, of a room without an agent"
        for sequence in (2, 3):
            await reports(platform, job, sequence, type="recording.announced.v1", at=heard.isoformat(), text=SAID)
        await until(lambda: waiting(announcing), [("recording", "EG_1"), ("recording", "EG_2")])
    began = heard + timedelta(seconds=0.25)
    await tell(platform, platform.recorder.says("EG_2", EgressState.ACTIVE, started_at=began))
    _, shown = (await announcing.http.get("/recordings")).json()["recordings"]
    assert shown["lost_head_ms"] == 250, "of what was said after the announcement"
    (fact,) = await announced(platform)
    assert (fact["session_id"], fact["text"], fact["announced_at"]) == (job.session_id, SAID, iso_ms(heard))
    session = (await announcing.http.get(f"/sessions/{job.session_id}/detail")).json()["session"]
    assert session["recording_announced_at"] == f"{heard:%Y-%m-%dT%H:%M:%SZ}"


async def waiting(tenant: Tenant) -> list[tuple[str, str | None]]:
    rows = (await tenant.http.get("/recordings")).json()["recordings"]
    return [(row["status"], row["egress_id"]) for row in rows]


async def test_where_nobody_heard_of_it_nothing_is_recorded_and_that_is_told(
    platform: Platform, announcing: Tenant
) -> None:
    job = await answer(platform, announcing)
    at = job.started_at.isoformat()
    await reports(platform, job, 1, type="call.started.v1", at=at)
    await watch(platform).compare()
    assert await waiting(announcing) == [("recording", None)]
    await reports(platform, job, 2, type="call.ended.v1", at=at, reason="caller_left", duration_ms=1000)
    await watch(platform).compare()
    (shown,) = (await announcing.http.get("/recordings")).json()["recordings"]
    assert (shown["status"], shown["error"]) == ("error", "nobody had heard that it would be recorded")
    assert (started(platform), await announced(platform)) == ([], [])
    assert [each for each, _ in await facts(platform)][-1] == "recording.failed"


async def test_who_was_told_is_not_told_again_by_a_persona_that_comes_back(
    platform: Platform, announcing: Tenant
) -> None:
    job = await answer(platform, announcing)
    at = job.started_at.isoformat()
    again = Exchange(ticket="", job_id="AJ_1", room_name=job.room_name, room_sid="RM_1")
    untold = (await platform.app.state.uplink.exchange(again, "w")).job
    assert (untold.recorded, untold.announces) == (True, True)
    await reports(platform, job, 1, type="recording.announced.v1", at=at, text=SAID)
    told = (await platform.app.state.uplink.exchange(again, "w")).job
    assert (told.recorded, told.announces) == (True, False)


async def test_a_room_that_the_api_records_is_told_of_by_the_persona_there(
    platform: Platform, announcing: Tenant, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await announcing.http.patch("/agents/1", json={"record": False})
    job = await answer(platform, announcing)
    assert (job.recorded, job.announces, job.is_recording) == (False, True, False)
    told = list[tuple[str, dict[str, Any]]]()

    async def publish(channel: str, message: dict[str, Any]) -> None:
        told.append((channel, message))

    monkeypatch.setattr(platform.app.state.live, "publish", publish)
    begun = await start(announcing)
    began = str(int(job.started_at.timestamp() * 1e9))
    egress = {"egressId": "EG_1", "roomName": "proj_r", "status": "EGRESS_ACTIVE", "startedAt": began}
    assert await hook(platform, "egress_updated", number=1, egressInfo=egress) == 200
    assert told == [("recorded", {"session_id": job.session_id, "on": True})]
    assert begun["status"] == "recording"


async def test_a_persona_that_comes_into_a_recorded_room_knows_it(
    platform: Platform, announcing: Tenant, room: str
) -> None:
    await announcing.http.patch("/agents/1", json={"record": False})
    await start(announcing)
    assert (await answer(platform, announcing)).is_recording


async def test_a_project_that_does_not_announce_asks_at_once(platform: Platform, tenant: Tenant, room: str) -> None:
    await tenant.http.post("/agents", json={"name": "Ada"})
    await start(tenant)
    job = await answer(platform, tenant)
    assert (job.announces, job.is_recording) == (False, False)
