"""A caller in Chromium whom nothing helps any more: the page itself apologises, aloud and in writing."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlmodel import select

from agents.calling import PersonaJob
from control_plane.rooms.models import Participant
from control_plane.sessions.models import Slot
from control_plane.sessions.slots import StandingSigner
from tests.support.console_pages import needs_pages
from tests.support.livekit import livekit_of
from tests.support.pages import PHONE, in_browser
from tests.support.partings import work_off
from tests.support.platform import SECRET_KEY, Platform
from tests.support.uplink import PERSONA, FakeWorker, worker

pytestmark = [pytest.mark.anyio, pytest.mark.page, pytest.mark.timeout(600), needs_pages]

DEATHS = 4


async def placed(platform: Platform, fake: FakeWorker) -> str:
    """The ticket of the call that a page has placed, once it is in the room; its worker lives until then."""
    async with asyncio.timeout(150):
        while True:
            await fake.say(type="heartbeat", calls=[])
            async with platform.database.platform() as db:
                slot = (await db.exec(select(Slot))).first()
                there = (await db.exec(select(Participant.id))).first()
            if slot is not None and there is not None:
                break
            await asyncio.sleep(0.2)
    return str(StandingSigner(SECRET_KEY, "slot").sign(slot.id, slot.persona_ids[0]))


async def in_call(screenshots: Path, looks: "asyncio.Task[dict[str, Any]]") -> None:
    """Until the page itself shows the call: a platform that hears of it sooner would end it before it is seen."""
    while not (screenshots / "call.png").exists():
        assert not looks.done(), await looks
        await asyncio.sleep(0.05)


async def test_a_page_apologises_in_the_agents_language_where_nobody_is_left_who_could(
    platform: Platform, tmp_path: Path
) -> None:
    tenant = await platform.tenant()
    made = await tenant.http.post("/agents", json=PERSONA | {"language": "de-DE"})
    assert made.status_code == 201
    async with livekit_of(platform, tmp_path) as url, AsyncExitStack() as stack:
        fake = await stack.enter_async_context(worker(platform, capacity=1))
        who = ("--url", platform.url, "--key", tenant.key, "--room", "alone", "--livekit", str(urlsplit(url).port))
        looks = asyncio.create_task(
            in_browser("sorry.mjs", tmp_path / "told.json", *who, *PHONE, "--screenshots", str(tmp_path), within=200)
        )
        try:
            ticket = await placed(platform, fake)
            await in_call(tmp_path, looks)
            for number in range(DEATHS):
                answer = await fake.exchange(ticket, job_id=f"AJ_{number}", room="proj_alone")
                job = PersonaJob.model_validate(answer["job"])
                await fake.report(job, 1, type="call.started.v1")
                await fake.report(job, 9, type="call.ended.v1", reason="worker_lost", failed=True, duration_ms=0)
            await stack.aclose()  # and there is no worker that could apologise
            await work_off(platform, platform.app.state.media)
            told = await looks
        finally:
            looks.cancel()
            await asyncio.gather(looks, return_exceptions=True)
    assert told["title"] == "Receptionist cannot go on"
    assert "Call again in a moment" in told["words"]
    [sound] = told["sounds"]
    assert (sound["notice"], sound["came"]) == ("sorry", "ended")
    assert sound["file"].startswith("de")
    assert sound["seconds"] > 1
    assert told["can_call_again"]
    session = (await tenant.http.get("/sessions")).json()["sessions"][0]
    assert (session["status"], session["outcome"]) == ("completed", "failed")
    for what in ("wider", "violations", "faults"):
        assert told[what] == [], what
