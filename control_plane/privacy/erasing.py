"""Erasing a person, step by step: each is a transaction that says how far it has come, so that the next try of the job
goes on where this one was cut off, and counts nothing twice."""

import json
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy import text

from control_plane.clock import Clock
from control_plane.db.database import Database, Db, take_long
from control_plane.errors import Unavailable
from control_plane.events.live import LiveBus
from control_plane.gate.models import AuditEntry
from control_plane.jobs.queue import enqueue
from control_plane.privacy.answers import drop_answers, drop_jobs
from control_plane.privacy.conversations import AT_ONCE, erase_conversations, erase_people
from control_plane.privacy.exporting import end_erased
from control_plane.privacy.finding import Found, find
from control_plane.privacy.models import PrivacyRequest, RequestStatus
from control_plane.privacy.persons import Names
from control_plane.privacy.places import OWN, SWEPT, naming, table_of, window
from control_plane.privacy.receipts import Receipts
from control_plane.privacy.requests import lock_request, opened, sealed
from control_plane.privacy.sweeping import sweep
from control_plane.privacy.workers import tell_workers
from control_plane.recordings.removing import Remover
from control_plane.secrets.box import SecretBox

ERASE: Final = "privacy.erase"
"""Job: erase the person of a request."""
BUDGET: Final = 25.0
"""Seconds after which a job hands over to its next: below what a job may take."""
PATIENT: Final = 15
"""Seconds one statement of it may take."""
STEPS: Final = (
    "find",
    "conversations",
    "people",
    "recordings",
    *(f"sweep {name}" for name in SWEPT),
    *(f"count {name}" for name in OWN),
    "answers",
    "workers",
    "receipt",
)
_MARK: Final = text("""
    update recording set deleted_at = :now
    where project_id = :project and id = any(:recordings) and deleted_at is null
""")

log = structlog.get_logger()


