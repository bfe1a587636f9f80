"""Who calls: an API key becomes a `Caller`."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import text

from control_plane.auth.scopes import granting
from control_plane.db.database import Db
from control_plane.errors import Forbidden, Unauthorized
from control_plane.ids import fingerprint

KEY_LENGTH = 200
"""Longer headers are no keys; they are not even hashed."""

_FIND = """
    select key.key_id, key.scopes, key.expires_at, key.sealed_secret, project.id as project_id, project.slug,
           project.allowed_origins, account.id as account_id, account.plan, account.requests_per_minute
    from api_key as key
    join project on project.id = key.project_id
    join account on account.id = project.account_id
    where key.{column} = :wanted and key.revoked_at is null and (key.expires_at is null or key.expires_at > :now)
"""
_BY_HASH, _BY_ID = (text(_FIND.format(column=column)) for column in ("hash", "key_id"))
_ALIVE = text("""
    select key_id from api_key
    where key_id = any(:ids) and revoked_at is null and (expires_at is null or expires_at > :now)
""")


@dataclass(frozen=True, slots=True)
class Caller:
    """A project that called with a good key."""

    project_id: int
    slug: str
    account_id: int
    plan: str
    key_id: str
    scopes: tuple[str, ...] = ("*",)
    requests_per_minute: int | None = None
    expires_at: datetime | None = None
    allowed_origins: tuple[str, ...] = ()
    sealed_secret: bytes = field(default=b"", repr=False)
    """Of the key, paired with it: what signs tokens."""

    def demand(self, area: str, *, write: bool) -> None:
        """Raise `Forbidden` where the key's scopes do not cover this use of an area."""
        self.demand_scopes([f"{area}:{'write' if write else 'read'}"])

    def demand_scopes(self, scopes: Iterable[str]) -> None:
        """Raise `Forbidden` for the first of these scopes that the key's own do not include."""
        for scope in scopes:
            if granting(scope).isdisjoint(self.scopes):
                raise Forbidden(f"This API key lacks the scope {scope}", details={"scope": scope})


def key_hash(key: str | None) -> bytes:
    """What a key is looked up by. Raises `Unauthorized` for what cannot be one."""
    if not key:
        raise Unauthorized("Missing X-API-Key header")
    if len(key) > KEY_LENGTH:
        raise Unauthorized("Invalid or deactivated API key")
    return fingerprint(key)


async def find_key(db: Db, wanted: bytes | str, *, now: datetime) -> Caller:
    """The caller behind the hash of a key, or behind its public id. Raises `Unauthorized`."""
    query = _BY_HASH if isinstance(wanted, bytes) else _BY_ID
    row = (await db.execute(query, {"wanted": wanted, "now": now})).one_or_none()
    if row is None:
        raise Unauthorized("Invalid or deactivated API key")
    return Caller(
        project_id=row.project_id,
        slug=row.slug,
        account_id=row.account_id,
        plan=row.plan,
        key_id=row.key_id,
        scopes=tuple(row.scopes),
        requests_per_minute=row.requests_per_minute,
        expires_at=row.expires_at,
        allowed_origins=tuple(row.allowed_origins),
        sealed_secret=row.sealed_secret,
    )


async def alive_keys(db: Db, key_ids: set[str], *, now: datetime) -> set[str]:
    """Those of the keys that are good."""
    return set((await db.execute(_ALIVE, {"ids": list(key_ids), "now": now})).scalars())


async def find_caller(request: Request) -> Caller:
    """The caller of this request, as the gate admitted it."""
    caller: Caller = request.state.caller
    return caller


CallerDep = Annotated[Caller, Depends(find_caller)]
