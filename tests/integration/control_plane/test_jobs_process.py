"""The jobs process: whatever fails in it, the rest goes on."""

from typing import Any

import pytest
from sqlmodel import col, select

from control_plane import lasting
from control_plane.clock import Clock
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.events.models import Event
from control_plane.supervisor import loops
from tests.support.platform import Platform, Tenant
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio


async def test_work_that_fails_ends_nothing_beside_it_and_begins_again(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Any] = []

    async def fail(parts: Any) -> None:
        tries.append(parts)
        raise ValueError("one bad row")

    async def is_tried_again() -> bool:
        return len(tries) > 1

    async def is_numbered() -> bool:
        async with platform.database.platform() as db:
            return (await db.exec(select(Event.seq).where(col(Event.room_name) == "after"))).first() is not None

    monkeypatch.setattr(loops, "read_calendars", fail)
    monkeypatch.setattr(lasting, "BREATH", 0.01)
    async with platform.jobs():
        await until(is_tried_again)
        async with platform.database.platform() as db:
            EventLog(db, Clock()).append(Fact.MEETING_CHAT, project_id=tenant.project.id, room_name="after", text="…")
        await until(is_numbered)
