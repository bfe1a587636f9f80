"""What a conversation came to: counted exactly, read by a model that may be away or talk nonsense, told once."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest
from aiohttp import web
from sqlmodel import col, select

from agents.calling import PersonaJob
from control_plane.analysis.making import Analyst
from control_plane.clock import Clock
from control_plane.errors import Unavailable
from control_plane.events.models import Event
from control_plane.metering.models import UsageEntry
from tests.support.platform import Platform, Tenant
from tests.support.uplink import FakeWorker, ticket_of, worker

pytestmark = pytest.mark.anyio

LINES = [
    ("agent", 0, 2_000, "Hello, this is the pharmacy.", False),
    ("user", 2_500, 2_000, "Hello, do you deliver on Sundays?", False),
    ("agent", 6_000, 4_000, "We deliver on weekdays, and on Sundays", True),
    ("user", 9_500, 1_500, "Thank you, that is perfect.", False),
]


@dataclass
class Model:
    """A server of one model: `answers` are what it says, one after the other, the last one again."""

    answers: list[Callable[[dict[str, Any]], str]]
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    away: bool = False

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body)
        if self.away:
            return web.json_response({"error": {"message": "busy"}}, status=503)
        text = self.answers[min(len(self.asked), len(self.answers)) - 1](json.loads(body["messages"][1]["content"]))
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        head = {"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-test-1"}
        return web.json_response({**head, "choices": [choice], "usage": usage})


@asynccontextmanager
async def serving(*answers: Callable[[dict[str, Any]], str]) -> AsyncIterator[Model]:
    model = Model(list(answers))
    app = web.Application()
    app.router.add_post("/v1/chat/completions", model.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    model.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield model
    finally:
        await runner.cleanup()


def good(asked: dict[str, Any]) -> str:
    """An answer by the schema; its evidence names a line that there is, and one that there is not."""
    evidence = [asked["lines"][1]["id"], 999_999]
    return json.dumps(
        {
            "summary": "Somebody asked about Sundays.",
            "topics": ["delivery"],
            "sentiment": "positive",
            "action_items": [],
            "objectives": [{"name": name, "met": True, "evidence": evidence} for name in asked["objectives"]],
            "criteria": [
                {"name": each["name"], "score": 80, "reason": "Polite.", "evidence": evidence}
                for each in asked["criteria"]
            ],
        }
    )


def nonsense(_: dict[str, Any]) -> str:
    return '{"summary": 5}'


async def talk(platform: Platform, fake: FakeWorker, tenant: Tenant, ticket: str, room: str) -> PersonaJob:
    """A whole conversation, as a worker reports it."""
    job = PersonaJob.model_validate((await fake.exchange(ticket, room=room))["job"])
    await fake.report(job, 1, type="call.started.v1")
    for number, (speaker, at, length, text, interrupted) in enumerate(LINES, 2):
        line = {"speaker": speaker, "text": text, "timestamp_ms": at, "duration_ms": length}
        await fake.report(job, number, type="line.spoken.v1", interrupted=interrupted, **line)
    await fake.report(job, 9, type="call.ended.v1", reason="caller_left", duration_ms=11_000)
    return job


@asynccontextmanager
async def analyst(platform: Platform, model: Model) -> AsyncIterator[Analyst]:
    async with openai.AsyncOpenAI(base_url=model.url, api_key="none", max_retries=0) as client:
        yield Analyst(platform.database, Clock(), client, "gpt-test")


async def ended(platform: Platform, tenant: Tenant) -> PersonaJob:
    async with worker(platform) as fake:
        return await talk(platform, fake, tenant, await ticket_of(tenant), "proj_r")


async def facts(platform: Platform) -> list[dict[str, Any]]:
    async with platform.database.platform() as db:
        return list((await db.exec(select(Event.data).where(Event.type == "analysis.ready"))).all())


async def test_a_session_is_analysed_by_a_job_after_its_end(platform: Platform) -> None:
    tenant = await platform.tenant()
    job = await ended(platform, tenant)
    path = f"/sessions/{job.session_id}/analysis"
    assert (await tenant.http.get(path)).json()["status"] == "pending"
    async with serving(good) as model, analyst(platform, model) as ours:
        await ours.analyse(job.session_id)
    found = (await tenant.http.get(path)).json()
    assert (found["status"], found["summary"], found["sentiment"]) == (
        "ready",
        "Somebody asked about Sundays.",
        "positive",
    )
    assert (found["agent_ms"], found["people_ms"], found["talk_ratio"]) == (6_000, 3_500, 0.3684)
    assert (found["interruptions"], found["barge_ins"], found["longest_silence_ms"]) == (1, 0, 1_500)
    assert (found["model"], found["extractive"]) == ("gpt-test-1", False)
    assert await facts(platform) == [{"session_id": job.session_id, "meeting_id": None}]
    async with platform.database.platform() as db:
        entry = (await db.exec(select(UsageEntry).where(col(UsageEntry.source).startswith("analysis:")))).one()
    assert (entry.input_tokens, entry.output_tokens, entry.session_id) == (100, 20, job.session_id)
    assert (await tenant.http.post(path)).status_code == 202


async def test_a_job_that_is_repeated_asks_no_model_again_and_tells_nothing_twice(platform: Platform) -> None:
    tenant = await platform.tenant()
    job = await ended(platform, tenant)
    async with serving(good) as model, analyst(platform, model) as ours:
        await ours.analyse(job.session_id, "a wish")
        await ours.analyse(job.session_id, "a wish")  # whoever did it died before it was written that it is done
        assert (len(model.asked), len(await facts(platform))) == (1, 1)
        await ours.analyse(job.session_id, "another wish")
        assert (len(model.asked), len(await facts(platform))) == (2, 2)


async def test_a_meeting_is_judged_by_its_scenario_and_evidence_is_only_what_was_said(platform: Platform) -> None:
    tenant = await platform.tenant()
    scenario = {
        "name": "Pharmacy",
        "persona": {"name": "Pharmacist", "instructions": "You sell."},
        "objectives": ["Say when you deliver"],
        "criteria": [{"name": "Politeness"}],
    }
    made = (await tenant.http.post("/scenarios", json=scenario)).json()["scenario"]
    meeting = (await tenant.http.post("/meetings", json={"name": "Ada", "scenario_id": made["id"]})).json()
    path = f"/meetings/{meeting['meeting']['id']}/analysis"
    assert (await tenant.http.get(path)).json()["status"] == "pending"
    ticket = str(platform.app.state.standing.sign(meeting["meeting"]["id"], made["agent_id"]))
    async with worker(platform) as fake:
        job = await talk(platform, fake, tenant, ticket, meeting["meeting"]["room_name"])
    async with serving(good) as model, analyst(platform, model) as ours:
        await ours.analyse(job.session_id)
    found = (await tenant.http.get(path)).json()
    lines = (await tenant.http.get(f"/sessions/{job.session_id}/transcript")).json()["transcripts"]
    said = [lines[1]["id"]]
    assert found["objectives"] == [{"name": "Say when you deliver", "met": True, "evidence": said}]
    assert found["criteria"] == [{"name": "Politeness", "score": 80, "reason": "Polite.", "evidence": said}]
    other = await platform.tenant("other")
    for foreign in (path, f"/sessions/{job.session_id}/analysis"):
        assert (await other.http.get(foreign)).status_code == 403


async def test_a_model_that_talks_nonsense_is_asked_again_and_in_the_end_the_figures_stay(platform: Platform) -> None:
    tenant = await platform.tenant()
    job = await ended(platform, tenant)
    path = f"/sessions/{job.session_id}/analysis"
    async with serving(nonsense) as model, analyst(platform, model) as ours:
        await ours.analyse(job.session_id)
    failed = (await tenant.http.get(path)).json()
    assert (failed["status"], failed["error"]) == ("failed", "the model gave no usable answer")
    assert (failed["agent_ms"], failed["summary"], len(model.asked)) == (6_000, None, 3)
    async with serving(nonsense, good) as model, analyst(platform, model) as ours:
        await ours.analyse(job.session_id)
    assert "summary" in model.asked[1]["messages"][-1]["content"]
    assert (await tenant.http.get(path)).json()["status"] == "ready"


async def test_a_model_that_is_away_is_said_and_asked_again_by_the_job(platform: Platform) -> None:
    tenant = await platform.tenant()
    job = await ended(platform, tenant)
    async with serving(good) as model, analyst(platform, model) as ours:
        model.away = True
        with pytest.raises(Unavailable):
            await ours.analyse(job.session_id)
        assert (await tenant.http.get(f"/sessions/{job.session_id}/analysis")).json()["status"] == "failed"
        model.away = False
        await ours.analyse(job.session_id)
        await ours.analyse(job.session_id)
    assert (await tenant.http.get(f"/sessions/{job.session_id}/analysis")).json()["status"] == "ready"


async def test_without_a_model_a_conversation_is_counted_only(platform: Platform) -> None:
    tenant = await platform.tenant()
    job = await ended(platform, tenant)
    async with openai.AsyncOpenAI(api_key="none") as client:
        await Analyst(platform.database, Clock(), client, None).analyse(job.session_id)
    found = (await tenant.http.get(f"/sessions/{job.session_id}/analysis")).json()
    assert (found["status"], found["summary"], found["people_ms"]) == ("ready", None, 3_500)
