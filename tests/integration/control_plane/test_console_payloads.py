"""Markup and scripts in every text that the console shows: they are read there, and nothing of them runs."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agents.calling import PersonaJob
from tests.support.bothost import baas
from tests.support.console_pages import needs_pages
from tests.support.pages import DESKTOP, in_browser
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Received, Receiver
from tests.support.tried import tried
from tests.support.uplink import FakeWorker, ticket_of, worker
from tests.support.webhooks import in_state, make, until

pytestmark = [pytest.mark.anyio, pytest.mark.page, pytest.mark.timeout(600), needs_pages]

BAD = '<img class=payload src=x onerror="window.__ran=1"><script class=payload>window.__ran=1</script>'
SHORT = "<img class=payload src=x onerror=__ran=1>"
FEED = f"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//{SHORT}//EN
X-WR-CALNAME:{SHORT}
BEGIN:VEVENT
UID:1@{SHORT}
DTSTAMP:20260101T000000Z
DTSTART:20260101T100000Z
DTEND:20260101T110000Z
RRULE:FREQ=DAILY
SUMMARY:{SHORT}
LOCATION:https://meet.google.com/abc-defg-hij?{SHORT.replace(" ", "+")}
ORGANIZER;CN="{SHORT.replace('"', "")}":mailto:a@example.org
END:VEVENT
END:VCALENDAR
"""


async def send(tenant: Tenant, method: str, path: str, **body: Any) -> dict[str, Any]:
    """What an operation answers that must take these texts."""
    answer = await tenant.http.request(method, path, json=body)
    assert answer.is_success, (path, answer.text)
    return dict(answer.json())


async def build(tenant: Tenant) -> tuple[int, int]:
    """An agent and a knowledge base."""
    made = await send(
        tenant, "POST", "/agents", name=SHORT, instructions=BAD, greeting=BAD, record_notice=SHORT, voice_id=SHORT
    )
    agent = made["agent"]["id"]
    tool = {"type": "http", "name": "lookup", "description": BAD, "url": "https://example.org/a", "method": "GET"}
    await send(tenant, "PUT", f"/agents/{agent}/tools", tools=[tool])
    await send(tenant, "POST", f"/agents/{agent}/publish", note=BAD)
    await send(tenant, "PATCH", f"/agents/{agent}", greeting=f"{BAD} again")
    await send(tenant, "POST", f"/agents/{agent}/publish", note=BAD)
    base = (await send(tenant, "POST", "/knowledge-bases", name=SHORT, description=BAD))["knowledge_base"]["id"]
    await send(tenant, "POST", f"/knowledge-bases/{base}/ingest", content=f"# {BAD}\n\n{BAD}", source_name=SHORT)
    question = {"question": BAD, "source": SHORT, "contains": SHORT}
    await send(tenant, "PUT", f"/knowledge-bases/{base}/golden-questions", questions=[question])
    await send(tenant, "PATCH", f"/agents/{agent}", knowledge_base_ids=[base])
    return agent, base


async def operate(tenant: Tenant, agent: int) -> None:
    """Everything else that has a name."""
    project = tenant.project.id
    await send(tenant, "PATCH", f"/projects/{project}", name=SHORT)
    await send(tenant, "PATCH", "/account", name=SHORT)
    await send(tenant, "POST", "/projects", name=f"{SHORT}2")
    await send(tenant, "POST", "/api-keys", label=SHORT)
    await send(tenant, "POST", "/members", email="a@example.org", name=SHORT, role="member")
    trunk = {"phone_number": "+18001234568", "address": "sip.example.com", "transport": "udp"}
    await send(tenant, "POST", "/sip/trunks", name=SHORT, **trunk)
    await send(tenant, "POST", "/sip/configs", name=SHORT, phone_number="+18001234568", agent_config_id=agent)
    looks = {"label": SHORT, "button": SHORT, "greeting": BAD}
    await send(tenant, "POST", "/embed-keys", agent_id=agent, origins=["https://shop.example.org"], **looks)
    criteria = [{"name": SHORT, "description": BAD}]
    scenario = await send(
        tenant, "POST", "/scenarios", name=SHORT, agent_id=agent, briefing=BAD, objectives=[BAD], criteria=criteria
    )
    await send(tenant, "POST", "/meetings", name=SHORT, scenario_id=scenario["scenario"]["id"], metadata={"a": BAD})
    people = str(tenant.http.base_url).replace("/api/v1/", "/api/meetings")
    assert (await tenant.http.post(people, json={"title": SHORT})).status_code == 201
    await tenant.http.get(f"/rooms/{SHORT}")
    await tenant.http.delete(f"/rooms/{SHORT}")


async def attend(platform: Platform, tenant: Tenant, receiver: Receiver) -> str:
    """A bot, and a calendar that could send one."""

    async def calendar(_received: Received) -> web.StreamResponse:
        return web.Response(text=FEED.replace("\n", "\r\n"), content_type="text/calendar")

    async with baas(platform, tenant) as http:
        feed = receiver.answer("/feed.ics", calendar)
        made = await http.post("/calendars", json={"platform": "ICS", "url": feed})
        assert made.status_code in (200, 201), made.text
        bot = {"meeting_url": "javascript:window.__ran=1", "bot_name": SHORT, "reserved": True}
        sent = await http.post("/bots", json=bot | {"extra": {"a": BAD}, "entry_message": BAD})
        assert sent.status_code == 200, sent.text
        return str(sent.json()["bot_id"])


