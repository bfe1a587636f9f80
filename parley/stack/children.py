"""What a supervised child process is: its command, how to see that it answers, how it is stopped."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parley.stack import processes
from parley.stack.errors import ProgramMissing
from parley.stack.files import BoundedLog


def nothing_to_prepare() -> None:
    """Stand for the preparation of a child that needs none."""


@dataclass(frozen=True)
class Child:
    """One process that the supervisor starts, watches and stops.

    It starts when those it comes `after` are ready, and stops before them and before those it is `outlived_by`.
    `prepare` runs before every start, in a thread. `stop_signals` are sent to the process in turn, spread over
    `stop_within` seconds; what is left of its session after that is killed. `orphan_signal` is what the kernel
    sends it when the supervisor itself was killed. `setpriv` holds further options of that program: the child's
    user, for instance.
    """

    name: str
    command: Sequence[str]
    ready: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] = field(default_factory=dict)
    after: Sequence[str] = ()
    outlived_by: Sequence[str] = ()
    prepare: Callable[[], None] = nothing_to_prepare
    start_within: float = 30.0
    stop_within: float = 2.0
    stop_signals: Sequence[signal.Signals] = (signal.SIGTERM,)
    orphan_signal: signal.Signals = signal.SIGKILL
    setpriv: Sequence[str] = ()
    mend: str = "Look at its log; `parley doctor` tells what is missing on this machine"

    def arguments(self) -> list[str]:
        """Return the whole command line.

        The child is started through `setpriv`, which asks the kernel for the orphan signal after it changed the
        user (a change of user forgets it) and then becomes the child: no process in between, same pid.
        """
        number = self.orphan_signal.name.removeprefix("SIG")
        return [setpriv_program(), "--pdeathsig", number, *self.setpriv, "--", *self.command]


def setpriv_program() -> str:
    """Return where setpriv is."""
    found = shutil.which("setpriv") or shutil.which("setpriv", path="/usr/bin:/bin")
    if found is None:
        raise ProgramMissing(
            "setpriv is missing", "child processes are started through it", "Install the package util-linux"
        )
    return found


class RunningChild:
    """A child that was spawned: its process, until it ended and nothing of its session is left."""

    def __init__(self, child: Child, process: asyncio.subprocess.Process, log: BoundedLog) -> None:
        self.child = child
        self.log = log
        self._process = process
        self.pid = process.pid
        info = processes.describe(process.pid)
        self.started = info.started if info else 0

    @classmethod
    async def spawn(cls, child: Child, log: BoundedLog) -> RunningChild:
        """Start the process in a session of its own, its output appended to the log."""
        await asyncio.to_thread(child.prepare)
        output = log.open_for_child()
        try:
            process = await asyncio.create_subprocess_exec(
                *child.arguments(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(child.environment),
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(output)
        return cls(child, process, log)

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.returncode

    async def ended(self) -> None:
        """Wait until the process has ended, then end its descendants in the session, which have lost their owner."""
        await self._process.wait()
        await asyncio.to_thread(self._sweep)

    async def becomes_ready(self) -> bool:
        """Wait until it answers; False when it ended first or the time given to it is over."""
        exited = asyncio.create_task(self._process.wait())
        try:
            async with asyncio.timeout(self.child.start_within):
                while not exited.done():
                    if await self.child.ready():
                        return True
                    await asyncio.wait({exited}, timeout=0.05)
        except TimeoutError:
            return False
        finally:
            exited.cancel()
        return False

    async def stop(self) -> None:
        """End it: its stop signals in turn, then SIGKILL for everyone left in its session."""
        signals = self.child.stop_signals
        for number in signals:
            if self.status is not None:
                break
            processes.send(self.pid, number)
            try:
                async with asyncio.timeout(self.child.stop_within / len(signals)):
                    await self._process.wait()
            except TimeoutError:
                continue
        await self.kill()

    async def kill(self) -> None:
        """End it and its session at once."""
        if self.status is None:
            processes.send(self.pid, signal.SIGKILL)
        await self.ended()

    def _sweep(self) -> None:
        killed = processes.kill_session(self.pid, since=self.started)
        processes.wait_until_gone(killed, timeout=1.0)


def describe_status(status: int | None) -> str:
    """Say how a process ended, in words."""
    if status is None:
        return "still running"
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def ready_file_exists(path: Path) -> Callable[[], Awaitable[bool]]:
    """Make a readiness check for a process that writes a file once it is ready."""

    async def check() -> bool:
        return await asyncio.to_thread(path.exists)

    return check
