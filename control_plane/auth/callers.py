"""Who calls: an API key becomes a `Caller`, and the transaction sees that project's rows from then on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import text

from control_plane.auth.deps import DbDep
from control_plane.db.database import Db
from control_plane.errors import Unauthorized
from control_plane.ids import fingerprint

KEY_LENGTH = 200
"""Longer headers are no keys; they are not even hashed."""

_CHECK = text("""
    select key.key_id, key.scopes, project.id as project_id, project.slug, account.id as account_id, account.plan,
           set_config('parley.project', project.id::text, true)
    from api_key as key
    join project on project.id = key.project_id
    join account on account.id = project.account_id
    where key.hash = :hash and key.revoked_at is null and (key.expires_at is null or key.expires_at > :now)
""")


@dataclass(frozen=True, slots=True)
class Caller:
    """A project that called with a good key."""

    project_id: int
    slug: str
    account_id: int
    plan: str
    key_id: str
    scopes: tuple[str, ...]


async def check_key(db: Db, key: str | None, *, now: datetime) -> Caller:
    """The caller behind a key; names the project to the transaction. Raises `Unauthorized`."""
    if not key:
        raise Unauthorized("Missing X-API-Key header")
    if len(key) > KEY_LENGTH:
        raise Unauthorized("Invalid or deactivated API key")
    row = (await db.execute(_CHECK, {"hash": fingerprint(key), "now": now})).one_or_none()
    if row is None:
        raise Unauthorized("Invalid or deactivated API key")
    return Caller(row.project_id, row.slug, row.account_id, row.plan, row.key_id, tuple(row.scopes))


async def find_caller(request: Request, db: DbDep) -> Caller:
    """The caller of this request, by its `X-API-Key` header."""
    return await check_key(db, request.headers.get("x-api-key"), now=request.app.state.clock.now())


CallerDep = Annotated[Caller, Depends(find_caller)]
