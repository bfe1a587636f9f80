"""Recordings by the API, with a recorder that does as it is told and a store that is a folder."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest

from agents.calling import DispatchMetadata, PersonaJob
from agents.contract import Exchange
from control_plane.clock import Clock
from control_plane.errors import Unavailable
from control_plane.media.recorder import NO_RECORDER, EgressState
from control_plane.recordings.models import Recording
from tests.support.calls import until
from tests.support.clocks import TurnedClock
from tests.support.platform import Platform, Tenant
from tests.support.recordings import BEGAN, SOUND, complete, facts, get, start, tell, watch
from tests.support.uplink_client import submission_of

pytestmark = pytest.mark.anyio


async def test_a_recording_begins_ends_and_is_told_as_the_document_says(
    platform: Platform, tenant: Tenant, room: str
) -> None:
    made = await start(tenant)
    assert made == {
        "id": made["id"],
        "egress_id": "EG_1",
        "room_name": "proj_r",
        "format": "ogg",
        "status": "recording",
    }
    assert (await tenant.http.get("/quota")).json()["quotas"]["recordings"]["used"] == 1
    stopped = await tenant.http.post("/rooms/r/recordings/stop", json={"egress_id": "EG_1"})
    assert stopped.json() == {"success": True, "stopped": ["EG_1"]}
    assert ("stop", "EG_1") in platform.recorder.calls
    await complete(platform, "EG_1")
    shown = await get(tenant, made["id"])
    assert (shown["status"], shown["duration"], shown["size_bytes"]) == ("completed", 5.0, len(SOUND))
    assert datetime.fromisoformat(shown["started_at"]) == BEGAN
    assert (await tenant.http.get("/quota")).json()["quotas"]["recordings"]["used"] == 0
    assert await facts(platform) == [("recording.started", "recording"), ("recording.stopped", "completed")]
    listed = (await tenant.http.get("/recordings", params={"status": "completed", "room_name": "r"})).json()
    assert [each["id"] for each in listed["recordings"]] == [made["id"]]


async def test_the_end_is_told_once_however_often_it_is_heard(
    platform: Platform, tenant: Tenant, recorded: dict[str, Any]
) -> None:
    egress = platform.recorder.egresses["EG_1"]
    for _ in range(2):
        await tell(platform, egress)
    assert await facts(platform) == [("recording.started", "recording"), ("recording.stopped", "completed")]


async def test_a_room_that_is_not_there_or_closed_is_not_recorded(tenant: Tenant, room: str) -> None:
    assert (await tenant.http.post("/rooms/none/recordings/start")).status_code == 404
    assert (await tenant.http.post("/rooms/none/recordings/stop")).status_code == 404
    assert (await tenant.http.post("/rooms/r/recordings/stop")).status_code == 404
    await tenant.http.delete("/rooms/r")
    assert (await tenant.http.post("/rooms/r/recordings/start")).status_code == 409


async def test_the_same_recording_twice_is_a_conflict_and_another_one_is_not(tenant: Tenant, room: str) -> None:
    await start(tenant)
    assert (await tenant.http.post("/rooms/r/recordings/start")).status_code == 409
    await start(tenant, channels="dual")
    await start(tenant, format="mp4")
    stopped = (await tenant.http.post("/rooms/r/recordings/stop")).json()["stopped"]
    assert stopped == ["EG_1", "EG_2", "EG_3"]


async def test_of_many_who_start_the_same_recording_at_once_one_does(tenant: Tenant, room: str) -> None:
    answers = await asyncio.gather(*(tenant.http.post("/rooms/r/recordings/start") for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert (await tenant.http.get("/recordings")).json()["total"] == 1


async def test_without_a_recorder_nothing_is_pretended_and_the_row_says_why(
    platform: Platform, tenant: Tenant, room: str
) -> None:
    platform.recorder.away = Unavailable(NO_RECORDER, retry_after=60)
    answer = await tenant.http.post("/rooms/r/recordings/start")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    (shown,) = (await tenant.http.get("/recordings")).json()["recordings"]
    assert (shown["status"], shown["error"], shown["egress_id"]) == ("error", NO_RECORDER, None)
    assert (await tenant.http.get("/quota")).json()["quotas"]["recordings"]["used"] == 0


@pytest.mark.parametrize(
    ("state", "error", "shown"),
    [
        (EgressState.ABORTED, "Start signal not received", "nothing was recorded"),
        (EgressState.FAILED, "no space left on device", "no space left on device"),
        (EgressState.COMPLETE, "", "nothing was recorded"),
    ],
)
async def test_a_recording_without_a_file_is_an_error_that_says_why(
    platform: Platform, tenant: Tenant, room: str, state: EgressState, error: str, shown: str
) -> None:
    made = await start(tenant)
    await tell(platform, platform.recorder.says("EG_1", state, error=error))
    recording = await get(tenant, made["id"])
    assert (recording["status"], recording["error"], recording["size_bytes"]) == ("error", shown, None)
    assert (await facts(platform))[1:] == [("recording.stopped", "error"), ("recording.failed", "error")]
    assert (await tenant.http.get(f"/recordings/{made['id']}/download")).status_code == 404


async def test_what_a_recorder_saved_before_it_died_can_be_heard(platform: Platform, tenant: Tenant, room: str) -> None:
    made = await start(tenant)
    await complete(platform, "EG_1", ends=EgressState.FAILED, error="the recorder was killed")
    recording = await get(tenant, made["id"])
    assert (recording["status"], recording["error"], recording["duration"]) == ("error", "the recorder was killed", 5.0)
    assert (await tenant.http.get(f"/recordings/{made['id']}/download")).content == SOUND


async def test_a_complete_file_with_a_hole_says_how_much_is_missing(
    platform: Platform, tenant: Tenant, room: str
) -> None:
    made = await start(tenant)
    platform.recorder.says("EG_1", EgressState.ACTIVE, missing=2.5)
    await complete(platform, "EG_1")
    recording = await get(tenant, made["id"])
    assert (recording["status"], recording["missing_ms"]) == ("completed", 2500)


async def test_a_file_that_never_reaches_the_store_is_an_error_in_the_end(
    platform: Platform, tenant: Tenant, room: str
) -> None:
    made = await start(tenant)
    told = {"size": 5, "filename": "x.ogg", "seconds": 1.0}
    await tell(platform, platform.recorder.says("EG_1", EgressState.COMPLETE, **told))
    assert (await get(tenant, made["id"]))["status"] == "recording"
    platform.app.state.finisher.clock = TurnedClock(minutes=2)
    await platform.app.state.finisher.sweep()
    recording = await get(tenant, made["id"])
    assert (recording["status"], recording["error"]) == ("error", "its file did not reach the store")


async def test_an_end_that_no_hook_told_is_found(platform: Platform, tenant: Tenant, room: str) -> None:
    made = await start(tenant)
    platform.recorder.write("EG_1", SOUND)
    platform.recorder.says("EG_1", EgressState.COMPLETE, size=len(SOUND), filename="x.ogg", seconds=5.0)
    await watch(platform).compare()
    await platform.app.state.finisher.sweep()
    assert (await get(tenant, made["id"]))["status"] == "completed"


async def test_an_end_that_no_hook_told_is_found_behind_a_thousand_others(
    platform: Platform, tenant: Tenant, room: str
) -> None:
    other = await platform.tenant("other")
    waiting = {"project_id": other.project.id, "room_name": "proj_x", "started_at": BEGAN}
    await platform.add(*(Recording(**waiting, storage_key=f"k{number}") for number in range(1_000)))
    made = await start(tenant)
    platform.recorder.says("EG_1", EgressState.ABORTED, error="Start signal not received")
    await watch(platform).compare()
    assert (await get(tenant, made["id"]))["error"] == "nothing was recorded"


async def test_a_recorder_that_knows_nothing_of_a_recording_has_lost_it(
    platform: Platform, tenant: Tenant, room: str
) -> None:
    made = await start(tenant)
    platform.recorder.egresses.clear()
    await watch(platform).compare()
    assert (await get(tenant, made["id"]))["status"] == "recording"  # its order may be on the way
    await watch(platform, TurnedClock(minutes=1)).compare()
    recording = await get(tenant, made["id"])
    assert (recording["status"], recording["error"]) == ("error", "the recorder was lost")


async def test_a_recording_that_began_after_its_order_was_given_up_is_stopped(
    platform: Platform, tenant: Tenant, room: str
) -> None:
    platform.recorder.away = Unavailable(NO_RECORDER)
    await tenant.http.post("/rooms/r/recordings/start")
    platform.recorder.away = None
    order = platform.recorder.calls[-1][1]
    await platform.recorder.start(order)
    await watch(platform).compare()
    assert platform.recorder.calls[-1] == ("stop", "EG_1")


async def test_an_order_whose_answer_was_lost_is_known_by_its_file(
    platform: Platform, tenant: Tenant, room: str
) -> None:
    made = await start(tenant)
    async with platform.database.platform() as db:
        row = await db.get(Recording, made["id"])
        assert row is not None
        row.egress_id = None
    await watch(platform).compare()
    assert (await get(tenant, made["id"]))["egress_id"] == "EG_1"


async def test_a_stop_that_no_recorder_hears_is_asked_again(platform: Platform, tenant: Tenant, room: str) -> None:
    await start(tenant)
    platform.recorder.away = Unavailable(NO_RECORDER)
    assert (await tenant.http.post("/rooms/r/recordings/stop")).json()["stopped"] == ["EG_1"]
    platform.recorder.away = None
    asked = len(platform.recorder.calls)
    await watch(platform, TurnedClock(seconds=10)).compare()
    assert platform.recorder.calls[asked:] == [("stop", "EG_1")]


async def test_a_recording_that_is_too_long_or_goes_on_after_its_stop_is_stopped(
    platform: Platform, tenant: Tenant, room: str
) -> None:
    await start(tenant)
    platform.recorder.says("EG_1", EgressState.ACTIVE, started_at=Clock().now())
    await watch(platform).compare()
    assert platform.recorder.calls[-1][0] == "start"
    await watch(platform, TurnedClock(hours=5)).compare()
    assert platform.recorder.calls[-1] == ("stop", "EG_1")


async def test_another_projects_recording_is_forbidden(
    platform: Platform, tenant: Tenant, recorded: dict[str, Any]
) -> None:
    running = await start(tenant)
    other = await platform.tenant("other")
    url = f"/recordings/{recorded['id']}"
    for answer in (
        await other.http.get(url),
        await other.http.get(f"{url}/download"),
        await other.http.get(f"{url}/peaks"),
        await other.http.post(f"{url}/link"),
        await other.http.patch(url, json={"consent": True}),
        await other.http.delete(url),
    ):
        assert answer.status_code == 403
    for room in ("r", "proj_r"):
        for verb in ("start", "stop"):
            answer = await other.http.post(f"/rooms/{room}/recordings/{verb}", json={"egress_id": "EG_1"})
            assert answer.status_code in (400, 403, 404)
    assert (await other.http.get("/recordings")).json()["total"] == 0
    assert (await other.http.get("/recordings", params={"room_name": "proj_r"})).status_code == 403
    assert (await get(tenant, running["id"]))["status"] == "recording"


async def test_whether_people_agreed_is_noted(tenant: Tenant, recorded: dict[str, Any]) -> None:
    assert recorded["consent"] is None
    answer = await tenant.http.patch(f"/recordings/{recorded['id']}", json={"consent": True})
    assert answer.json()["recording"]["consent"] is True


async def answer(platform: Platform, tenant: Tenant, **body: Any) -> PersonaJob:
    """The job of a call to the project's agent."""
    await platform.add_worker()
    token = (await tenant.http.post("/token", json={"identity": "ada", "room": "r"} | body)).json()["token"]
    dispatch = jwt.decode(token, options={"verify_signature": False})["roomConfig"]["agents"][0]["metadata"]
    ticket = DispatchMetadata.model_validate_json(dispatch).ticket
    request = Exchange(ticket=ticket, job_id="AJ_1", room_name=f"{tenant.project.slug}_r", room_sid="RM_1")
    return PersonaJob.model_validate((await platform.app.state.uplink.exchange(request, "w")).job)


