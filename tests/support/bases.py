"""Knowledge bases of the tests, over HTTP."""

from typing import Any

from tests.support.platform import Tenant

TEXT = "# Opening\n\nThe workshop opens at nine on weekdays.\n\n# Parking\n\nParking costs four dollars an hour."


async def make_base(tenant: Tenant, content: str = TEXT, **fields: object) -> int:
    answer = await tenant.http.post("/knowledge-bases", json={"name": "FAQ"} | fields)
    assert answer.status_code == 201, answer.text
    base = int(answer.json()["knowledge_base"]["id"])
    if content:
        ingested = await tenant.http.post(f"/knowledge-bases/{base}/ingest", json={"content": content})
        assert ingested.status_code == 201, ingested.text
    return base


async def read(tenant: Tenant, base: int) -> dict[str, Any]:
    found: dict[str, Any] = (await tenant.http.get(f"/knowledge-bases/{base}")).json()["knowledge_base"]
    return found


async def chunks(tenant: Tenant, base: int, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await tenant.http.get(f"/knowledge-bases/{base}/chunks{query}")).json()["chunks"]
    return found


async def ask(tenant: Tenant, base: int, query: str) -> list[dict[str, Any]]:
    answer = await tenant.http.post("/knowledge/search", json={"knowledge_base_id": base, "query": query})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["results"]
    return found
