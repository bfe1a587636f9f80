"""Owns the child processes: starts them, starts dead ones again, stops them in order, and says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from parley.stack.backoff import Backoff
from parley.stack.children import Child, RunningChild, describe_status
from parley.stack.errors import ChildFailed
from parley.stack.files import BoundedLog
from parley.stack.records import RunRecord

_TRIM_LOGS_EVERY = 30.0


class _Kept:
    """A child under supervision: its present process (None between two) and the task that keeps it alive."""

    def __init__(self, child: Child, log: BoundedLog) -> None:
        self.child = child
        self.log = log
        self.running: RunningChild | None = None
        self.keeper: asyncio.Task[None] | None = None


class Supervisor:
    """The children of one platform.

    `announce` is called with one sentence for the person at the console; `changed` whenever a pid changed.
    """

    def __init__(
        self,
        *,
        log_dir: Path,
        record: RunRecord,
        announce: Callable[[str], None],
        changed: Callable[[], None],
        make_backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        self._log_dir = log_dir
        self._record = record
        self._announce = announce
        self._changed = changed
        self._make_backoff = make_backoff
        self._kept: dict[str, _Kept] = {}
        self._trimmer: asyncio.Task[None] | None = None

    @property
    def pids(self) -> Mapping[str, int]:
        """The pids of the children that run."""
        return {name: kept.running.pid for name, kept in self._kept.items() if kept.running is not None}

    async def start(self, child: Child) -> None:
        """Start a child and wait until it answers; from then on it is kept alive.

        Raises `ChildFailed` when it ends first or does not answer in time; nothing of it is left then.
        """
        kept = self._kept[child.name] = _Kept(child, BoundedLog(self._log_dir / f"{child.name}.log"))
        self._trimmer = self._trimmer or asyncio.create_task(self._trim_logs(), name="trim logs")
        backoff = self._make_backoff()
        running = await self._spawn(kept, backoff)
        if not await running.becomes_ready():
            why = "it " + describe_status(running.status)
            if running.status is None:
                why = f"it did not answer within {child.start_within:.0f} s"
            await running.kill()
            self._gone(kept)
            raise ChildFailed(f"{child.name} did not start", why, child.mend, kept.log.tail())
        kept.keeper = asyncio.create_task(self._keep(kept, running, backoff), name=f"keep {child.name}")

    async def stop(self) -> None:
        """Stop all children, each after those that need it; returns when nothing of them is left."""
        if self._trimmer is not None:
            self._trimmer.cancel()
            self._trimmer = None
        stopped = {name: asyncio.Event() for name in self._kept}
        async with asyncio.TaskGroup() as group:
            for kept in self._kept.values():
                group.create_task(self._stop_when_unneeded(kept, stopped))
        self._kept.clear()
        self._record.clear()

    async def kill(self) -> None:
        """End all children at once, without the order that lets them finish their work."""
        running = [kept.running for kept in self._kept.values() if kept.running is not None]
        async with asyncio.TaskGroup() as group:
            for kept in self._kept.values():
                if kept.keeper is not None:
                    kept.keeper.cancel()
            for process in running:
                group.create_task(process.kill())
        self._kept.clear()
        self._record.clear()

    async def _spawn(self, kept: _Kept, backoff: Backoff) -> RunningChild:
        kept.running = await RunningChild.spawn(kept.child, kept.log)
        backoff.started()
        self._write_down(kept)
        return kept.running

    def _gone(self, kept: _Kept) -> None:
        kept.running = None
        self._write_down(kept)

    def _write_down(self, kept: _Kept) -> None:
        """Bring the files with the pids up to date. A full disk must not end the supervision."""
        name, running = kept.child.name, kept.running
        try:
            if running is None:
                self._record.remove(name)
            else:
                self._record.add(name, running.pid, running.started)
            self._changed()
        except OSError as error:
            self._announce(f"the pid of {name} could not be written down: {error}")

    async def _keep(self, kept: _Kept, running: RunningChild, backoff: Backoff) -> None:
        name = kept.child.name
        while True:
            await running.ended()
            how = describe_status(running.status)
            wait = backoff.died()
            if wait:
                self._announce(f"{name} {how}: starting it again in {wait:g} s (log: {kept.log.path})")
                self._gone(kept)
                await asyncio.sleep(wait)
            else:
                self._announce(f"{name} {how}: starting it again")
            running = await self._restart(kept, running, backoff)

    async def _restart(self, kept: _Kept, last: RunningChild, backoff: Backoff) -> RunningChild:
        """Spawn it again; when it answers, say so; when it does not in time, end it and leave it to the keeper."""
        name = kept.child.name
        began = time.monotonic()
        try:
            running = await self._spawn(kept, backoff)
        except Exception as error:  # whatever was in the way (no space, no memory) may be gone at the next try
            self._announce(f"{name} could not be started: {error}")
            self._gone(kept)
            return last
        if await running.becomes_ready():
            self._announce(f"{name} is back after {time.monotonic() - began:.1f} s")
        elif running.status is None:
            self._announce(f"{name} did not answer within {kept.child.start_within:.0f} s: ending it")
            await running.kill()
        return running

    async def _stop_when_unneeded(self, kept: _Kept, stopped: Mapping[str, asyncio.Event]) -> None:
        name = kept.child.name
        for other in self._kept.values():
            if name in (*other.child.after, *other.child.outlived_by):
                await stopped[other.child.name].wait()
        if kept.keeper is not None:
            kept.keeper.cancel()
            await asyncio.wait({kept.keeper})
        if kept.running is not None:
            await kept.running.stop()
            self._gone(kept)
        stopped[name].set()

    async def _trim_logs(self) -> None:
        while True:
            await asyncio.sleep(_TRIM_LOGS_EVERY)
            for kept in list(self._kept.values()):
                try:
                    await asyncio.to_thread(kept.log.trim)
                except OSError as error:
                    self._announce(f"{kept.log.path} could not be trimmed: {error}")