async def test_an_agent_that_records_is_recorded_from_its_first_word(platform: Platform, tenant: Tenant) -> None:
    await tenant.http.post("/agents", json={"name": "Ada", "record": True, "record_notice": "Recorded, {{name}}."})
    called = await answer(platform, tenant, variables={"name": "Grace"})
    assert (called.recorded, called.notice) == (True, "Recorded, Grace.")
    async with platform.jobs():
        await until(lambda: orders(platform), [("proj_r", "ogg", "dual")])
        await until(lambda: egress_ids(tenant), ["EG_1"])
    began = called.started_at + timedelta(seconds=1)
    await tell(platform, platform.recorder.says("EG_1", EgressState.ACTIVE, started_at=began))
    spoke = (began - timedelta(seconds=0.25)).isoformat()
    submission = submission_of(called, 1, type="call.started.v1", at=spoke)
    assert [each.refused for each in await platform.app.state.uplink.submit(submission)] == [None]
    (shown,) = (await tenant.http.get("/recordings", params={"session_id": called.session_id})).json()["recordings"]
    assert (shown["origin"], shown["offset_ms"], shown["lost_head_ms"]) == ("agent", 1000, 250)
    await watch(platform).compare()
    assert ("stop", "EG_1") not in platform.recorder.calls
    ended = {"type": "call.ended.v1", "reason": "transferred", "duration_ms": 1000, "at": began.isoformat()}
    submission = submission.model_copy(update={"sequence": 2, "report": ended})
    assert [each.refused for each in await platform.app.state.uplink.submit(submission)] == [None]
    await watch(platform).compare()
    assert platform.recorder.calls[-1] == ("stop", "EG_1")


