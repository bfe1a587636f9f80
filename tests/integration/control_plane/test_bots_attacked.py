"""Bots that are kicked, left alone, dismissed while they join, and asked for with too much."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import select

from agents.attendance import BotJob
from control_plane.bots.models import Bot
from control_plane.errors import Unavailable
from tests.support.bothost import FakeHost, baas, bot_host, codes, left_over, read, send
from tests.support.meetings import meet_people
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio

MANY = 50


@pytest.mark.parametrize(
    ("reason", "last", "error"),
    [("nobody_came", "failed", "TimeoutWaitingToStart"), ("removed", "complete", None)],
)
async def test_a_bot_that_is_left_alone_or_kicked_leaves_nothing_behind(
    platform: Platform, tenant: Tenant, receiver: Receiver, reason: str, last: str, error: str | None
) -> None:
    platform.recorder.away = Unavailable("no recorder")
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform) as host:
        await send(http, meeting["url"], webhook_url=f"{receiver.url}/")
        job = await host.attend()
        await host.starts(job)
        await receiver.wait_for(2)
        await host.ends(job, reason)
        received = await receiver.wait_for(4)
        assert codes(receiver) == ["joining_call", "in_call_not_recording", "call_ended", last]
        assert received[-1].event["data"].get("error") == error

        async def is_clean() -> bool:
            return not await left_over(platform)

        await until(is_clean)


async def play(host: FakeHost) -> None:
    """A host that takes every bot and has each leave that is told to."""
    sequences: Counter[int] = Counter()

    async def report(job: BotJob, kind: str, **said: Any) -> None:
        sequences[job.session_id] += 1
        report = {"type": kind, "at": datetime.now(UTC).isoformat(), **said}
        keys = {"session_id": job.session_id, "epoch": job.epoch, "sequence": sequences[job.session_id]}
        await host.say(type="report", **keys, capability=job.capability, report=report)

    here: dict[str, BotJob] = {}
    while True:
        message = json.loads(await host.socket.recv())
        if message["type"] == "attend":
            job = BotJob.model_validate(message["job"])
            here[job.job_id] = job
            await report(job, "call.started.v1")
        elif message["type"] == "command" and message["action"] == "end":
            gone = here.pop(message["job_id"], None)
            if gone is not None:
                await report(gone, "call.ended.v1", reason="api", duration_ms=10)


async def test_dismissals_in_a_race_with_joins_leave_nothing_behind(platform: Platform) -> None:
    platform.recorder.away = Unavailable("no recorder")
    tenant = await platform.tenant("many", plan="enterprise")
    meeting = await meet_people(tenant)
    async with (
        baas(platform, tenant) as http,
        platform.jobs(),
        bot_host(platform, bots=MANY) as host,
    ):
        playing = asyncio.create_task(play(host))

        async def come_and_go(number: int) -> None:
            bot_id = await send(http, meeting["url"], deduplication_key=f"{number}")
            await asyncio.sleep(number % 7 * 0.05)
            assert (await http.delete(f"/bots/{bot_id}")).status_code == 200
            assert (await http.delete(f"/bots/{bot_id}")).status_code == 200

        await asyncio.gather(*(come_and_go(number) for number in range(MANY)))

        async def is_clean() -> bool:
            return not await left_over(platform)

        try:
            await until(is_clean, within=60)
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
    async with platform.database.platform() as db:
        states = Counter((await db.exec(select(Bot.state))).all())
    assert set(states) <= {"completed", "cancelled"}
    assert states.total() == MANY


async def test_a_huge_extra_is_refused_and_a_large_one_comes_back_as_it_was(platform: Platform, tenant: Tenant) -> None:
    url = "https://example.com/meeting"
    deep: Any = {}
    for _ in range(500):
        deep = {"a": deep}
    async with baas(platform, tenant) as http:
        for number, extra in enumerate(({"a": "x" * 5_000_000}, {"a": "\x00"}, deep)):
            body = {"meeting_url": url, "bot_name": "Bot", "extra": extra, "deduplication_key": f"{number}"}
            answer = await http.post("/bots", json=body)
            assert answer.status_code in (400, 413), (number, answer.text[:200])
            assert answer.json()["error"]
        bottomless = '{"a":' * 100_000 + "1" + "}" * 100_000
        raw = f'{{"meeting_url": "{url}", "bot_name": "Bot", "extra": {bottomless}}}'
        answer = await http.post("/bots", content=raw, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert (await http.get("/bots/bots_with_metadata")).json()["bots"] == []
        large = {f"key {n}": ["ünïcode \U0001f600", n, None, True, {"x": 1.5}] for n in range(100)}
        bot_id = await send(http, url, extra=large)
        assert (await http.get(f"/bots/{bot_id}")).json()["extra"] == large
        assert (await read(platform, bot_id)).state == "failed"