async def deliver(tenant: Tenant, receiver: Receiver) -> tuple[int, int]:
    """An endpoint whose receiver answers with markup, and a delivery to it."""

    async def answer(_received: Received) -> web.StreamResponse:
        return web.Response(status=500, text=BAD, content_type="text/html", headers={"Location": "javascript:__ran=1"})

    url = receiver.answer("/hook", answer)
    endpoint = await make(tenant, f"{url}?{SHORT.replace(' ', '+')}", description=BAD)
    await send(tenant, "POST", "/webhooks/test", payload={BAD: BAD})
    [delivery, *_] = await until(in_state(tenant, endpoint, "failed"))
    return int(endpoint["id"]), int(delivery["id"])


def pages_of(known: dict[str, Any]) -> dict[str, list[str]]:
    """The console's pages with what there is, in parts that take a minute or so each."""
    strange = SHORT.replace(" ", "%20")
    return {
        "calls": [
            "/console/live",
            "/console/live/r",
            f"/console/live/{strange}",
            "/console",
            "/console/sessions",
            f"/console/sessions/{known['session']}",
            "/console/usage",
            "/console/audit",
            "/monitor",
        ],
        "building": [
            "/console/agents",
            f"/console/agents/{known['agent']}",
            "/console/knowledge",
            f"/console/knowledge/{known['base']}",
            "/console/phone",
            f"/talk?agent={known['agent']}&var.a={strange}",
        ],
        "operating": [
            "/console/bots",
            f"/console/bots/{known['bot']}",
            "/console/calendars",
            "/console/meetings",
            "/console/embed",
            "/console/webhooks",
            f"/console/webhooks/{known['endpoint']}",
            f"/console/webhooks/{known['endpoint']}/deliveries/{known['delivery']}",
            f"/console/webhooks/{strange}",
            "/console/keys",
            "/console/settings",
            f"/login?next={strange}",
        ],
    }


@pytest.mark.parametrize("part", ["calls", "building", "operating"])
async def test_no_text_becomes_markup_on_any_page(
    platform: Platform, tenant: Tenant, receiver: Receiver, tmp_path: Path, part: str
) -> None:
    agent, base = await build(tenant)
    await operate(tenant, agent)
    async with platform.jobs(), worker(platform) as fake:
        known: dict[str, Any] = {"agent": agent, "base": base, "bot": await attend(platform, tenant, receiver)}
        known["endpoint"], known["delivery"] = await deliver(tenant, receiver)
        job = PersonaJob.model_validate((await fake.exchange(await ticket_of(tenant)))["job"])
        chunk = (await tenant.http.get(f"/knowledge-bases/{base}/chunks")).json()["chunks"][0]["id"]
        await tell(fake, job, chunk)
        known["session"] = job.session_id
        pages = pages_of(known)[part]
        asked = ("--url", platform.url, "--key", tenant.key, "--pages", json.dumps(pages))
        async with beating(fake):
            told = await in_browser("payloads.mjs", tmp_path / "result.json", *asked, *DESKTOP, within=240)

    wrong = [each for what in ("ran", "elements", "unfit", "violations", "foreign") for each in told[what]]
    tried("web: texts of markup, on pages, tabs and dialogs", told["shown"], len(wrong))
    assert set(told["looked"]) >= set(pages)
    assert told["shown"] > len(pages), "hardly a page shows what it was given"
    for what in ("ran", "elements", "unfit", "violations", "foreign", "wider", "faults"):
        assert told[what] == [], what


@asynccontextmanager
async def beating(fake: FakeWorker) -> AsyncIterator[None]:
    """The call goes on for the time of the block."""

    async def beat() -> None:
        while True:
            await fake.say(type="heartbeat", calls=["AJ_1"])
            await asyncio.sleep(1)

    beats = asyncio.create_task(beat())
    try:
        yield
    finally:
        beats.cancel()
        await asyncio.gather(beats, return_exceptions=True)


async def tell(fake: FakeWorker, job: PersonaJob, chunk: int) -> None:
    """What a conversation brings that nobody here chose."""
    line = {"type": "line.spoken.v1", "timestamp_ms": 100, "duration_ms": 900, "text": BAD}
    tool = {"type": "tool.used.v1", "name": SHORT[:60], "arguments": json.dumps({BAD: BAD}), "result": BAD, "ms": 12.5}
    began = job.started_at.isoformat()
    reports: list[dict[str, Any]] = [
        {"type": "call.started.v1"},
        line | {"speaker": "agent"},
        line | {"speaker": "user", "identity": "caller", "name": SHORT},
        {"type": "fault.seen.v1", "at": began, "service": "llm", "source": SHORT, "reason": BAD},
        {"type": "provider.changed.v1", "at": began, "service": "llm", "wanted": SHORT, "used": SHORT, "reason": BAD},
        tool | {"began_at": began},
        {
            "type": "turn.measured.v1",
            "speech_ended_at": began,
            "audio_started_at": began,
            "model_ms": 1.0,
            "chunks": [{"chunk_id": chunk, "score": 0.8, "source": SHORT, "version": ""}],
        },
        {"type": "usage.counted.v1", "service": "llm", "provider": "openai", "model": SHORT, "input_tokens": 9},
    ]
    for sequence, report in enumerate(reports, start=1):
        assert (await fake.report(job, sequence, **report))["refused"] is None, report
