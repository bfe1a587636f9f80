"""`python -m bench kills [--processes N] [--workers N] [--planes N]`: how soon a caller hears a persona again.

Its process, or its worker beside another one, is killed at a random moment of the call. Counts what is there twice.
Where the control plane is killed the call must not notice; counted are the lines lost, doubled and out of order.
"""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.call import RESULTS, a_platform
from bench.first_call import median, percentile
from parley.client import Ready
from parley.demo.caller import MICROPHONE_RATE, Caller, CallFailed
from parley.demo.platform import Platform
from parley.demo.script import Question, load_questions
from parley.demo.voice import Voice

KEPT: Final = RESULTS / "kills.json"
A_CALL: Final = 3
"""Kills of one call: as many as a conversation outlives."""
AT_ONCE: Final = 2
"""Calls at once whose processes are killed."""
WITHIN: Final = 60.0
"""Seconds after which a caller is taken for lost."""
TURN: Final = 5.0
"""Seconds of a question and its answer, in which the moment of a kill falls."""
GOALS: Final = {"process": "p50 ≤ 2, p95 ≤ 4", "worker": "p50 ≤ 3"}

LINES_WITHIN: Final = 30.0
"""Seconds after a call for its lines to be written."""

Kill = Callable[[int], Awaitable[None]]
"""Ends what holds the persona of a session."""


@dataclass
class Found:
    """What became of the kills of one kind."""

    again_s: list[float] = field(default_factory=list)
    """Seconds from each kill to the first sound of the next persona."""
    lost: int = 0
    """Callers who heard none."""
    twice: int = 0
    """Sessions and lines that are there twice."""


