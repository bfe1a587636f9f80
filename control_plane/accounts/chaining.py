"""Linking the audit trail, outside of the requests that write it; and finding out whether it is as it was."""

from collections.abc import Sequence
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from control_plane.accounts.chain import FIRST, Entry, Link, Problem, compare, of_head, of_link
from control_plane.accounts.schemas import AuditHeadRead, AuditProblem, AuditVerdict
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.gate.models import AuditHead, AuditLink
from control_plane.secrets.macs import Macs

AT_ONCE: Final = 500
"""Entries that are linked in one transaction."""
BATCH: Final = 2000
MOST: Final = 20_000
"""Entries that one question looks at."""
MOST_PROBLEMS: Final = 100
BELOW_ALL: Final = -(2**63)
"""No entry has this id, nor one below it."""

# An id is handed out before its commit. What an older transaction may still commit must be linked before what is newer,
# so only entries are taken that are older than every transaction that runs: `age` counts transactions.
_NEXT: Final = text("""
    select id, project_id, key_id, action, target, status, at from audit_entry
    where id > (select coalesce(max(entry_id), 0) from audit_link)
        and age(xmin) > age(pg_snapshot_xmin(pg_current_snapshot())::xid)
    order by id limit :most
""")
_LINKED: Final = text("""
    select link.entry_id, link.seq, link.mac,
        entry.id, entry.project_id, entry.key_id, entry.action, entry.target, entry.status, entry.at
    from audit_link link left join audit_entry entry on entry.id = link.entry_id and entry.project_id = link.project_id
    where link.project_id = :project and link.seq > :after order by link.seq limit :most
""")
_UNLINKED: Final = text("""
    select entry.id from audit_entry entry
    where entry.project_id = :project and entry.id > :first and entry.id <= :last
        and not exists (select from audit_link link where link.entry_id = entry.id and link.project_id = :project)
    order by entry.id limit :most
""")

log = structlog.get_logger()


async def link_entries(database: Database, clock: Clock, macs: Macs) -> None:
    """Link what was written since. Only whoever leads does; what dies in between is linked the next time."""
    while await _link_batch(database, clock, macs) == AT_ONCE:
        pass


async def _link_batch(database: Database, clock: Clock, macs: Macs) -> int:
    async with database.platform() as db:
        entries: Sequence[Any] = (await db.execute(_NEXT, {"most": AT_ONCE})).all()
        if not entries:
            return 0
        mine = select(AuditHead).where(col(AuditHead.project_id).in_({entry.project_id for entry in entries}))
        heads = {each.project_id: Link(each.entry_id, each.seq, each.mac) for each in (await db.exec(mine)).all()}
        links = []
        for entry in entries:
            before = heads.get(entry.project_id, Link(0, 0, FIRST))
            mac = bytes.fromhex(macs.sign(of_link(before.mac, before.seq + 1, entry)))
            linked = Link(entry.id, before.seq + 1, mac)
            heads[entry.project_id] = linked
            links.append(
                {"project_id": entry.project_id, "entry_id": linked.entry_id, "seq": linked.seq, "mac": linked.mac}
            )
        await db.execute(insert(AuditLink).values(links))
        for project_id in {entry.project_id for entry in entries}:
            last = heads[project_id]
            values = {"entry_id": last.entry_id, "seq": last.seq, "mac": last.mac, "at": clock.now()}
            values["proof"] = bytes.fromhex(macs.sign(of_head(project_id, last)))
            put = insert(AuditHead).values(project_id=project_id, **values)
            await db.execute(put.on_conflict_do_update(index_elements=["project_id"], set_=values))
    return len(entries)


async def tell_heads(database: Database) -> None:
    """Write to the log how far each chain goes: who cuts a chain off in the database does not reach what was logged."""
    async with database.platform() as db:
        heads = (await db.exec(select(AuditHead).order_by(col(AuditHead.project_id)))).all()
    for each in heads:
        log.info("audit chain", project=each.project_id, seq=each.seq, entry=each.entry_id, mac=each.mac.hex())


async def verify_trail(db: Db, macs: Macs, project_id: int, *, after: int = 0) -> AuditVerdict:
    """Whether a project's entries from the link after `after` on are as they were written."""
    last = await _link_at(db, project_id, after)
    found: AuditHead | None = None
    problems: list[Problem] = [] if last is not None or not after else [Problem(None, "missing")]
    before, looked, told = last or Link(0, after, FIRST), 0, 0
    while looked < MOST:
        rows = (await db.execute(_LINKED, {"project": project_id, "after": before.seq, "most": BATCH})).all()
        for each in compare(macs, before, (_read(row) for row in rows)):
            if isinstance(each, Link):
                before, looked = each, looked + 1
            else:
                problems.append(each)
        # The head is read after the links it tells of: what is linked meanwhile is looked at as well.
        found = await db.get(AuditHead, project_id, populate_existing=True)
        if len(rows) < BATCH and (found is None or found.seq in (before.seq, told)):
            break
        told = found.seq if found is not None else 0
    more = found is not None and before.seq < found.seq and looked >= MOST
    if not more:
        problems += _of_head(macs, project_id, before, found)
    if last is not None or not after:  # else nobody knows where this part begins
        first = last.entry_id if last is not None else BELOW_ALL
        values = {"project": project_id, "first": first, "last": before.entry_id, "most": MOST_PROBLEMS}
        problems += [Problem(row.id, "unlinked") for row in (await db.execute(_UNLINKED, values)).all()]
    return AuditVerdict(
        intact=not problems,
        entries=looked,
        next_after=before.seq if more else None,
        problems=[AuditProblem(entry_id=each.entry_id, kind=each.kind) for each in problems[:MOST_PROBLEMS]],
        head=AuditHeadRead(seq=found.seq, entry_id=found.entry_id, mac=found.mac.hex(), at=found.at) if found else None,
    )


def _of_head(macs: Macs, project_id: int, last: Link, found: AuditHead | None) -> list[Problem]:
    if found is None:
        return [Problem(last.entry_id, "cut")] if last.seq else []
    claimed = Link(found.entry_id, found.seq, found.mac)
    is_ours = macs.verify(of_head(project_id, claimed), found.proof.hex())
    return [] if is_ours and claimed == last else [Problem(found.entry_id, "cut")]


async def _link_at(db: Db, project_id: int, seq: int) -> Link | None:
    query = select(AuditLink).where(AuditLink.project_id == project_id, AuditLink.seq == seq)
    found = (await db.exec(query)).one_or_none()
    return Link(found.entry_id, found.seq, found.mac) if found else None


def _read(row: Any) -> tuple[Entry | None, Link]:
    return (row if row.id is not None else None), Link(row.entry_id, row.seq, row.mac)
