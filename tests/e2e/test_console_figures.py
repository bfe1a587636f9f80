"""The console's pages of figures in Chromium: the overview, usage and cost, the audit log."""

import asyncio
import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from control_plane.clock import Clock
from control_plane.gate.models import AuditEntry
from control_plane.metering.ledger import record
from control_plane.metering.models import UsageEntry
from control_plane.sessions.models import Session, Turn
from tests.support.platform import Platform, Tenant

pytestmark = [pytest.mark.anyio, pytest.mark.page, pytest.mark.timeout(240)]

CHECKOUT = Path(__file__).parents[2]
DAYS = 30
WORK: tuple[dict[str, Any], ...] = (
    {"service": "llm", "provider": "api.openai.com", "model": "gpt-4o", "input_tokens": 40_000, "output_tokens": 3_000},
    {"service": "llm", "provider": "api.openai.com", "model": "gpt-4o-mini", "input_tokens": 90_000},
    {"service": "stt", "provider": "deepgram", "model": "nova-3", "audio_seconds": 900.0},
    {"service": "tts", "provider": "elevenlabs", "model": "eleven_flash_v2_5", "characters": 4_000},
)


def held(day: int) -> tuple[int, int]:
    """How many conversations a day that long ago had, and how many of them failed."""
    return 4 + (day * 7) % 5, 1 if day % 3 == 0 else 0


async def fill(platform: Platform, tenant: Tenant, now: datetime) -> None:
    """A month of conversations, what they cost, and a long trail."""
    agents = [await tenant.make_agent(name=name) for name in ("Reception", "Sales")]
    sessions: list[Session] = []
    for day in reversed(range(DAYS)):
        many, failed = held(day)
        for number in reversed(range(many)):
            at = now - timedelta(days=day, minutes=30 + number)
            is_failed = number < failed
            sessions.append(
                Session(
                    project_id=tenant.project.id,
                    room_name=f"proj_call-{day}-{number}",
                    persona_id=agents[number % 2],
                    agent_name=("Reception", "Sales")[number % 2],
                    status="completed",
                    outcome="failed" if is_failed else "ok",
                    end_reason=("model_failed", "worker_lost")[day % 2] if is_failed else "caller_left",
                    duration=60 * (number + 1),
                    started_at=at,
                    ended_at=at + timedelta(minutes=number + 1),
                )
            )
    await platform.add(*sessions)
    rows: list[Any] = [
        answer(
            session, session.started_at, sequence, 600 + ((now - session.started_at).days * 97 + sequence * 211) % 900
        )
        for session in sessions
        for sequence in range(4)
    ]
    rows += [trace(tenant, now, "DELETE /agents/{agent_id}", {"agent_id": str(number)}) for number in range(3)]
    rows += [trace(tenant, now, "POST /rooms", {}) for _ in range(60)]
    await platform.add(*rows)
    async with platform.database.platform() as db:
        for day in range(DAYS):
            for number, work in enumerate(WORK):
                entry = UsageEntry(
                    project_id=tenant.project.id,
                    source=f"test:{day}:{number}",
                    persona_id=agents[number % 2],
                    requests=1 + day % 4,
                    at=now - timedelta(days=day, minutes=20),
                    **work,
                )
                await record(db, entry, clock=Clock())


def answer(session: Session, at: datetime, sequence: int, milliseconds: int) -> Turn:
    begun = at + timedelta(seconds=sequence)
    return Turn(
        project_id=session.project_id,
        session_id=session.id,
        epoch=1,
        sequence=sequence,
        speech_ended_at=begun - timedelta(milliseconds=milliseconds),
        audio_started_at=begun,
        created_at=begun,
    )


def trace(tenant: Tenant, now: datetime, action: str, target: dict[str, Any]) -> AuditEntry:
    at = now - timedelta(days=2)
    return AuditEntry(project_id=tenant.project.id, key_id="key_gone", action=action, target=target, status=200, at=at)


