"""`Idempotency-Key`: the first answer is given again, and what it did is not done again.

The row belongs to the API key that called: answers hold secrets, and another key's request is a request of its own. It
is written in the request's own transaction, so it is kept exactly when the request's rows are. A request that commits
before it asks LiveKit shows its row early, with no answer yet; the lease says how long it may still be running.

What it has made by then it notes in the same transaction (`Attempt`): whoever goes on in its place finds that, and does
not make it once more.

A repeat that comes meanwhile looks, gives its connection back and looks again: whoever holds the row's advisory lock is
running, and nobody waits for it inside the database.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, TextClause, text
from sqlmodel import col, select, update

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Conflict, InvalidRequest, StillRunning
from control_plane.gate.models import IdempotentRequest
from control_plane.gate.transaction import Transaction
from control_plane.secrets.box import SecretBox

LONGEST: Final = 255
WAIT: Final = 5.0
POLL: Final = 0.1
LEASE: Final = timedelta(seconds=30)
KEPT: Final = timedelta(hours=24)
WAITING: Final = 8
"""Repeats of one API key that wait in a process at once; those beyond are told to come again."""

_LOCK = "pg_try_advisory_xact_lock(hashtextextended(cast(:name as text), :project_id))"
_CLAIM = text(f"""
    insert into idempotent_request (project_id, key, request_hash, lease_until, created_at)
    select :project_id, cast(:name as text), :hashed, :lease_until, :now where {_LOCK}
    on conflict do nothing returning key
""")
_TAKE_OVER = text(f"""
    update idempotent_request set lease_until = :lease_until
    where project_id = :project_id and key = cast(:name as text) and status is null and lease_until < :now and {_LOCK}
    returning key
""")  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body that were sent."""

    status: int
    body: bytes


def check_key(key: str) -> str:
    """A usable key. Raises `InvalidRequest`."""
    if not 1 <= len(key) <= LONGEST or not key.isascii() or not key.isprintable():
        raise InvalidRequest.field("Idempotency-Key", f"must be 1 to {LONGEST} printable ASCII characters")
    return key


def request_hash(method: str, path: str, query: bytes, body: bytes) -> bytes:
    """What makes two requests the same."""
    digest = hashlib.sha256()
    for part in (method.encode(), path.encode(), query, body):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


class Waiters:
    """How many repeats wait in this process, by API key."""

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()

    @contextmanager
    def one_more(self, key_id: str) -> Iterator[None]:
        """Wait within the block. Raises `StillRunning` where too many do already."""
        if self._waiting[key_id] >= WAITING:
            raise StillRunning
        self._waiting[key_id] += 1
        try:
            yield
        finally:
            self._waiting[key_id] -= 1
            if not self._waiting[key_id]:
                del self._waiting[key_id]


def request_name(caller: Caller, key: str) -> str:
    """What a request is called in the tables: no `Idempotency-Key` holds a line break."""
    return f"{caller.key_id}\n{key}"


class Attempt:
    """A try of a request, for those who commit before they can answer. Without a key there are no repeats."""

    def __init__(self, replay: "Replay | None" = None) -> None:
        self._replay = replay

    @property
    def made(self) -> str | None:
        """What an earlier try of the same request has noted; its answer never came to be."""
        return self._replay.made if self._replay else None

    async def note(self, db: Db, made: str) -> None:
        """Note what this transaction makes, before it is committed."""
        if self._replay is not None:
            await self._replay.note(db, made)


class Replay:
    """One request under a key."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        box: SecretBox,
        waiters: Waiters,
        caller: Caller,
        *,
        key: str,
        hashed: bytes,
    ) -> None:
        self.database, self.clock, self.box, self.waiters = database, clock, box, waiters
        self.caller, self.name, self.hashed = caller, request_name(caller, key), hashed
        self.made: str | None = None
        """What an earlier try has made, which died before it had an answer."""

    async def begin(self, transaction: Transaction) -> Answer | None:
        """The earlier answer, or None where this request is the first. Raises `Conflict`, `StillRunning`."""
        first, earlier = await self._look(await transaction.begin())
        if first or earlier:
            return earlier
        await transaction.leave()  # it waits without a connection
        with self.waiters.one_more(self.caller.key_id):
            deadline = asyncio.get_running_loop().time() + WAIT
            while asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(POLL)
                first, earlier = await self._look(await transaction.begin())
                if first or earlier:
                    return earlier
                await transaction.leave()
        raise StillRunning

    async def note(self, db: Db, made: str) -> None:
        """Keep what the request has made, in the transaction that makes it."""
        self.made = made
        await db.execute(update(IdempotentRequest).where(*self._own()).values(made=made))

    async def finish(self, db: Db, answer: Answer) -> None:
        """Keep the answer, in the transaction of what it tells about."""
        await db.execute(
            update(IdempotentRequest)
            .where(*self._own())
            .values(status=answer.status, sealed_body=self.box.seal(answer.body.decode(), row=self._sealed_as()))
        )

    async def refuse(self, answer: Answer) -> None:
        """Keep an error that ended the request and undid its rows."""
        async with self.database.tenant(self.caller.project_id) as db:
            await self._run(db, _CLAIM)
            await self.finish(db, answer)

    async def release(self) -> None:
        """Forget a request that came to nothing, so that it may be tried again; one that has made something goes on."""
        async with self.database.tenant(self.caller.project_id) as db:
            row = await self._find(db)
            if row is None or row.status is not None:
                return
            if row.made is None:
                await db.delete(row)
            else:
                row.lease_until = self.clock.now()

    async def _look(self, db: Db) -> tuple[bool, Answer | None]:
        """Whether this request is the first, or goes on in the place of one that died; the answer if there is one."""
        if await self._run(db, _CLAIM):
            return True, None
        row = await self._find(db)
        if row is not None and row.request_hash != self.hashed:
            raise Conflict("This Idempotency-Key was used for another request")
        if row is not None and row.status is not None and row.sealed_body is not None:
            return False, Answer(row.status, self.box.open(row.sealed_body, row=self._sealed_as()).encode())
        if row is None or not await self._run(db, _TAKE_OVER):
            return False, None
        self.made = row.made
        return True, None

    async def _run(self, db: Db, statement: TextClause) -> bool:
        """Whether the row is this request's from now on."""
        now = self.clock.now()
        values = {"project_id": self.caller.project_id, "name": self.name, "hashed": self.hashed, "now": now}
        return await db.scalar(statement, values | {"lease_until": now + LEASE}) is not None

    async def _find(self, db: Db) -> IdempotentRequest | None:
        query = select(IdempotentRequest).where(*self._own()).execution_options(populate_existing=True)
        return (await db.exec(query)).one_or_none()

    def _own(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return (
            col(IdempotentRequest.project_id) == self.caller.project_id,
            col(IdempotentRequest.key) == self.name,
        )

    def _sealed_as(self) -> str:
        return f"idempotent_request:{self.caller.project_id}:{self.name}"
