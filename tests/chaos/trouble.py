"""Does what the plan says to a running stack, and undoes it."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.chaos.links import DistantLink
from tests.chaos.plan import Fault
from tests.chaos.stack import LINKS, OUTSIDE, ChaosStack, spool_of

BEAT: Final = 0.15
"""Seconds that a starved process runs; it stands still twice as long."""
RESET_EVERY: Final = 0.7
SLOW: Final = (0.25, 0.25)
"""Seconds that each piece is late: at least, and by chance besides."""
DISK: Final = "16m"
"""A worker's spool."""


@dataclass
class Done:
    """A fault as it was: what it hit, and from when to when, in Unix seconds. `skipped`: why it was not done."""

    fault: Fault
    began: float
    ended: float = 0.0
    hit: str = ""
    skipped: str = ""


@dataclass
class Trouble:
    """Runs the faults of a plan, each for its time. `announce` is told of each."""

    stack: ChaosStack
    announce: Callable[[str], None]
    done: list[Done] = field(default_factory=list)
    _stopped: set[int] = field(default_factory=set)
    _full: set[Path] = field(default_factory=set)
    _disks: set[Path] = field(default_factory=set)

    async def run(self, plan: Sequence[Fault]) -> None:
        """The whole plan; nothing of it is left when this returns."""
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.TaskGroup() as running:
                for fault in plan:
                    await asyncio.sleep(max(0.0, began + fault.at - asyncio.get_running_loop().time()))
                    running.create_task(self._do(fault))
        finally:
            await self.heal()

    async def heal(self) -> None:
        """Nothing is wrong any more, as far as this did it; processes may still be starting."""
        for pid in list(self._stopped):
            self._go_on(pid)
        for link in self.stack.links.values():
            await link.heal()
        for path in list(self._full):
            self._empty(path)

    def mount(self, worker: str) -> str:
        """Give a worker's spool a small disk of its own, before it starts; why not, where that cannot be."""
        folder = spool_of(self.stack, worker)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "parley-chaos", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            return made.stderr.strip() or "mount failed"
        self._disks.add(folder)
        return ""

    def unmount(self) -> None:
        """Take the disks away again."""
        for folder in self._disks:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
        self._disks.clear()

    async def _do(self, fault: Fault) -> None:
        done = Done(fault, time.time())
        self.done.append(done)
        try:
            work = self._link(fault, done) if fault.part in LINKS and fault.part not in self.stack.stack.pids else None
            await (work or self._process(fault, done))
        except (LookupError, ProcessLookupError, OSError) as error:
            done.skipped = done.skipped or str(error) or type(error).__name__
        done.ended = time.time()
        said = f"{done.hit or fault.part}" + (f" ({done.skipped})" if done.skipped else "")
        self.announce(f"#{fault.number} {fault.kind} {said}, {done.ended - done.began:.1f} s")

    async def _process(self, fault: Fault, done: Done) -> None:
        part = fault.part
        if there := self.stack.named(part):
            part = there[fault.choice % len(there)]
        if part == "persona":
            session, pid = self._persona(fault)
            done.hit = f"persona of session {session}, pid {pid}"
            pids = [pid]
        else:
            done.hit, pids = part, self.stack.processes(part)
        if not pids:
            raise LookupError(f"{part} is not there")
        doing: Coroutine[Any, Any, None]
        match fault.kind:
            case "kill":
                os.kill(pids[0], signal.SIGKILL)
                return
            case "stop":
                os.kill(pids[0], signal.SIGTERM)
                return
            case "away":
                doing = self._away(part, pids[0], fault.seconds)
            case "freeze":
                doing = self._freeze(pids, fault.seconds)
            case "starve":
                doing = self._starve(part, fault.seconds)
            case "full":
                doing = self._fill(spool_of(self.stack, part), fault.seconds)
            case _:
                raise LookupError(f"{fault.kind} is nothing that happens to a process")
        await doing

    def _persona(self, fault: Fault) -> tuple[int, int]:
        there = self.stack.personas()
        if not there:
            raise LookupError("no persona is there")
        return there[fault.choice % len(there)]

    async def _away(self, part: str, pid: int, seconds: float) -> None:
        links = [link for name, link in self.stack.links.items() if LINKS[name] == part]
        for link in links:
            await link.refuse()
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(seconds)
        for link in links:
            await link.heal()

    async def _freeze(self, pids: Sequence[int], seconds: float) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self._stopped.add(pid)
        try:
            await asyncio.sleep(seconds)
        finally:
            for pid in pids:
                self._go_on(pid)

    def _go_on(self, pid: int) -> None:
        self._stopped.discard(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    async def _starve(self, part: str, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await self._freeze(self.stack.processes(part), 2 * BEAT)
            await asyncio.sleep(BEAT)

    async def _fill(self, folder: Path, seconds: float) -> None:
        if folder not in self._disks:
            raise LookupError("its spool has no disk of its own")
        filler = folder / "filler"
        with suppress(OSError), filler.open("wb") as file:
            self._full.add(filler)
            while True:
                file.write(bytes(2**16))
                file.flush()
        await asyncio.sleep(seconds)
        self._empty(filler)

    def _empty(self, filler: Path) -> None:
        filler.unlink(missing_ok=True)
        self._full.discard(filler)

    async def _link(self, fault: Fault, done: Done) -> None:
        link, done.hit = self.stack.links[fault.part], fault.part
        match fault.kind:
            case "away" if fault.part in OUTSIDE:
                await link.refuse()
                await asyncio.sleep(fault.seconds)
            case "slow":
                link.slow(latency=SLOW[0], jitter=SLOW[1])
                await asyncio.sleep(fault.seconds)
            case "blackhole":
                link.blackhole()
                await asyncio.sleep(fault.seconds)
            case "reset":
                await self._reset(link, fault.seconds)
            case "half":
                link.half_close("up" if fault.choice % 2 else "down")
            case _:
                raise LookupError(f"{fault.kind} is nothing that happens to a link")
        await link.heal()

    async def _reset(self, link: DistantLink, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            link.reset()
            await asyncio.sleep(RESET_EVERY)
