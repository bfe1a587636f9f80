"""What a job's start asks of the database, and what comes of it where several start at once."""

import asyncio

import pytest
from sqlmodel import select

from agents.contract import Exchange, Exchanged
from control_plane.sessions.models import SessionJob
from tests.support.platform import Platform
from tests.support.statements import statements
from tests.support.uplink import ticket_of

pytestmark = pytest.mark.anyio


async def exchange(platform: Platform, ticket: str, job: str = "AJ_1", worker: str = "w1") -> Exchanged:
    request = Exchange(ticket=ticket, job_id=job, room_name="proj_r")
    answer: Exchanged | None = await platform.app.state.uplink.exchange(request, worker)
    assert answer is not None
    return answer


async def test_a_job_starts_with_one_statement_and_has_all_it_needs(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    ticket = await ticket_of(tenant)
    with statements() as sent:
        job = (await exchange(platform, ticket)).job
    assert len(sent) == 1, sent
    assert job is not None
    assert (job.instructions, job.greeting, job.epoch) == ("You help Ada.", "Hello Ada.", 1)


async def test_a_job_is_told_again_with_one_statement(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    ticket = await ticket_of(tenant)
    first = (await exchange(platform, ticket)).job
    with statements() as sent:
        again = (await exchange(platform, ticket)).job
    assert first is not None
    assert again == first
    assert len(sent) == 1, sent


async def test_of_many_that_bring_one_persona_at_once_one_comes(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    ticket = await ticket_of(tenant)
    answers = await asyncio.gather(*(exchange(platform, ticket, f"AJ_{n}", f"w{n}") for n in range(4)))
    refused = [answer.refused for answer in answers if answer.job is None]
    assert refused == 3 * ["this agent is in the room already"]
    async with platform.database.platform() as db:
        assert len((await db.exec(select(SessionJob))).all()) == 1
