"""What was measured of a chaos run."""

import json
from pathlib import Path

import httpx2
import pytest
from rich.console import Console

from tests.chaos.callers import Call, Said, TextCaller, room_in
from tests.chaos.invariants import Violation
from tests.chaos.plan import Fault
from tests.chaos.report import Outcome, excerpt, keep, longest_silence, recoveries, show
from tests.chaos.trouble import Done

pytestmark = pytest.mark.anyio


async def caller(*answers: tuple[float, float | None]) -> TextCaller:
    """Who said something at each first moment, and was answered at the second."""
    async with httpx2.AsyncClient() as http:
        made = TextCaller("text-1", 1, http, "", "")
    made.calls = [Call("text-1.1", "proj_room", 0.0, 100.0, "hung up")]
    made.calls[0].said = [Said(f"line {number}", *times) for number, times in enumerate(answers)]
    return made


async def test_a_recovery_lasts_until_what_was_said_after_the_fault_is_answered() -> None:
    one = await caller((1, 2), (5, 21), (12, None), (20, 22), (30, 31))
    killed = Done(Fault(0, 10, "kill", "worker", 0, 0), 10.0, 10.0, "worker")
    frozen = Done(Fault(1, 10, "freeze", "jobs", 8, 0), 10.0, 18.0, "jobs")
    skipped = Done(Fault(2, 10, "full", "worker", 8, 0), 10.0, 10.0, "worker", "no disk")
    found = recoveries([killed, frozen, skipped], [one])
    assert found["kill worker"].from_beginning == [12.0]
    assert (found["freeze jobs"].from_beginning, found["freeze jobs"].from_end) == ([12.0], [4.0])
    assert (found["full worker"].times, found["full worker"].skipped) == (0, 1)
    assert longest_silence(one) == 19.0


async def test_a_report_names_each_broken_rule_with_its_call_and_its_log(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text('{"event": "job claimed", "session": 5, "pid": 1}\n{"session": 51}\n')
    violation = Violation("no line lost", "“line 1” is not there", "text-1.1", 5)
    violation.log = excerpt(tmp_path, violation.session, violation.call)
    assert violation.log == ['worker: {"event": "job claimed", "session": 5, "pid": 1}']
    done = Done(Fault(0, 10, "kill", "worker", 0, 0), 10.0, 10.0, "worker")
    outcome = Outcome(3, 1.0, 0.0, [done], [await caller((11, 12))], [violation])
    console = Console(record=True, width=120)
    show(console, outcome)
    shown = console.export_text()
    for words in ("kill worker", "no line lost", "text-1.1", "session 5", "job claimed", "2.0"):
        assert words in shown
    keep(tmp_path / "out.json", outcome)
    kept = json.loads((tmp_path / "out.json").read_text())
    assert kept["recovery_s"]["kill worker"]["from_beginning"] == [2.0]
    assert kept["violations"][0]["call"] == "text-1.1"


async def test_a_token_tells_its_room() -> None:
    assert room_in("head.eyJ2aWRlbyI6IHsicm9vbSI6ICJwcm9qX3gifX0.signature") == "proj_x"