class Eraser:
    """Does the job `ERASE`."""

    def __init__(
        self, database: Database, clock: Clock, box: SecretBox, remover: Remover, live: LiveBus, receipts: Receipts
    ) -> None:
        self.database, self.clock, self.box = database, clock, box
        self.remover, self.live, self.receipts = remover, live, receipts

    async def handle(self, payload: dict[str, Any]) -> None:
        """Go on with an erasure until it is done or the time of this job is over. Raises `Unavailable` where the person
        is still there, or something that has to forget them is away: it is tried again."""
        project_id, request_id = payload["project_id"], payload["request_id"]
        until = self.clock.monotonic() + BUDGET
        while await self._advance(project_id, request_id):
            if self.clock.monotonic() > until:
                async with self.database.platform() as db:
                    turn = payload.get("turn", 0) + 1
                    key = f"{request_id} {turn}"
                    await enqueue(db, ERASE, key, run_at=self.clock.now(), **payload | {"turn": turn})
                return

    async def _advance(self, project_id: int, request_id: int) -> bool:
        """One piece of one step; whether there is more to do."""
        waits_for = None
        async with self.database.tenant(project_id) as db:
            await take_long(db, PATIENT)
            request = await lock_request(db, request_id)
            if request is None or request.status != RequestStatus.PENDING:
                return False
            step = _step(request)
            if step == "find":
                waits_for = await self._find(db, request)
            elif step not in ("recordings", "workers"):
                await self._within(db, request, step)
        if waits_for is not None:
            raise Unavailable(f"What is to be erased goes on: {waits_for}")
        if step == "recordings":
            await self._remove_recordings(project_id, request_id)
        elif step == "workers":
            await self._tell_workers(project_id, request_id)
        return step != "receipt"

    async def _find(self, db: Db, request: PrivacyRequest) -> str | None:
        person, _ = opened(self.box, request)
        found = await find(db, self.clock, request.project_id, person)
        request.waits_for = found.going_on
        if found.going_on is None:
            request.sealed_person = sealed(self.box, request, person, found)
            _go_on(request, sessions=found.sessions)
        return found.going_on

    async def _within(self, db: Db, request: PrivacyRequest, step: str) -> None:
        person, found = opened(self.box, request)
        names, after = found.names(person), request.progress.get("after", 0)
        kind, _, table = step.partition(" ")
        match kind:
            case "conversations":
                counts = await erase_conversations(db, request.project_id, found, names, after=after)
                is_last = after + AT_ONCE >= max(len(found.sessions), len(found.shared))
                _go_on(request, counts, after=None if is_last else after + AT_ONCE)
            case "people":
                _go_on(request, await erase_people(db, request.project_id, found))
            case "sweep":
                counts, last = await sweep(db, self.clock, table, request.project_id, names, found, after=after)
                _go_on(request, counts, after=last)
            case "count":
                await self._count(db, request, table, names, after)
            case "answers":
                counts = {"idempotent_request": await drop_answers(db, self.box, request.project_id, names)}
                _go_on(request, counts | {"job": await self._drop_jobs(request, names, found)})
            case "receipt":
                await self._finish(db, request, found)

    async def _drop_jobs(self, request: PrivacyRequest, names: Names, found: Found) -> int:
        # Jobs are the platform's: a door of their own, and nothing is lost where this try is repeated.
        async with self.database.platform() as db:
            return await drop_jobs(db, request.project_id, names, found)

    async def _count(self, db: Db, request: PrivacyRequest, name: str, names: Names, after: int) -> None:
        table, last = table_of(name), None
        mine = sa.select(sa.func.count()).where(table.columns["project_id"] == request.project_id, naming(table, names))
        if "id" in table.columns:
            last = await window(db, table, after)
            mine = mine.where(table.columns["id"] > after, table.columns["id"] <= (last or after))
        kept = dict(request.progress.get("kept", {}))
        if count := await db.scalar(mine) or 0:
            kept[name] = kept.get(name, 0) + count
        _go_on(request, after=last, kept=kept)

    async def _remove_recordings(self, project_id: int, request_id: int) -> None:
        """Remove the files: after their rows were marked, outside of any transaction."""
        async with self.database.tenant(project_id) as db:
            request = await lock_request(db, request_id)
            if request is None or _step(request) != "recordings":
                return
            _, found = opened(self.box, request)
            by, marked = request.key_id, request.progress.get("marked")
            if marked is None:
                values = {"now": self.clock.now(), "project": project_id, "recordings": found.recordings}
                result: Any = await db.execute(_MARK, values)
                request.progress = request.progress | {"marked": result.rowcount}
                marked = result.rowcount
        to_come = 0
        for recording_id in found.recordings:
            to_come += not await self.remover.remove(recording_id, by=by)
        async with self.database.tenant(project_id) as db:
            request = await lock_request(db, request_id)
            if request is None or _step(request) != "recordings":
                return  # another try was faster
            _go_on(request, {"recording": marked}, recordings={"removed": marked - to_come, "to_come": to_come})

    async def _tell_workers(self, project_id: int, request_id: int) -> None:
        spool = await tell_workers(self.database, self.live, project_id, request_id)
        async with self.database.tenant(project_id) as db:
            request = await lock_request(db, request_id)
            if request is None or _step(request) != "workers":
                return
            _go_on(request, spool=spool)

    async def _finish(self, db: Db, request: PrivacyRequest, found: Found) -> None:
        now = self.clock.now()
        request.receipt = self.receipts.make(request, at=now)
        request.status, request.finished_at, request.waits_for = RequestStatus.COMPLETED, now, None
        request.sealed_person = None
        target = {"request_id": request.id, "person": request.person, "rows": request.receipt["rows"]}
        db.add(
            AuditEntry(
                project_id=request.project_id,
                key_id=request.key_id,
                action="person erased",
                target=target,
                status=200,
                at=now,
            )
        )
        request.progress = found.numbers
        await db.flush()
        await end_erased(db, now)
        log.info("person erased", request=request.id, rows=json.dumps(target["rows"]))


def progress_of(request: PrivacyRequest) -> float:
    """Which part of its steps is done."""
    if request.status == RequestStatus.COMPLETED:
        return 1.0
    done: int = request.progress.get("step", 0)
    return round(done / len(STEPS), 2)


def _step(request: PrivacyRequest) -> str:
    place: int = request.progress.get("step", 0)
    return STEPS[place]


def _go_on(
    request: PrivacyRequest, counts: dict[str, int] | None = None, *, after: int | None = None, **more: Any
) -> None:
    """Note what a piece has done: the next is after the row `after`, or of the next step where that is None."""
    progress = request.progress | more
    rows = dict(progress.get("rows", {}))
    for table, count in (counts or {}).items():
        rows[table] = rows.get(table, 0) + count
    step = progress.get("step", 0) + (after is None)
    request.progress = progress | {"rows": rows, "step": step, "after": after or 0}
