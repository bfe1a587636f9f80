"""`Idempotency-Key`: the first answer is given again, and what it did is not done again.

The key's row is written in the request's own transaction, so it is kept exactly when the request's rows are. A second
request that comes meanwhile waits for the first one's commit. A request that commits before it asks LiveKit shows its
row early, with no answer yet; the lease says how long it may still be running.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlmodel import col, select, update

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import LOCK_TIMEOUT, Database, Db, sqlstate
from control_plane.errors import Conflict, InvalidRequest
from control_plane.gate.models import IdempotentRequest
from control_plane.secrets.box import SecretBox

LONGEST: Final = 255
WAIT: Final = 5.0
POLL: Final = 0.1
LEASE: Final = timedelta(seconds=30)
KEPT: Final = timedelta(hours=24)


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


class Replay:
    """One request under a key."""

    def __init__(
        self, database: Database, clock: Clock, box: SecretBox, caller: Caller, *, key: str, hashed: bytes
    ) -> None:
        self.database, self.clock, self.box = database, clock, box
        self.caller, self.key, self.hashed = caller, key, hashed

    async def begin(self, db: Db) -> Answer | None:
        """The earlier answer, or None where this request is the first. Raises `Conflict`."""
        deadline = asyncio.get_running_loop().time() + WAIT
        await db.execute(text(f"set local lock_timeout = '{int(WAIT)}s'"))
        while True:
            try:
                if await self._claim(db):
                    return None
            except OperationalError as error:
                if sqlstate(error) != LOCK_TIMEOUT:
                    raise
                raise self._running() from error  # the first request's transaction is still open
            row = await self._find(db)
            if row is not None and row.request_hash != self.hashed:
                raise Conflict("This Idempotency-Key was used for another request")
            if row is not None and row.status is not None and row.sealed_body is not None:
                return Answer(row.status, self.box.open(row.sealed_body, row=self._name()).encode())
            if row is not None and await self._take_over(db):
                return None
            if asyncio.get_running_loop().time() > deadline:
                raise self._running()
            await asyncio.sleep(POLL)

    async def finish(self, db: Db, answer: Answer) -> None:
        """Keep the answer, in the transaction of what it tells about."""
        await db.execute(
            update(IdempotentRequest)
            .where(*self._own())
            .values(status=answer.status, sealed_body=self.box.seal(answer.body.decode(), row=self._name()))
        )

    async def refuse(self, answer: Answer) -> None:
        """Keep an error that ended the request and undid its rows."""
        async with self.database.tenant(self.caller.project_id) as db:
            await self._claim(db)
            await self.finish(db, answer)

    async def release(self) -> None:
        """Forget a request that came to nothing, so that it may be tried again."""
        async with self.database.tenant(self.caller.project_id) as db:
            row = await self._find(db)
            if row is not None and row.status is None:
                await db.delete(row)

    async def _claim(self, db: Db) -> bool:
        now = self.clock.now()
        statement = insert(IdempotentRequest).values(
            project_id=self.caller.project_id,
            key=self.key,
            request_hash=self.hashed,
            lease_until=now + LEASE,
            created_at=now,
        )
        claimed = statement.on_conflict_do_nothing().returning(col(IdempotentRequest.key))
        return await db.scalar(claimed) is not None

    async def _find(self, db: Db) -> IdempotentRequest | None:
        query = select(IdempotentRequest).where(*self._own()).execution_options(populate_existing=True)
        return (await db.exec(query)).one_or_none()

    async def _take_over(self, db: Db) -> bool:
        """Whether the first request died on its way; this one goes on in its place."""
        now = self.clock.now()
        statement = update(IdempotentRequest).where(
            *self._own(), col(IdempotentRequest.status).is_(None), col(IdempotentRequest.lease_until) < now
        )
        taken = statement.values(lease_until=now + LEASE).returning(col(IdempotentRequest.key))
        return await db.scalar(taken) is not None

    def _own(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return (
            col(IdempotentRequest.project_id) == self.caller.project_id,
            col(IdempotentRequest.key) == self.key,
        )

    def _name(self) -> str:
        return f"idempotent_request:{self.caller.project_id}:{self.key}"

    @staticmethod
    def _running() -> Conflict:
        return Conflict("The first request with this Idempotency-Key is still running; try again")
