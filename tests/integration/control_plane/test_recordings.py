"""Recordings without an egress service: rows are listed, shown and deleted; what needs the engine says so, last."""

from datetime import UTC, datetime
from typing import Any

import pytest

from control_plane.recordings.models import Recording
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

BEGUN, ENDED = datetime(2026, 3, 31, 10, tzinfo=UTC), datetime(2026, 3, 31, 10, 3, 5, tzinfo=UTC)


async def recorded(platform: Platform, tenant: Tenant, room: str = "proj_my-room", **values: Any) -> int:
    """The id of a recording that is written as an engine would; completed, without a file, if not said otherwise."""
    row = Recording(project_id=tenant.project.id, room_name=room, started_at=BEGUN, **{"status": "completed"} | values)
    await platform.add(row)
    return row.id


async def test_a_recording_has_the_documented_fields(platform: Platform) -> None:
    tenant = await platform.tenant()
    measured: dict[str, Any] = {"duration": 185.5, "size_bytes": 40_960, "ended_at": ENDED, "egress_id": "EG_abc123"}
    recording = await recorded(platform, tenant, **measured)
    shown = {
        "id": recording,
        "egress_id": "EG_abc123",
        "room_name": "proj_my-room",
        "format": "ogg",
        "status": "completed",
        "duration": 185.5,
        "size_bytes": 40_960,
        "started_at": "2026-03-31T10:00:00Z",
        "ended_at": "2026-03-31T10:03:05Z",
        "error": None,
    }
    assert (await tenant.http.get(f"/recordings/{recording}")).json() == {"recording": shown}
    listed = {"recordings": [shown], "total": 1, "page": 1, "total_pages": 1}
    assert (await tenant.http.get("/recordings")).json() == listed


async def test_recordings_are_listed_newest_first_by_room_and_status(platform: Platform) -> None:
    tenant, _ = await platform.tenant(), await platform.tenant("theirs")
    one = await recorded(platform, tenant)
    two = await recorded(platform, tenant, room="proj_other", status="error", error="nothing was recorded")
    three = await recorded(platform, tenant, room="proj_other", status="recording")
    for query, found in (
        ("", [three, two, one]),
        ("room_name=other", [three, two]),
        ("room_name=proj_other&status=error", [two]),
        ("status=completed", [one]),
        ("per_page=1&page=2", [two]),
        ("room_name=unknown", []),
        ("page=7", []),
    ):
        answer = (await tenant.http.get(f"/recordings?{query}")).json()
        assert [row["id"] for row in answer["recordings"]] == found, query
    assert (answer["total"], answer["total_pages"]) == (3, 1)
    for query, status in (("status=lost", 400), ("room_name=a%20b", 400), ("page=0", 400), ("room_name=theirs_r", 403)):
        assert (await tenant.http.get(f"/recordings?{query}")).status_code == status, query


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/download"), ("HEAD", "/download"), ("DELETE", "")])
async def test_only_recordings_of_ones_own_are_there(platform: Platform, method: str, path: str) -> None:
    mine, theirs = await platform.tenant(), await platform.tenant("theirs")
    foreign = await recorded(platform, theirs, room="theirs_r")
    assert (await mine.http.request(method, f"/recordings/{foreign}{path}")).status_code == 403
    assert (await mine.http.request(method, f"/recordings/{foreign + 1000}{path}")).status_code == 404
    assert (await theirs.http.get(f"/recordings/{foreign}")).status_code == 200


@pytest.mark.parametrize(
    ("values", "download", "delete"),
    [
        ({"status": "recording"}, 409, 409),
        ({"status": "error", "error": "nothing was recorded"}, 404, 200),
        ({"status": "completed"}, 404, 200),
        ({"status": "completed", "storage_key": "proj/1.ogg"}, 503, 503),
    ],
    ids=["running", "failed", "without a file", "with a file"],
)
async def test_what_can_be_done_with_a_recording_follows_its_status(
    platform: Platform, values: dict[str, Any], download: int, delete: int
) -> None:
    tenant = await platform.tenant()
    recording = await recorded(platform, tenant, **values)
    assert (await tenant.http.get(f"/recordings/{recording}/download")).status_code == download
    assert (await tenant.http.head(f"/recordings/{recording}/download")).status_code == download
    deleted = await tenant.http.delete(f"/recordings/{recording}")
    assert deleted.status_code == delete
    if delete == 200:
        assert deleted.json() == {"success": True, "message": "Recording deleted"}
    left = 404 if delete == 200 else 200
    assert (await tenant.http.get(f"/recordings/{recording}")).status_code == left


@pytest.mark.parametrize("action", ["start", "stop"])
async def test_recording_needs_a_room_before_it_needs_an_engine(platform: Platform, action: str) -> None:
    tenant, _ = await platform.tenant(), await platform.tenant("theirs")
    await tenant.http.post("/rooms", json={"name": "r"})
    await recorded(platform, tenant, room="proj_r", status="recording", egress_id="EG_1")
    path = f"recordings/{action}"
    missing = await tenant.http.post(f"/rooms/r/{path}", content=b"what?", headers={"Content-Type": "text/plain"})
    assert (missing.status_code, missing.json()["code"]) == (503, "UNAVAILABLE")
    assert "No egress service is connected" in missing.json()["error"]
    assert missing.headers["retry-after"] == "60"
    assert (await tenant.http.post(f"/rooms/unknown/{path}")).status_code == 404
    assert (await tenant.http.post(f"/rooms/theirs_r/{path}")).status_code == 403
    assert (await tenant.http.post(f"/rooms/r/{path}", json=[])).status_code == 400
    wrong = {"format": "mp3", "egress_id": 7}
    assert (await tenant.http.post(f"/rooms/r/{path}", json=wrong)).status_code == 400


async def test_a_closed_room_cannot_be_recorded(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.http.post("/rooms", json={"name": "r"})
    await tenant.http.delete("/rooms/r")
    refused = await tenant.http.post("/rooms/r/recordings/start")
    assert (refused.status_code, refused.json()["code"]) == (409, "CONFLICT")


async def test_running_recordings_count_against_the_plan(platform: Platform) -> None:
    tenant = await platform.tenant(plan="free")
    await tenant.http.post("/rooms", json={"name": "r"})
    await recorded(platform, tenant, room="proj_other", status="recording")
    refused = await tenant.http.post("/rooms/r/recordings/start")
    assert (refused.status_code, refused.json()["details"]["resource"]) == (429, "recordings")


async def test_only_a_running_recording_of_the_room_can_be_stopped(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.http.post("/rooms", json={"name": "r"})
    assert (await tenant.http.post("/rooms/r/recordings/stop")).status_code == 404
    await recorded(platform, tenant, room="proj_r", status="recording", egress_id="EG_1")
    await recorded(platform, tenant, room="proj_r", status="completed", egress_id="EG_2")
    for egress_id, status in (("EG_1", 503), ("EG_2", 404), ("EG_3", 404)):
        answer = await tenant.http.post("/rooms/r/recordings/stop", json={"egress_id": egress_id})
        assert answer.status_code == status, egress_id