async def run(script: str, *arguments: str) -> None:
    """A script of `web/tests` to its end, while this process serves."""
    process = await asyncio.create_subprocess_exec(
        shutil.which("node") or "node",
        f"web/tests/{script}",
        *arguments,
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(200):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode()


@pytest.mark.parametrize(
    "look",
    [("--width", "1440", "--height", "900"), ("--width", "390", "--height", "844", "--dark")],
    ids=["desktop", "phone"],
)
async def test_a_person_sees_how_it_goes_what_it_costs_and_who_changed_it(
    platform: Platform, tmp_path: Path, look: tuple[str, ...]
) -> None:
    now = datetime.now(UTC)
    tenant, beginner = await platform.tenant(), await platform.tenant("beginner")
    await beginner.make_agent()
    await fill(platform, tenant, now)
    # A reader for whom it is about noon: the day does not end under the test.
    zone = f"Etc/GMT{now.hour - 12:+d}"
    result = tmp_path / "result.json"
    pictures = os.environ.get("PICTURES")
    kept = ("--screenshots", f"{pictures}/{look[1]}") if pictures else ()
    keys = ("--key", tenant.key, "--new-key", beginner.key)
    await run("overview.mjs", "--url", platform.url, *keys, "--json", str(result), "--zone", zone, *look, *kept)
    told = json.loads(result.read_text())

    assert told["steps"] == ["Make an agent (done)", "Talk to it", "Give it a number", "Put a button on your site"]
    assert (told["next"], told["stepped"]) == ("Call it", "/talk")

    many, failed = held(0)
    spent = (await tenant.http.get("/overview", params={"timezone": zone})).json()
    assert told["tiles"] == {
        "Calls now": "0",
        "Conversations today": str(many),
        "Minutes today": str(sum(range(1, many + 1))),
        "Cost today": f"${spent['today']['cost']:.2f}",
        "Failed today": str(failed),
        "Answers today": f"{spent['today']['p50_ms']} ms",
    }
    assert told["compared"][1].endswith(f"{held(1)[0]} yesterday by this time")
    assert told["range"] == "?range=7d"
    assert [(int(ok), int(bad)) for _, ok, bad in told["week"]] == [
        (held(day)[0] - held(day)[1], held(day)[1]) for day in reversed(range(7))
    ]
    assert told["reasons"] == ["Model failed", "Worker lost"]
    assert told["latency"][1:] != ["–", "–"]
    assert told["live"]
    assert told["failed"][0] == ["call-0-0", "Reception", "Model failed"]
    assert [why for *_, why in told["failed"][:3]] == ["Model failed", "Worker lost", "Model failed"]

    assert len(told["found"]) == 1
    assert "Worker lost" in told["found"][0]
    assert told["searched"] == "?outcome=failed&search=call-27"

    by_model = (await tenant.http.get("/usage", params={"group_by": "model"})).json()
    total = Decimal(str(by_model["totals"]["cost_usd"]))
    expected = sorted(
        ((row["cost"], f"{row['provider']}/{row['model']}") for row in by_model["breakdown"]), reverse=True
    )
    assert told["sum"] == f"${total:.2f}"
    assert [name for name, *_ in told["models"]] == [name for _, name in expected]
    assert [cost for _, cost, _ in told["models"]] == [f"${cost:.2f}" for cost, _ in expected]
    assert {name for name, _ in told["services"]} == {"Language model", "Recognition", "Speech"}
    month = (await tenant.http.get("/usage", params={"period": "month"})).json()["totals"]["cost_usd"]
    assert told["budget"] == f"${month:.2f} of $50.00"
    assert told["warned"].startswith("You are warned at $37.50.")

    project = tenant.project.id
    assert told["newest"] == [["test", f"PATCH/projects/{project}"]] * 2
    assert (told["first"].partition(" ")[0], told["deleted"], told["reopened"]) == ("50", 3, 3)
    shown, of = told["then"].split(" of ")
    assert shown == of
    assert told["narrowed"] == "?search=agents&kind=DELETE"
    assert "DELETE /agents/{agent_id}" in told["details"]
    assert "key_gone" in told["details"]
    assert (await tenant.http.get(f"/projects/{project}")).json()["project"]["budget"] is None
    assert told["wider"] == []
    assert told["faults"] == []
