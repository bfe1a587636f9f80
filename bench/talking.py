"""Conversations as a worker tells of them: its spool, its uplink, and the words of some calls at once.

What a call reports goes the way of a real one, from the job over its socket to the main process, to disk and up;
only the sound is missing.
"""

import asyncio
import itertools
import random
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import httpx2

from agents.audience import PersonaStated
from agents.calling import PersonaJob
from agents.contract import LineInterim, LineSpoken, TurnMeasured, timestamp_ms
from agents.desk import JobDesk
from agents.reporter import Reporter
from agents.spool import Spool
from agents.timing import moment
from agents.uplink import Uplink
from bench.platform import KEY, SECRET_KEY
from control_plane.sessions.capability import ReportSigner

CALLS: Final = 20
"""At once, of which one is looked at."""
WATCHED: Final = "talk0"
HURRY: Final = 4
"""The call that is looked at goes on so many times as fast, so that a minute has enough of its lines."""
QUESTION: Final = "How long is the warranty on a repair of the gears of my bicycle?"
ANSWER: Final = "Every repair has a warranty of six months, and that of a gear hub has one of two years."
WORDS_EVERY: Final = 0.4
"""Seconds between interim versions of a line."""


@dataclass
class Told:
    """When the worker knew of each line, seconds since 1970, by the mark that the line carries."""

    final: dict[str, float] = field(default_factory=dict)
    interim: dict[str, float] = field(default_factory=dict)


class Talk:
    """One call, whose lines carry marks such as `<f12>` (final) and `<i13>`."""

    _marks = itertools.count(1)

    def __init__(self, reporter: Reporter, *, hurry: float, told: Told | None) -> None:
        self.reporter, self.hurry, self.told = reporter, hurry, told
        self.job = reporter.job
        self._dice = random.Random(self.job.session_id)  # calls that are not in step

    async def run(self) -> None:
        """Question and answer, until cancelled."""
        await self._wait(self._dice.uniform(0, 8))
        while True:
            await self._line("user", QUESTION)
            self._state("thinking")
            await self._wait(0.8)
            self._state("speaking")
            now = time.time()
            self.reporter.report(
                TurnMeasured(
                    at=moment(now), speech_ended_at=moment(now - 0.8), audio_started_at=moment(now), model_ms=800
                )
            )
            await self._line("agent", ANSWER)
            self._state("listening")
            await self._wait(self._dice.uniform(0.5, 2))

    async def _line(self, speaker: Literal["agent", "user"], text: str) -> None:
        words, began = text.split(), time.time()
        since = timestamp_ms(self.job.started_at, moment(began))
        for known in range(3, len(words), 3):
            mark, now = f"<i{next(self._marks)}>", time.time()
            self.reporter.report(
                LineInterim(
                    at=moment(now),
                    room_name=self.job.room_name,
                    speaker=speaker,
                    text=" ".join([*words[:known], mark]),
                    timestamp_ms=since,
                )
            )
            if self.told is not None:
                self.told.interim[mark] = now
            await self._wait(WORDS_EVERY)
        mark, now = f"<f{next(self._marks)}>", time.time()
        self.reporter.report(
            LineSpoken(
                at=moment(now),
                speaker=speaker,
                text=f"{text} {mark}",
                timestamp_ms=since,
                duration_ms=round(1000 * (now - began)),
            )
        )
        if self.told is not None:
            self.told.final[mark] = now

    def _state(self, state: Literal["listening", "thinking", "speaking"]) -> None:
        self.reporter.report(PersonaStated(at=moment(time.time()), room_name=self.job.room_name, state=state))

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._dice.uniform(0.7, 1.3) / self.hurry)


async def open_calls(url: str) -> list[PersonaJob]:
    """Sessions that run, in rooms of their own; the first is the one that is looked at."""
    signer, jobs = ReportSigner(SECRET_KEY), []
    async with httpx2.AsyncClient(base_url=f"{url}/api/v1", headers={"X-API-Key": KEY}, timeout=30) as client:
        for number in range(CALLS):
            answer = (await client.post("/sessions", json={"room_name": f"talk{number}"})).raise_for_status()
            session = answer.json()["session"]
            job = PersonaJob(
                session_id=session["id"],
                epoch=1,
                project_id=1,
                persona_id=1,
                persona_name="Robin",
                room_name=f"proj_talk{number}",
                identity="agent-1",
                capability=signer.sign(1, session["id"], 1),
                instructions="",
                started_at=session["created_at"],
            )
            jobs.append(job)
    return jobs


async def talk(url: str, token: str, jobs: list[PersonaJob], seconds: float) -> Told:
    """Have all calls go on for so long; what was said in the one that is looked at."""
    told, by_id = Told(), {str(job.session_id): job for job in jobs}
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        spool, connected = Spool(Path(folder) / "spool"), asyncio.Event()
        uplink = Uplink(
            url,
            token,
            spool,
            worker_id="talking",
            capacity=CALLS,
            calls=list,
            on_command=lambda _: None,
            on_connected=connected.set,
        )

        async def fetch(job_id: str) -> PersonaJob:
            return by_id[job_id]

        desk = JobDesk(spool, fetch=fetch, submit=uplink.submit, ask=uplink.ask, on_report=lambda *_: None)
        socket = Path(folder) / "jobs.sock"
        await desk.open(socket)
        line = asyncio.create_task(uplink.run())
        try:
            async with asyncio.timeout(30):
                await connected.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                    for number, job_id in enumerate(by_id):
                        tasks.create_task(_call(socket, job_id, told if number == 0 else None))
            await spool.wait_until_acknowledged()
        finally:
            line.cancel()
            await asyncio.gather(line, return_exceptions=True)
            await desk.close()
            spool.close()
    return told


async def _call(socket: Path, job_id: str, told: Told | None) -> None:
    reporter = await Reporter.claim(socket, job_id, timeout=10)
    async with reporter:
        await Talk(reporter, hurry=HURRY if told is not None else 1, told=told).run()
