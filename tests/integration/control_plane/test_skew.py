"""A worker of an earlier version at this control plane: all it says is taken. See `tests/unit/agents/test_skew.py`."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from agents.calling import PersonaJob
from tests.support.platform import Platform, Tenant
from tests.support.uplink import ticket_of, worker
from tools.contract import FOLDER

pytestmark = pytest.mark.anyio

EARLIER: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("v*.json")}
UNKEPT = ("line.interim.v1", "persona.state.v1")
"""Said without a sequence, and not answered."""
LAST = ("bot.left.v1", "call.ended.v1")


@pytest.mark.parametrize("version", list(EARLIER))
async def test_all_that_an_earlier_worker_reports_is_taken(platform: Platform, tenant: Tenant, version: str) -> None:
    reports = EARLIER[version]["reports"]
    async with worker(platform) as fake:
        job = PersonaJob.model_validate((await fake.exchange(await ticket_of(tenant)))["job"])
        sequence = 0
        for kind in sorted(reports, key=lambda kind: (LAST.index(kind) + 1 if kind in LAST else 0, kind)):
            if kind in UNKEPT:
                continue
            for said in reports[kind]["examples"]:
                sequence += 1
                verdict = await fake.report(job, sequence, **said | {"at": datetime.now(UTC).isoformat()})
                assert verdict["refused"] is None, (kind, verdict)
        await fake.say(type="heartbeat", calls=["AJ_1"])  # as it was, without its places
    lines = (await tenant.http.get(f"/sessions/{job.session_id}/transcript")).json()["transcripts"]
    said = [each["text"] for each in reports["line.spoken.v1"]["examples"]]
    assert [line["content"] for line in lines if line["content"] in said] == said
    session = (await tenant.http.get(f"/sessions/{job.session_id}/detail")).json()["session"]
    assert session["status"] == "completed"