async def test_a_conversation_beyond_the_plans_recordings_goes_on_without(platform: Platform) -> None:
    tenant = await platform.tenant(plan="free")
    await platform.add(
        *(
            Recording(project_id=tenant.project.id, room_name="proj_x", started_at=BEGAN, storage_key=f"k{number}")
            for number in range(50)
        )
    )
    await tenant.http.post("/agents", json={"name": "Ada", "record": True})
    job = await answer(platform, tenant)
    assert job.recorded is False
    (shown,) = (await tenant.http.get("/recordings", params={"status": "error"})).json()["recordings"]
    assert shown["error"] == "all recordings of the plan were in use"


async def orders(platform: Platform) -> list[tuple[str, str, str]]:
    asked = [call[1] for call in platform.recorder.calls if call[0] == "start"]
    return [(order.room, order.format, order.channels) for order in asked]


async def egress_ids(tenant: Tenant) -> list[str | None]:
    return [each["egress_id"] for each in (await tenant.http.get("/recordings")).json()["recordings"]]


async def test_a_recording_is_counted_when_it_is_complete(tenant: Tenant, recorded: dict[str, Any]) -> None:
    usage = (await tenant.http.get("/usage", params={"period": "today", "group_by": "service"})).json()
    assert [row for row in usage["breakdown"] if row["service"] == "recording"]
