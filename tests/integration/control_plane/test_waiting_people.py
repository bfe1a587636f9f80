"""Several people wait for a persona at once: what keeps one from being helped does not keep the others."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import col, select, update

from control_plane.clock import Clock
from control_plane.errors import Unavailable
from control_plane.media.server import LiveParticipant, LiveRoom
from control_plane.rooms.models import Participant
from control_plane.sessions.models import Slot
from control_plane.sessions.slots import StandingSigner
from control_plane.supervisor.dispatch import PATIENCE, redispatch
from control_plane.supervisor.reconciler import Reconciler
from tests.support.calls import later
from tests.support.platform import SECRET_KEY, Platform, Tenant

pytestmark = pytest.mark.anyio

ROOMS = ("proj_a", "proj_b", "proj_c")


@pytest.fixture
async def waiting(platform: Platform, tenant: Tenant) -> Tenant:
    """Somebody is in each of the rooms, and their dispatch was dropped."""
    await platform.add_worker()
    await tenant.make_agent(name="Ada")
    came = int(time.time()) - 30
    for number, room in enumerate(ROOMS):
        asked = {"identity": "u", "room": room.removeprefix("proj_")}
        assert (await tenant.http.post("/token", json=asked)).status_code == 200
        platform.media.rooms[room] = LiveRoom(room, f"RM_{number}", came, 300, 0)
        platform.media.people[room] = [
            LiveParticipant(f"PA_{number}", "u", "Ada", "standard", "ACTIVE", came, hidden=False, tracks=[])
        ]
    await Reconciler(platform.database, platform.media, Clock()).reconcile()
    past = datetime.now(UTC) - timedelta(seconds=10)
    async with platform.database.platform() as db:
        await db.exec(update(Slot).values(dispatched_at=past))
        await db.exec(update(Participant).values(joined_at=past))
    return tenant


async def dispatched(platform: Platform, clock: Clock | None = None) -> list[str]:
    """The rooms that a look asks a persona for, whether LiveKit takes it or not."""
    before, held = len(platform.media.calls), platform.settings.slot_lifetime
    await redispatch(
        platform.database, platform.media, clock or Clock(), StandingSigner(SECRET_KEY, "slot"), slot_lifetime=held
    )
    return sorted(call[1] for call in platform.media.calls[before:] if call[0] == "dispatch")


async def test_a_room_that_livekit_takes_no_dispatch_for_keeps_no_other_waiting(
    platform: Platform, waiting: Tenant
) -> None:
    platform.media.fail_next = Unavailable("LiveKit answered internal")
    assert await dispatched(platform) == list(ROOMS)
    assert await dispatched(platform) == []
    assert await dispatched(platform, later(PATIENCE.total_seconds() + 1)) == list(ROOMS)


async def test_a_row_that_cannot_be_read_keeps_no_other_waiting(platform: Platform, waiting: Tenant) -> None:
    async with platform.database.platform() as db:
        first = (await db.exec(select(Slot.id).order_by(col(Slot.id)).limit(1))).one()
        await db.exec(update(Slot).where(col(Slot.id) == first).values(draft={"name": 5}))
    assert await dispatched(platform) == list(ROOMS[1:])


async def test_a_row_that_cannot_be_read_takes_the_one_place_of_a_worker_from_nobody(
    platform: Platform, waiting: Tenant
) -> None:
    async with platform.database.platform() as db:
        slots = (await db.exec(select(Slot.id).order_by(col(Slot.id)))).all()
        await db.exec(update(Slot).where(col(Slot.id) != slots[-1]).values(draft={"name": 5}))
    await platform.add_worker(capacity=1)
    found = [room for _ in slots for room in await dispatched(platform)]
    assert found == [ROOMS[-1]]
