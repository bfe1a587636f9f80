"""The pids of a running platform on disk, so that the next start can end what a killed one left behind."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

from parley.stack import processes
from parley.stack.files import write_whole


@dataclass(frozen=True)
class RecordedChild:
    """A child as it was when it was started. Pid and start time together name one process of one boot."""

    pid: int
    started: int


class RunRecord:
    """The file with the children of the platform that uses a data directory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._children: dict[str, RecordedChild] = {}

    def add(self, name: str, pid: int, started: int) -> None:
        """Note a child that was started, in place of an earlier one of that name."""
        self._children[name] = RecordedChild(pid, started)
        self._write()

    def remove(self, name: str) -> None:
        """Forget a child that has ended."""
        if self._children.pop(name, None) is not None:
            self._write()

    def clear(self) -> None:
        """Forget all: the platform was stopped and left nothing."""
        self._children.clear()
        self._path.unlink(missing_ok=True)

    def leftovers(self) -> dict[str, list[int]]:
        """Return what still runs of an earlier platform: the pids of each child's session.

        A pid that belongs to another process by now is not among them: the start time must be the recorded one,
        and a member of the session cannot be older than its leader.
        """
        found: dict[str, list[int]] = {}
        for name, child in self._read().items():
            leader = processes.describe(child.pid)
            if leader is not None and leader.started != child.started:
                continue
            members = processes.session_members(child.pid, since=child.started)
            if members:
                found[name] = [info.pid for info in members]
        return found

    def end_leftovers(self, *, polite_seconds: float = 5.0) -> dict[str, list[int]]:
        """End what an earlier platform left, with SIGINT first and SIGKILL after; return what was found. Blocks."""
        found = self.leftovers()
        pids = [pid for members in found.values() for pid in members]
        for pid in pids:
            processes.send(pid, signal.SIGINT)  # PostgreSQL's fast stop; an ordinary end for the others
        if not processes.wait_until_gone(pids, timeout=polite_seconds):
            for pid in pids:
                if processes.describe(pid) is not None:
                    processes.send(pid, signal.SIGKILL)
            processes.wait_until_gone(pids, timeout=5.0)
        self._path.unlink(missing_ok=True)
        return found

    def _read(self) -> dict[str, RecordedChild]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            if content["boot_id"] != processes.boot_id():
                return {}
            return {name: RecordedChild(**child) for name, child in content["children"].items()}
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return {}

    def _write(self) -> None:
        content = {
            "boot_id": processes.boot_id(),
            "children": {name: asdict(child) for name, child in self._children.items()},
        }
        write_whole(self._path, json.dumps(content) + "\n")
