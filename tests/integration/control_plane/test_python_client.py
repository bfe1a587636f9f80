"""The Python client against a running control plane."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest
from parley_client import Parley, ParleyError, Unreachable, verify

from tests.support.platform import Platform

pytestmark = pytest.mark.anyio

Answer = TypeVar("Answer")


async def ask(platform: Platform, key: str, question: Callable[[Parley], Answer]) -> Answer:
    """Ask from another thread: the platform lives in this one."""

    def work() -> Answer:
        with Parley(platform.url, key) as parley:
            return question(parley)

    return await asyncio.to_thread(work)


async def test_a_program_makes_reads_changes_and_removes_an_agent(platform: Platform) -> None:
    tenant = await platform.tenant()

    def work(parley: Parley) -> list[str]:
        made = parley.create_agent("Robin", greeting="Hello")
        parley.update_agent(made["id"], greeting="Good morning")
        greeting = parley.agent(made["id"])["greeting"]
        parley.delete_agent(made["id"])
        return [greeting, *(agent["name"] for agent in parley.agents())]

    assert await ask(platform, tenant.key, work) == ["Good morning"]


async def test_a_program_reads_every_page_of_a_list(platform: Platform) -> None:
    tenant = await platform.tenant()
    for number in range(5):
        await tenant.http.post("/sessions", json={"room_name": f"room-{number}"})
    rows = await ask(platform, tenant.key, lambda parley: list(parley.pages("/sessions", "sessions", per_page=2)))
    assert sorted(row["room_name"] for row in rows) == [f"proj_room-{number}" for number in range(5)]


async def test_a_program_asks_its_knowledge(platform: Platform, tmp_path: Path) -> None:
    tenant = await platform.tenant()
    file = tmp_path / "faq.md"
    file.write_text("# Opening hours\n\nWe are open from nine to five on weekdays.\n")

    def work(parley: Parley) -> str:
        base = parley.create_knowledge_base("FAQ")
        assert parley.upload_document(base["id"], file) > 0
        return parley.search(base["id"], "When are you open?")[0]["content"]

    assert "nine to five" in await ask(platform, tenant.key, work)


async def test_a_refusal_is_raised_with_its_code_and_details(platform: Platform) -> None:
    tenant = await platform.tenant()
    with pytest.raises(ParleyError) as missing:
        await ask(platform, tenant.key, lambda parley: parley.agent(5))
    assert (missing.value.status, missing.value.code) == (404, "NOT_FOUND")
    with pytest.raises(ParleyError) as wrong:
        await ask(platform, tenant.key, lambda parley: parley.token("", "room"))
    assert wrong.value.details["fields"][0]["field"] == "identity"
    with pytest.raises(ParleyError, match="API key"):
        await ask(platform, "pk_wrong", lambda parley: parley.quota())


def test_a_request_refused_for_its_rate_is_made_again_under_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    keys: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) < 3:
            return httpx2.Response(429, headers={"Retry-After": "7"}, json={"error": "slowly", "code": "RATE_LIMITED"})
        return httpx2.Response(201, json={"agent": {"id": 1}})

    with Parley("http://parley.test", "pk_x", transport=httpx2.MockTransport(answer)) as parley:
        assert parley.create_agent("Robin") == {"id": 1}
    assert waited == [7.0, 7.0]
    assert len(set(keys)) == 1


def test_a_server_that_is_not_parley_is_told_from_a_refusal() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(502, text="<html>")

    with (
        Parley("http://parley.test", "pk_x", transport=httpx2.MockTransport(answer)) as parley,
        pytest.raises(Unreachable) as raised,
    ):
        parley.quota()
    assert raised.value.status == 502


def test_a_webhooks_signature_is_checked_over_its_raw_body() -> None:
    signature = "3b099d0eddf3b9c6f3a6aa28a95120c7f1f1c054121f2f85d5738f1344748b3b"
    assert verify(b"{}", signature, "whsec_x")
    assert not verify(b"{ }", signature, "whsec_x")
    assert not verify(b"{}", signature, "whsec_y")
    assert not verify(b"{}", "é", "whsec_x")
