"""The queue of calls: a call is placed where a worker has a place for its persona, and projects take turns."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, delete, select, update

from agents.calling import DispatchMetadata
from control_plane.accounts.models import Account, Project
from control_plane.db.database import Db
from control_plane.sessions.models import Session, SessionJob, Slot
from control_plane.telephony.models import Call, SipTrunk
from control_plane.telephony.placing import CALLED_INTO
from control_plane.telephony.queueing import CallQueue
from tests.support.calls import ROOM, a_placer, dial, exchange
from tests.support.clocks import SteppedClock
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

QUICK = 100.0
"""Calls a second, so that the pace of a trunk holds nobody up."""
_numbers = count(1)


async def states(platform: Platform) -> list[str]:
    async with platform.database.platform() as db:
        return list((await db.exec(select(Call.status).order_by(col(Call.id)))).all())


async def test_a_call_waits_for_a_place_and_keeps_it_for_its_persona(platform: Platform, tenant: Tenant) -> None:
    await platform.add_worker(capacity=1)
    async with platform.database.platform() as db:
        await db.exec(update(SipTrunk).values(calls_per_second=QUICK))
    for number in range(2):
        await dial(tenant, room_name=f"r{number}")
    placer = a_placer(platform)
    first = await placer.claim()
    assert len(first) == 1
    platform.dialer.picked_up.set()
    await placer.place(first[0])
    assert (await tenant.http.post("/token", json={"identity": "u", "room": "web"})).status_code == 503
    assert await placer.claim() == []
    assert placer.queue.wants_place
    dispatched = [call[2] for call in platform.media.calls if call[0] == "dispatch"]
    ticket = DispatchMetadata.model_validate_json(dispatched[0])
    assert (await exchange(platform, ticket, room="proj_r0")).job is not None
    async with platform.database.platform() as db:
        assert (await db.exec(select(Slot.promised_until).where(Slot.room_name == "proj_r0"))).one() is None
        await db.exec(update(SessionJob).values(worker_id="test"))
    assert await placer.claim() == []  # now its job has the place
    async with platform.database.platform() as db:
        await db.exec(update(SessionJob).values(ended_at=datetime.now(UTC)))
    assert len(await placer.claim()) == 1
    assert not placer.queue.wants_place
    assert (await states(platform))[1] == "dialing"


async def test_a_phone_that_a_caller_is_handed_to_needs_no_place(platform: Platform, tenant: Tenant) -> None:
    await platform.add_worker(capacity=0)
    for number in range(2):
        await dial(tenant, room_name=f"r{number}")
    async with platform.database.platform() as db:
        calls = (await db.exec(select(Call).order_by(col(Call.id)))).all()
        calls[1].details = {CALLED_INTO: calls[0].id}
    assert await a_placer(platform).claim() == [calls[1].id]


async def test_a_call_that_comes_in_takes_no_place_that_was_promised(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    await platform.add_worker(capacity=1)
    assert (await tenant.http.post("/token", json={"identity": "u", "room": "web"})).status_code == 200
    refused = await exchange(platform, line)
    assert "nobody else's" in (refused.refused or "")
    assert (await states(platform)) == ["busy"]
    async with platform.database.platform() as db:
        await db.exec(update(Slot).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert (await exchange(platform, line, room=f"{ROOM}2", job="AJ_2")).job is not None


@dataclass
class Callers:
    """Projects with trunks and queued calls, and a worker with places that are taken and freed."""

    platform: Platform
    clock: SteppedClock = field(default_factory=lambda: SteppedClock(datetime.now(UTC)))
    queued: dict[int, dict[int, int]] = field(default_factory=dict)
    """By project and trunk, how many calls wait."""
    passed_by: dict[int, Counter[int]] = field(default_factory=dict)
    """By project, how often each other one had a call taken since it waits for its next."""

    async def begin(self, trunks: list[int]) -> None:
        """One project for each number of trunks."""
        async with self.platform.database.platform() as db:
            for table in (Call, Slot, SessionJob, Session, SipTrunk):
                await db.exec(delete(table))
            for number in trunks:
                await self._add_project(db, number)

    async def _add_project(self, db: Db, trunks: int) -> None:
        name = f"p{next(_numbers)}"
        account = await _added(db, Account(email=f"{name}@example.org", name=name, plan="enterprise"))
        project = await _added(db, Project(account_id=account.id, slug=name, name=name))
        self.queued[project.id], self.passed_by[project.id] = {}, Counter()
        for number in range(trunks):
            phone = f"+1800{project.id:04}{number:03}"
            trunk = SipTrunk(project_id=project.id, name="t", phone_number=phone, calls_per_second=QUICK)
            self.queued[project.id][(await _added(db, trunk)).id] = 0

    async def queue(self, which: int, calls: int) -> None:
        """More calls of a project, over all its trunks."""
        project_id = list(self.queued)[which % len(self.queued)]
        trunks = list(self.queued[project_id])
        async with self.platform.database.platform() as db:
            account_id = (await db.exec(select(Project.account_id).where(Project.id == project_id))).one()
            for number in range(calls):
                await self._add_call(db, project_id, account_id, trunks[number % len(trunks)])

    async def _add_call(self, db: Db, project_id: int, account_id: int, trunk_id: int) -> None:
        room, now = f"room-{next(_numbers)}", self.clock.now()
        self.queued[project_id][trunk_id] += 1
        ids = {"project_id": project_id, "room_name": room}
        session = await _added(db, Session(**ids, started_at=now))
        call = {"phone_number": "+17751234567", "status": "queued", "identity": f"sip_{room}", "started_at": now}
        slot = {"persona_ids": [1], "ticket_hash": room.encode(), "dispatched_at": now, "expires_at": now}
        db.add(Call(**ids, session_id=session.id, trunk_id=trunk_id, **call))
        db.add(Slot(**ids, session_id=session.id, account_id=account_id, **slot))

    async def look(self, places: int) -> None:
        """A pass of the queue with so many places free: what it takes is in turn."""
        self.clock.step(seconds=1)
        await self.platform.add_worker(capacity=places)
        async with self.platform.database.platform() as db:
            await db.exec(update(Slot).values(promised_until=None))
        taken = await CallQueue(self.platform.database, self.clock).take()
        wanted = sum(calls > 0 for trunks in self.queued.values() for calls in trunks.values())
        assert len(taken) == min(places, wanted)
        async with self.platform.database.platform() as db:
            rows = (await db.exec(select(Call).where(col(Call.id).in_(taken)))).all()
        by_id, used = {call.id: call for call in rows}, set[int]()
        for call_id in taken:
            self._start(by_id[call_id].project_id, by_id[call_id].trunk_id or 0, used)

    def _start(self, starter: int, trunk_id: int, used: set[int]) -> None:
        """A call was taken: whoever could have had one instead is passed by once at most."""
        used.add(trunk_id)
        self.queued[starter][trunk_id] -= 1
        self.passed_by[starter].clear()
        for project_id, trunks in self.queued.items():
            if not any(trunks.values()):
                self.passed_by[project_id].clear()
            elif project_id != starter and any(calls and trunk not in used for trunk, calls in trunks.items()):
                self.passed_by[project_id][starter] += 1
                assert self.passed_by[project_id][starter] < 2


async def _added(db: Db, row: Any) -> Any:
    db.add(row)
    await db.flush()
    return row


@settings(max_examples=25, derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    trunks=st.lists(st.integers(1, 3), min_size=2, max_size=4),
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(0, 5)), min_size=1, max_size=10),
)
async def test_no_project_waits_while_another_starts_two_more(
    platform: Platform, trunks: list[int], steps: list[tuple[int, int, int]]
) -> None:
    callers = Callers(platform)
    await callers.begin(trunks)
    for which, calls, places in steps:
        await callers.queue(which, calls)
        await callers.look(places)
    while any(calls for trunks in callers.queued.values() for calls in trunks.values()):
        await callers.look(2)
