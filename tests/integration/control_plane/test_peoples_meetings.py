"""People's meetings over HTTP, as their document's snippets use them."""

import httpx2
import pytest
from livekit import api

from control_plane.clock import Clock
from control_plane.livekit_hooks.service import take
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio


def client(platform: Platform, key: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=f"{platform.url}/api", headers={"x-api-key": key}, timeout=30)


async def test_a_meeting_is_made_listed_read_and_ended(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with client(platform, tenant.key) as http:
        answer = await http.post("/meetings", json={"title": "Team Standup"})
        made = answer.json()
        assert answer.status_code == 201, answer.text
        assert set(made) == {"meetingId", "adminToken", "title", "url", "createdAt"}
        assert made["url"].endswith(f"/join/{made['meetingId']}")
        (listed,) = (await http.get("/meetings/")).json()["meetings"]
        assert (await tenant.http.get("/meetings")).json()["meetings"] == []  # those along a scenario
        assert (listed["meetingId"], listed["status"], listed["participants"]) == (made["meetingId"], "scheduled", 0)
        await somebody_comes(platform, made["meetingId"])
        running = (await http.get(f"/meetings/{made['meetingId']}")).json()
        assert (running["status"], running["participants"]) == ("active", 1)
        for _ in range(2):
            assert (await http.delete(f"/meetings/{made['meetingId']}")).status_code == 200
        over = (await http.get(f"/meetings/{made['meetingId']}")).json()
        assert (over["status"], over["durationSeconds"] >= 0) == ("completed", True)
        assert ("close_room", f"proj_{made['meetingId']}") in platform.media.calls
        assert made["adminToken"] not in str((listed, running, over))


async def somebody_comes(platform: Platform, code: str) -> None:
    person = api.ParticipantInfo(sid="PA_1", identity="ada")
    room = api.Room(name=f"proj_{code}", sid="RM_1")
    async with platform.database.platform() as db:
        joined = api.WebhookEvent(id="EV_1", event="participant_joined", room=room, participant=person)
        await take(db, Clock(), joined)


@pytest.mark.parametrize("body", [{}, {"title": ""}, {"title": "x" * 201}, {"title": "a\u0000"}, {"title": 5}])
async def test_a_meeting_without_a_fit_title_is_refused(platform: Platform, body: dict[str, object]) -> None:
    tenant = await platform.tenant()
    async with client(platform, tenant.key) as http:
        answer = await http.post("/meetings", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
        assert (await http.get("/meetings")).json() == {"meetings": []}


async def test_without_a_key_or_with_anothers_a_meeting_is_not_there(platform: Platform) -> None:
    tenant, other = await platform.tenant(), await platform.tenant("other")
    code = await made_by(platform, tenant)
    async with client(platform, other.key) as http:
        assert (await http.get("/meetings")).json() == {"meetings": []}
        assert (await http.get(f"/meetings/{code}")).status_code == 404
        assert (await http.delete(f"/meetings/{code}")).status_code == 404
    async with client(platform, "pk_wrong") as http:
        assert (await http.get("/meetings")).status_code == 401
        assert (await http.post("/meetings", json={"title": "x"})).status_code == 401


async def made_by(platform: Platform, tenant: Tenant) -> str:
    async with client(platform, tenant.key) as http:
        return str((await http.post("/meetings", json={"title": "Mine"})).json()["meetingId"])
