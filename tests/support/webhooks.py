"""What tests of webhooks do again and again: make an endpoint, write a fact, ask the log."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from control_plane.clock import Clock
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from tests.support.clocks import TurnedClock
from tests.support.platform import Platform, Tenant


def turn_clock(platform: Platform) -> TurnedClock:
    """Give a platform a clock that its test turns."""
    clock = TurnedClock()
    platform.app.state.clock = clock
    return clock


async def make(tenant: Tenant, url: str, **fields: Any) -> dict[str, Any]:
    """A new endpoint as its creation shows it."""
    answer = await tenant.http.post("/webhooks", json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    webhook: dict[str, Any] = answer.json()["webhook"]
    return webhook


async def tell(platform: Platform, tenant: Tenant, *facts: Fact, room: str | None = "proj_r", **data: Any) -> None:
    """Write facts, each at its place in the log."""
    async with platform.database.platform() as db:
        for fact in facts:
            EventLog(db, Clock()).append(fact, project_id=tenant.project.id, room_name=room, **data)
            await db.flush()


async def deliveries(tenant: Tenant, webhook: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    """The newest deliveries of an endpoint."""
    answer = await tenant.http.get(f"/webhooks/{webhook['id']}/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["deliveries"]
    return found


async def until(question: Callable[[], Awaitable[Any]], within: float = 60) -> Any:
    """Ask until the answer is yes."""
    async with asyncio.timeout(within):
        while not (answer := await question()):
            await asyncio.sleep(0.02)
    return answer


def in_state(tenant: Tenant, webhook: dict[str, Any], state: str, count: int = 1) -> Callable[[], Awaitable[Any]]:
    """A question for `until`: are there so many deliveries in this state? The answer is they."""

    async def ask() -> Any:
        found = await deliveries(tenant, webhook, state=state)
        return found if len(found) >= count else None

    return ask
