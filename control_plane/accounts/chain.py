"""Links of the audit trail: what makes a change of an entry show. Pure.

Each entry of a project is linked to the one before by an HMAC under a key that the database does not hold. The head
says how far the chain goes, so that a tail that is missing shows as well.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

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


def audit_keys(secret_keys: Sequence[str]) -> tuple[bytes, ...]:
    """The chain's keys, of `PARLEY_SECRET_KEY` and the former ones: the first links, each verifies."""
    about = b"parley audit chain v1"
    return tuple(hmac.digest(base64.b64decode(key, validate=True), about, "sha256") for key in secret_keys)


def link(key: bytes, before: bytes, seq: int, entry: Entry) -> bytes:
    """The link of an entry to the one before."""
    row = [seq, entry.id, entry.project_id, entry.key_id, entry.action, entry.target, entry.status, _instant(entry.at)]
    text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.digest(key, b"link\x00" + before + text.encode("utf-8", "surrogatepass"), hashlib.sha256)


def head(key: bytes, project_id: int, last: Link) -> bytes:
    """What says that a project's chain goes so far."""
    return hmac.digest(key, f"head\x00{project_id}\x00{last.seq}\x00{last.entry_id}\x00".encode() + last.mac, "sha256")


def compare(
    keys: Sequence[bytes], before: Link, rows: Iterable[tuple[Entry | None, Link | None]]
) -> Iterator[Problem | Link]:
    """The problems of rows that follow `before`, in the order of `seq`, and each link that there is."""
    for entry, linked in rows:
        if linked is None:
            yield Problem(entry.id if entry else None, "unlinked")
            continue
        if linked.seq != before.seq + 1 or linked.entry_id <= before.entry_id:
            yield Problem(linked.entry_id, "moved")
        if entry is None:
            yield Problem(linked.entry_id, "missing")
        elif not any(hmac.compare_digest(link(key, before.mac, linked.seq, entry), linked.mac) for key in keys):
            yield Problem(linked.entry_id, "changed")
        before = linked
        yield linked


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
