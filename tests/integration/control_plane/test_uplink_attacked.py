"""The uplink when it is told what nobody should say, or too late: others do not suffer from it."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from sqlmodel import select

from agents.calling import PersonaJob
from agents.contract import Exchange, Exchanged
from control_plane.rooms.models import Participant, Room
from control_plane.sessions.exchange import REMEMBERED
from control_plane.sessions.filling import MOST_FILLED
from control_plane.sessions.models import SessionJob, Slot, Worker
from control_plane.sessions.slots import StandingSigner
from tests.support.platform import SECRET_KEY, Platform, Tenant
from tests.support.uplink import FakeWorker, ticket_of, worker
from tests.support.uplink_client import submission_of

pytestmark = pytest.mark.anyio

LINE = {"type": "line.spoken.v1", "speaker": "user", "text": "Hello", "timestamp_ms": 0}


async def exchange(platform: Platform, ticket: str, job_id: str = "AJ_1") -> Exchanged:
    """What a worker is answered."""
    answer = await platform.app.state.uplink.exchange(Exchange(ticket=ticket, job_id=job_id, room_name="proj_r"), "w1")
    assert isinstance(answer, Exchanged)
    return answer


async def ticket_for(tenant: Tenant, body: dict[str, Any]) -> str:
    """The ticket in the token that is asked for so."""
    answer = await tenant.http.post("/token", json=body)
    assert answer.status_code == 200, answer.text
    claims = jwt.decode(answer.json()["token"], options={"verify_signature": False})
    return str(json.loads(claims["roomConfig"]["agents"][0]["metadata"])["ticket"])


async def open_call(platform: Platform, tenant: Tenant, fake: FakeWorker) -> PersonaJob:
    """A session that has started."""
    job = PersonaJob.model_validate((await fake.exchange(await ticket_of(tenant)))["job"])
    assert (await fake.report(job, 1, type="call.started.v1"))["refused"] is None
    return job


async def test_an_end_that_is_noticed_late_takes_no_calls_of_a_worker_that_is_connected_elsewhere(
    platform: Platform, tenant: Tenant
) -> None:
    uplink = platform.app.state.uplink
    async with worker(platform) as fake:
        await open_call(platform, tenant, fake)
        former = platform.app.state.hub.find("w1")
        async with platform.second_process() as url, worker(platform, url=url) as elsewhere:
            await elsewhere.say(type="heartbeat", calls=["AJ_1"])
            await elsewhere.exchange("tk_nothing.1", job_id="AJ_2")  # answered after the heartbeat
            await uplink.lost(former)
            async with platform.database.platform() as db:
                lease = (await db.exec(select(SessionJob.lease_until))).one()
                assert (await db.exec(select(Worker.connected))).one()
            assert lease > datetime.now(UTC) + timedelta(seconds=2)


@pytest.mark.parametrize(
    "report",
    [
        {"type": "line.spoken.v1", "speaker": "user", "text": "x", "timestamp_ms": 2**70},
        {
            "type": "line.spoken.v1",
            "speaker": "user",
            "text": "x",
            "timestamp_ms": 0,
            "at": "0001-01-01T00:00:00+14:00",
        },
        {"type": "call.started.v1", "at": 1_700_000_000},
        {"type": "tool.used.v1", "name": "x", "began_at": "2026-01-01T00:00:00Z", "ms": "inf"},
        {"type": "turn.measured.v1", "endpointing_ms": "nan"},
        {"type": "turn.measured.v1", "chunks": [{"chunk_id": 2**80, "score": 1, "source": "\x00"}]},
        {"type": "usage.counted.v1", "service": "llm", "provider": "\x00", "model": "x", "input_tokens": 10**9},
        {"type": "provider.changed.v1", "service": "llm", "wanted": "\x00", "used": "\x00", "reason": "\x00"},
        {"type": "call.ended.v1", "reason": "worker_lost", "duration_ms": 10**40},
    ],
)
async def test_a_report_that_nobody_can_have_meant_has_a_verdict_and_the_next_one_is_taken(
    platform: Platform, tenant: Tenant, report: dict[str, Any]
) -> None:
    async with worker(platform) as fake:
        job = await open_call(platform, tenant, fake)
        await fake.report(job, 2, **report)
        assert (await fake.report(job, 3, **LINE))["refused"] is None


async def test_variables_that_would_fill_the_memory_fill_a_part_of_the_instructions(
    platform: Platform, tenant: Tenant
) -> None:
    await tenant.make_agent(instructions="{{a}}" * 10, greeting="{{a}}, {{b}}")
    await platform.add_worker()
    body = {"identity": "caller", "room": "r", "variables": {"a": "x" * 900_000, "b": "Ada"}}
    job = (await exchange(platform, await ticket_for(tenant, body))).job
    assert job is not None
    assert len(job.instructions) == MOST_FILLED
    assert job.greeting == "x" * MOST_FILLED + ","


async def test_instructions_of_nothing_but_space_are_read_at_once(platform: Platform, tenant: Tenant) -> None:
    await tenant.make_agent(instructions="{{a}}" + " " * 49_990 + ".")
    await platform.add_worker()
    ticket = await ticket_for(tenant, {"identity": "caller", "room": "r", "variables": {"a": "Ada"}})
    began = time.process_time()
    job = (await exchange(platform, ticket)).job
    assert time.process_time() - began < 3, "nobody else is served meanwhile"
    assert job is not None
    assert job.instructions == "Ada" + " " * 49_990 + "."


async def test_a_persona_that_is_brought_back_is_told_no_more_than_an_uplink_carries(
    platform: Platform, tenant: Tenant
) -> None:
    uplink = platform.app.state.uplink
    async with worker(platform) as fake:
        job = await open_call(platform, tenant, fake)
        room = Room(project_id=tenant.project.id, name="r", full_name="proj_r", sid="RM_1", origin="token")
        await platform.add(room)
        stay: dict[str, Any] = {"room_id": room.id, "sid": "PA_1", "identity": "caller", "kind": "standard"}
        await platform.add(Participant(project_id=tenant.project.id, joined_at=datetime.now(UTC), **stay))
        long = {"type": "line.spoken.v1", "speaker": "user", "text": "語" * 20_000}
        numbers = range(2, REMEMBERED + 2)
        verdicts = await uplink.submit(*(submission_of(job, n, timestamp_ms=n, **long) for n in numbers))
        assert [each.refused for each in verdicts] == [None] * REMEMBERED
        lost = {"type": "call.ended.v1", "reason": "worker_lost", "failed": True, "duration_ms": 0}
        assert (await fake.report(job, 1000, **lost))["refused"] is None
        async with platform.database.platform() as db:
            slot_id = (await db.exec(select(Slot.id))).one()
        ticket = str(StandingSigner(SECRET_KEY, "slot").sign(slot_id, job.persona_id))
        again = await exchange(platform, ticket, "AJ_2")
    assert again.job is not None
    assert again.job.resumed is not None
    assert len(again.job.resumed.said) == REMEMBERED
    assert len(again.model_dump_json().encode()) < 2**21, "a worker takes twice as much"