@dataclass
class Workers:
    """The platform's worker, which it starts again, and a second one of ours."""

    ready: Ready
    folder: Path
    second: subprocess.Popen[bytes] | None = None

    def holder(self, session_id: int) -> tuple[int, bool]:
        """The process that holds a session's persona, and whether it is the second worker's."""
        for log, is_second in ((Path(self.ready.log_dir) / "worker.log", False), (self.folder / "worker.log", True)):
            text = log.read_text() if log.exists() else ""
            claims = map(json.loads, re.findall(r"^\{.*\"job claimed\".*\}$", text, re.MULTILINE))
            pids = [claim["pid"] for claim in claims if claim["session"] == session_id]
            if pids and Path(f"/proc/{pids[-1]}").exists():
                return pids[-1], is_second
        raise LookupError(f"nobody holds session {session_id}")

    async def kill_process(self, session_id: int) -> None:
        """End the process of a persona."""
        os.kill(self.holder(session_id)[0], signal.SIGKILL)

    async def kill_worker(self, session_id: int) -> None:
        """End the worker whose process that is."""
        _, is_second = self.holder(session_id)
        if is_second and self.second is not None:
            self.second.kill()
            self.second.wait()
        else:
            os.kill(self._own(), signal.SIGKILL)

    async def kill_plane(self, before: int) -> int:
        """End the control plane, once it is another one than the one before; its process."""
        async with asyncio.timeout(WITHIN):
            while (pid := self._pid("control_plane")) in (before, None):
                await asyncio.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        return pid

    async def make_two(self) -> None:
        """Until two workers are there, of which ours is started if need be."""
        if self.second is None or self.second.poll() is not None:
            self.second = self._start(Path(f"/proc/{self._own()}/environ").read_bytes().decode())
        headers, url = {"X-API-Key": self.ready.admin_key or ""}, f"{self.ready.api_url}/api/v1"
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=15) as http:
            async with asyncio.timeout(WITHIN):
                while (await http.get("/admin/health")).json()["parts"]["workers"]["here"] < 2:
                    await asyncio.sleep(0.2)

    def _own(self) -> int:
        pid = self._pid("worker")
        assert pid is not None, "only the control plane and second workers are killed"
        return pid

    def _pid(self, process: str) -> int | None:
        """That of a process of the platform; None while it is started again."""
        pid: int | None = json.loads(self.ready.file.read_text())["pids"][process]
        return pid

    def _start(self, environ: str) -> subprocess.Popen[bytes]:
        environment = dict(pair.split("=", 1) for pair in environ.split("\0") if "=" in pair)
        spool = self.folder / "spool"
        spool.mkdir(exist_ok=True)
        environment |= {"PARLEY_SPOOL_DIR": str(spool), "PARLEY_READY_FILE": str(self.folder / "ready")}
        with (self.folder / "worker.log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "agents"], env=environment, stdout=log, stderr=log)


@contextmanager
def workers_of(ready: Ready) -> Iterator[Workers]:
    """The workers of a platform; ours goes with the block."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        workers = Workers(ready, Path(folder))
        try:
            yield workers
        finally:
            if workers.second is not None:
                workers.second.terminate()
                workers.second.wait(60)


async def call(ready: Ready, voice: Voice, questions: list[Question], kill: Kill, count: int, found: Found) -> None:
    """One call, with so many kills."""
    async with Platform(ready) as platform:
        room = f"kills-{uuid.uuid4().hex[:8]}"
        token = await platform.token(identity="caller", room=room, agent_id=ready.agent_id)
        async with Caller(token.wsUrl, token.token, voice) as caller:
            await caller.hear_greeting(timeout=WITHIN)
            session_id = await platform.session_of(token.room)
            assert session_id is not None
            for number in range(count):
                asking = asyncio.create_task(caller.ask(questions[number % len(questions)].ask, timeout=WITHIN))
                await asyncio.sleep(random.uniform(0.0, TURN))
                heard, killed_at = set(caller.voices), time.time()
                await kill(session_id)
                new = await _next_voice(caller, heard)
                with suppress(CallFailed):
                    await asking
                if new is None:
                    found.lost += 1
                    return
                found.again_s.append(max(0.0, new - killed_at))
                await caller.wait_for_quiet()
    await asyncio.to_thread(_count_doubles, ready, room, found)


@dataclass
class Kept:
    """What became of the lines of calls whose control plane was killed."""

    kills: int = 0
    calls: int = 0
    lines: int = 0
    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    """Calls whose lines are not in the order in which they were said."""
    failed: int = 0
    """Calls that a caller heard fail."""


async def call_without_planes(
    ready: Ready, voice: Voice, questions: list[Question], staff: Workers, kept: Kept
) -> None:
    """One call; at a random moment of each question and its answer the control plane is killed."""
    async with Platform(ready) as platform:
        room, before = f"kills-{uuid.uuid4().hex[:8]}", 0
        token = await platform.token(identity="caller", room=room, agent_id=ready.agent_id)
        kept.calls += 1
        try:
            async with Caller(token.wsUrl, token.token, voice) as caller:
                await caller.hear_greeting(timeout=WITHIN)
                for question in questions:
                    asking = asyncio.create_task(caller.ask(question.ask, timeout=WITHIN))
                    await asyncio.sleep(random.uniform(0.0, TURN))
                    before = await staff.kill_plane(before)
                    kept.kills += 1
                    await asking
                    await caller.wait_for_quiet()
        except CallFailed:
            kept.failed += 1
            return
    await asyncio.to_thread(_count_lines, ready, room, 1 + len(questions), kept)


def _count_lines(ready: Ready, room: str, answers: int, kept: Kept) -> None:
    """A greeting and an answer to each question are the persona's lines."""
    headers = {"X-API-Key": ready.api_key}
    transport = httpx2.HTTPTransport(retries=10)  # the control plane is on its way back
    with httpx2.Client(base_url=f"{ready.api_url}/api/v1", headers=headers, timeout=15, transport=transport) as http:
        deadline = time.monotonic() + LINES_WITHIN
        lines: list[dict[str, Any]] = []
        while time.monotonic() < deadline:
            with suppress(httpx2.HTTPError, KeyError):
                newest = http.get("/sessions?per_page=20").json()["sessions"]
                session = next(each for each in newest if each["room_name"].endswith(room))
                lines = http.get(f"/sessions/{session['id']}/transcript").json()["transcripts"]
                if session["status"] == "completed":
                    break
            time.sleep(0.2)
    spoken = [line["content"] for line in lines if line["speaker"] == "agent"]
    times = [line["timestamp_ms"] for line in lines]
    kept.lines += len(lines)
    kept.lost += max(0, answers - len(set(spoken)))
    kept.doubled += len(spoken) - len(set(spoken))
    kept.disordered += times != sorted(times)


async def _next_voice(caller: Caller, heard: set[str]) -> float | None:
    with suppress(TimeoutError):
        async with asyncio.timeout(WITHIN):
            while not (new := [at for sid, at in caller.voices.items() if sid not in heard]):
                await asyncio.sleep(0.01)
            return new[0]
    return None


def _count_doubles(ready: Ready, room: str, found: Found) -> None:
    headers = {"X-API-Key": ready.api_key}
    with httpx2.Client(base_url=f"{ready.api_url}/api/v1", headers=headers, timeout=15) as http:
        newest = http.get("/sessions?per_page=20").json()["sessions"]
        sessions = [each["id"] for each in newest if each["room_name"].endswith(room)]
        lines = http.get(f"/sessions/{sessions[0]}/transcript").json()["transcripts"]
    keys = [(line["speaker"], line["content"], line["timestamp_ms"]) for line in lines]
    found.twice += len(sessions) - 1 + len(keys) - len(set(keys))


async def measure(
    ready: Ready, found: dict[str, Found], kept: Kept, *, processes: int, workers: int, planes: int
) -> None:
    """Kill processes of personas, then workers beside another one, then control planes."""
    voice, questions = Voice(MICROPHONE_RATE), load_questions(A_CALL)
    await voice.warm()
    try:
        for question in questions:
            await voice.phrase(question.ask)
        with workers_of(ready) as staff, Progress() as progress:
            shown = progress.add_task("kills", total=processes + workers + planes)
            calls = [min(A_CALL, processes - done) for done in range(0, processes, A_CALL)]

            async def caller() -> None:
                while calls:
                    count = calls.pop()
                    await call(ready, voice, questions, staff.kill_process, count, found["process"])
                    progress.advance(shown, count)

            await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
            for _ in range(workers):
                await staff.make_two()
                await call(ready, voice, questions, staff.kill_worker, 1, found["worker"])
                progress.advance(shown)
            while (left := planes - kept.kills) > 0:
                await call_without_planes(ready, voice, questions[:left], staff, kept)
                progress.update(shown, completed=processes + workers + kept.kills)
    finally:
        voice.close()


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench kills", description=__doc__)
    parser.add_argument("--processes", type=int, default=200, help="kills of a persona's process")
    parser.add_argument("--workers", type=int, default=50, help="kills of a worker beside another one")
    parser.add_argument("--planes", type=int, default=50, help="kills of the control plane")
    parser.add_argument("--ready", default="", help="measure a running platform (default: start one)")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    found, kept = {"process": Found(), "worker": Found()}, Kept()
    kills = {"processes": arguments.processes, "workers": arguments.workers, "planes": arguments.planes}
    try:
        with a_platform(arguments.ready) as ready:
            asyncio.run(measure(ready, found, kept, **kills))
    finally:
        _report(found, kept, load)  # of what there was until then, too


def _report(found: dict[str, Found], kept: Kept, load: float) -> None:
    table = Table(title=f"Killed in mid-call, heard again, in seconds; load at the start: {load:.2f}")
    for heading in ("killed", "n", "p50", "p95", "most", "should be", "lost", "twice"):
        table.add_column(heading)
    for kind, one in found.items():
        if one.again_s:
            figures = (median(one.again_s), percentile(one.again_s, 0.95), max(one.again_s))
            shown = (f"{value:.2f}" for value in figures)
            table.add_row(kind, str(len(one.again_s)), *shown, GOALS[kind], str(one.lost), str(one.twice))
    Console(width=110).print(table)
    if kept.kills:
        lines = f"{kept.lost} lost, {kept.doubled} doubled, {kept.disordered} calls out of order, {kept.failed} failed"
        Console(width=110).print(
            f"{kept.kills} control planes killed in {kept.calls} calls: {kept.lines} lines, {lines}"
        )
    at = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "cores": os.cpu_count(), "load": load}
    taken: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    taken |= {kind: at | vars(one) for kind, one in found.items() if one.again_s}
    taken |= {"control plane": at | vars(kept)} if kept.kills else {}
    KEPT.write_text(json.dumps(taken, indent=1) + "\n")
