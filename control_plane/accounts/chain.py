"""Links of the audit trail: what makes a change of an entry show. Pure.

Each entry of a project is linked to the one before by an HMAC under a key that the database does not hold. The head
says how far the chain goes, so that a tail that is missing shows as well.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from control_plane.secrets.box import SecretKeys
from control_plane.secrets.macs import Macs

FIRST: Final = b"\x00" * 32
"""What the first entry is linked to."""


class Entry(Protocol):
    """A row of the trail."""

    id: int
    project_id: int
    key_id: str
    action: str
    target: dict[str, Any]
    status: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as it was linked: the `seq`-th of its project."""

    entry_id: int
    seq: int
    mac: bytes


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was: `changed`, `missing`, `unlinked`, `moved`, or of the head `cut`."""

    entry_id: int | None
    kind: str


def audit_macs(secret_keys: SecretKeys) -> Macs:
    """What links and verifies, of `PARLEY_SECRET_KEY` and the former ones."""
    return Macs(secret_keys, "parley audit chain v1")


def of_link(before: bytes, seq: int, entry: Entry) -> bytes:
    """What is signed of an entry and the one before."""
    row = [seq, entry.id, entry.project_id, entry.key_id, entry.action, entry.target, entry.status, _instant(entry.at)]
    text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return b"link\x00" + before + text.encode("utf-8", "surrogatepass")


def of_head(project_id: int, last: Link) -> bytes:
    """What is signed to say that a project's chain goes so far."""
    return f"head\x00{project_id}\x00{last.seq}\x00{last.entry_id}\x00".encode() + last.mac


def compare(macs: Macs, before: Link, rows: Iterable[tuple[Entry | None, Link | None]]) -> Iterator[Problem | Link]:
    """The problems of rows that follow `before`, in the order of `seq`, and each link that there is."""
    for entry, linked in rows:
        if linked is None:
            yield Problem(entry.id if entry else None, "unlinked")
            continue
        if linked.seq != before.seq + 1 or linked.entry_id <= before.entry_id:
            yield Problem(linked.entry_id, "moved")
        if entry is None:
            yield Problem(linked.entry_id, "missing")
        elif not macs.verify(of_link(before.mac, linked.seq, entry), linked.mac.hex()):
            yield Problem(linked.entry_id, "changed")
        before = linked
        yield linked


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
