"""Who may make a link to a session's replay, and what it tells to whoever has it."""

import httpx2
import pytest
from sqlmodel import update

from control_plane.sessions.models import Session
from tests.integration.control_plane.test_replays import held, replay_of, share
from tests.support.platform import Platform

pytestmark = pytest.mark.anyio

NUMBER = "+17755550100"
ROOM = f"proj_call_{NUMBER}_abcdef"
"""As LiveKit calls the room of somebody who calls."""


async def test_who_may_not_hear_recordings_lets_nobody_else_hear_them(platform: Platform) -> None:
    tenant = await platform.tenant()
    session_id = await held(platform, tenant)
    statuses = []
    for scopes in (["sessions:write"], ["recordings:read"], ["sessions:write", "recordings:read"]):
        made = (await tenant.http.post("/api-keys", json={"label": "x", "scopes": scopes})).json()["api_key"]
        shared = await tenant.http.post(f"/sessions/{session_id}/share", headers={"X-API-Key": made["key"]})
        statuses.append((shared.status_code, shared.json().get("details")))
    refused = [(403, {"scope": "recordings:read"}), (403, {"scope": "sessions:write"})]
    assert statuses == [*refused, (201, None)]


async def test_a_link_to_a_telephone_call_does_not_tell_who_called(platform: Platform) -> None:
    tenant = await platform.tenant()
    body = {"room_name": "proj_r", "session_type": "sip", "caller_identity": f"sip_{NUMBER}"}
    session_id = (await tenant.http.post("/sessions", json=body)).json()["session"]["id"]
    await tenant.http.post("/sessions/proj_r/transcript", json={"speaker": "user", "content": "Good morning"})
    async with platform.database.platform() as db:
        await db.exec(update(Session).values(room_name=ROOM))
    _, shown = await share(tenant, session_id)
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", timeout=30) as outsider:
        answer = await outsider.get("/shared/replay", headers=shown)
    assert [line["content"] for line in answer.json()["lines"]] == ["Good morning"]
    assert NUMBER.lstrip("+") not in answer.text
    assert (await replay_of(tenant, session_id))["session"]["room_name"] == ROOM
