"""Questions to the kernel about processes: who is alive, who belongs to whom, and ending them for certain."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
# Positions in /proc/PID/stat, counted after the closing parenthesis of the command name.
_STATE, _SESSION, _START_TIME = 0, 3, 19
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class ProcessInfo:
    """One line of the process table. `started` (clock ticks since boot) tells apart two users of one pid."""

    pid: int
    session: int
    started: int


def describe(pid: int) -> ProcessInfo | None:
    """Return the process, or None when it does not exist or is only waiting to be reaped."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    if fields[_STATE] in {"Z", "X"}:
        return None
    return ProcessInfo(pid=pid, session=int(fields[_SESSION]), started=int(fields[_START_TIME]))


def all_processes() -> Iterator[ProcessInfo]:
    """Yield every living process that can be seen."""
    for entry in os.listdir(_PROC):
        if entry.isdigit() and (info := describe(int(entry))) is not None:
            yield info


def session_members(session: int, *, since: int = 0) -> list[ProcessInfo]:
    """Return the living processes of a session that started no earlier than `since`."""
    return [info for info in all_processes() if info.session == session and info.started >= since]


def working_in(directory: Path) -> list[int]:
    """Return the pids of processes whose working directory is `directory`."""
    wanted = os.path.realpath(directory)
    found = []
    for info in all_processes():
        try:
            if os.readlink(_PROC / str(info.pid) / "cwd") == wanted:
                found.append(info.pid)
        except OSError:
            continue
    return found


def boot_id() -> str:
    """Name this boot of the machine: pids and start times mean nothing beyond it."""
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that is gone already is fine."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def kill_session(session: int, *, since: int = 0) -> list[int]:
    """Send SIGKILL to everyone in a session; return whom it was sent to."""
    pids = [info.pid for info in session_members(session, since=since)]
    for pid in pids:
        send(pid, signal.SIGKILL)
    return pids


def wait_until_gone(pids: Iterable[int], *, timeout: float) -> bool:
    """Block until none of `pids` is alive; False when some still is after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    remaining = set(pids)
    while remaining := {pid for pid in remaining if describe(pid) is not None}:
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
