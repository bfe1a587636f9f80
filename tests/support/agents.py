"""Agents over HTTP: made, read, changed and published."""

from typing import Any

from tests.support.platform import Tenant

AGENT = {"name": "Receptionist", "instructions": "You help.", "greeting": "one"}
HTTP_TOOL = {
    "type": "http",
    "name": "find_order",
    "description": "Looks up an order",
    "url": "https://shop.example.org/orders",
    "method": "GET",
    "parameters": {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
}


async def make_agent(tenant: Tenant, **changes: object) -> int:
    """A new agent's id."""
    return await tenant.make_agent(**(AGENT | changes))


async def read(tenant: Tenant, agent: int) -> dict[str, Any]:
    """An agent as it is shown."""
    found: dict[str, Any] = (await tenant.http.get(f"/agents/{agent}")).json()["agent"]
    return found


async def change(tenant: Tenant, agent: int, **changes: object) -> dict[str, Any]:
    """What an agent's draft says afterwards."""
    answer = await tenant.http.patch(f"/agents/{agent}", json=changes)
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()["agent"]
    return changed


async def publish(tenant: Tenant, agent: int, note: str | None = None) -> int:
    """The published version's number."""
    answer = await tenant.http.post(f"/agents/{agent}/publish", json=None if note is None else {"note": note})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["version"])
