"""Which cores processes have, and how much of a core is used, by whomever."""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.platform import TICKS, cpu_seconds


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:  # it has just ended
        return []


def bind(pids: Sequence[int], cores: Collection[int]) -> None:
    """Have processes, all their threads, run on these cores alone; what they start from now on does as well."""
    for pid in pids:
        for thread in _threads(pid):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread, cores)


def strays(pids: Sequence[int], cores: Collection[int]) -> list[int]:
    """Processes with a thread that may run elsewhere."""
    return [pid for pid in pids if not all(_is_bound(thread, cores) for thread in _threads(pid))]


def _is_bound(thread: int, cores: Collection[int]) -> bool:
    try:
        return os.sched_getaffinity(thread) <= set(cores)
    except ProcessLookupError:
        return True


@contextmanager
def begun_on(core: int) -> Iterator[None]:
    """What this thread starts meanwhile begins on a core, and stays there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        bind([os.getpid()], before)  # and our own threads that were begun meanwhile


def busy_seconds(cores: Collection[int]) -> float:
    """Processor time that was used of these cores, by whomever (proc(5), `stat`)."""
    used = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *numbers = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            user, nice, system, _idle, _wait, *more = map(int, numbers)
            used += user + nice + system + sum(more[:3])
    return used / TICKS


def tree(pid: int) -> list[int]:
    """A process and all that came of it and are not orphaned."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def used_by(pids: Sequence[int]) -> dict[int, float]:
    """Processor time of each process that is still there."""
    found: dict[int, float] = {}
    for pid in pids:
        with suppress(OSError):
            found[pid] = cpu_seconds(pid)
    return found


def spent(before: dict[int, float], after: dict[int, float]) -> float:
    """What processes have used between two looks; of one that has ended meanwhile nothing is known."""
    return sum(used - before.get(pid, 0.0) for pid, used in after.items())
