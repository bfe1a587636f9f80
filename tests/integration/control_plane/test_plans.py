"""No statement reads a whole table: what a question costs does not grow with what others have done."""

import asyncio
import random
from collections.abc import Collection
from typing import Final

import httpx2
import pytest
from sqlalchemy import text

from control_plane.reference.document import describe
from control_plane.supervisor.retaining import retain
from tests.support.attempts import attempts
from tests.support.database import Clone
from tests.support.furnishing import furnish
from tests.support.plans import collected, explain, told_of
from tests.support.platform import Platform, Tenant
from tests.support.uplink import PersonaJob, ticket_of, worker

pytestmark = pytest.mark.anyio

ORDER: Final = ("GET", "PATCH", "PUT", "POST", "DELETE")
"""What takes things away comes last."""
DUTIES: Final = (
    "update event set seq",
    "from monitor_ticket",
    "from audit_entry",
    "session_job.lost_at",
    "from webhook_delivery",
    "from bot ",
    "from calendar ",
    "from recording ",
    "from recording join project",
    "from meeting where meeting.session_id",
    "delete from slot where slot.session_id is null",
)
"""Statements of the jobs process, of each of its loops the last, and of the jobs that are there to be done."""


def missing(sent: Collection[str]) -> list[str]:
    every = " ".join(" ".join(each.split()).lower() for each in sent)
    return [duty for duty in DUTIES if duty not in every]


async def a_call(platform: Platform, tenant: Tenant) -> None:
    async with worker(platform) as at:
        told = await at.exchange(await ticket_of(tenant, "talk"), room=f"{tenant.project.slug}_talk")
        job = PersonaJob.model_validate(told["job"])
        line = {"type": "line.spoken.v1", "speaker": "user", "identity": "caller", "timestamp_ms": 1, "text": "Hi."}
        assert (await at.report(job, 1, **line))["refused"] is None
        assert (await at.report(job, 2, type="call.started.v1"))["refused"] is None
        assert (await at.report(job, 3, type="recording.announced.v1", text="Recorded."))["refused"] is None


async def test_no_statement_reads_a_whole_table(platform: Platform, clone: Clone) -> None:
    tenant = await platform.tenant("alpha", plan="enterprise")
    await platform.add_worker(100_000)
    estate = furnish(clone.superuser, tenant, 1)
    asked = list(attempts(describe(platform.app), estate, estate, every=False, some=0, dice=random.Random(1)))
    http = httpx2.AsyncClient(base_url=platform.url, headers={"X-API-Key": tenant.key}, timeout=30)
    platform.clients.append(http)
    with collected() as sent:
        await a_call(platform, tenant)
        async with platform.jobs(), asyncio.timeout(180):
            while missing(sent):
                await asyncio.sleep(0.05)
        for attempt in sorted(asked, key=lambda each: ORDER.index(each.method)):
            await http.request(attempt.method, attempt.path, params=attempt.query, json=attempt.body)
        async with platform.database.platform() as db:
            await db.execute(text("update project set retention_days = 1 where id = :id"), {"id": tenant.project.id})
        await retain(platform.database, platform.app.state.clock)
    furnish(clone.superuser, tenant, 1)
    readings = explain(clone, sent)
    assert len(sent) > 300, "most of what is asked"
    assert not readings, told_of(readings)


async def test_a_statement_that_reads_a_whole_table_is_found(platform: Platform, tenant: Tenant, clone: Clone) -> None:
    furnish(clone.superuser, tenant, 1)
    with collected() as sent:
        await tenant.http.get("/sessions")
    assert len(sent) > 1
    assert explain(clone, sent) == []
    sent["select id from participant where name = %(name)s"] = {"name": "Ada"}
    sent["select id from session where status = %(status)s order by id limit 10"] = {"status": "completed"}
    found = [(each.table, each.how.split(" (")[0]) for each in explain(clone, sent)]
    assert found == [("participant", "Seq Scan"), ("session", "Index Scan session_pkey")]
