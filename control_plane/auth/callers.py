"""Who calls: an API key, or the session of a browser, becomes a `Caller`."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import TextClause, text

from control_plane.auth.scopes import granting
from control_plane.auth.sessions import COOKIE, PREFIX
from control_plane.db.database import Db
from control_plane.errors import Forbidden, InvalidRequest, Unauthorized
from control_plane.ids import fingerprint, is_mistyped
from control_plane.wire import MAX_ID

KEY = "pk_"
"""What API keys begin with."""
PROJECT_HEADER = "x-project"
"""Names the project of its account in which a browser's session asks; without it, the first."""
KEY_LENGTH = 200
"""Longer headers are no keys; they are not even hashed."""
NO_KEY = "Invalid or deactivated API key"
SESSION_ENDED = "Your session has ended; log in again"
NOT_YOURS = "X-Project names no project of your account"

_ALIVE_SESSION = "expires_at > :now and last_used_at > cast(:now as timestamptz) - interval '7 days'"

_SHOWN = """
    project.id as project_id, project.slug, project.allowed_origins,
    account.id as account_id, account.plan, account.requests_per_minute
"""
_FIND_KEY = """
    select key.key_id, key.scopes, key.expires_at, key.sealed_secret, {shown}
    from api_key as key
    join project on project.id = key.project_id
    join account on account.id = project.account_id
    where key.{column} = :wanted and key.revoked_at is null and (key.expires_at is null or key.expires_at > :now)
"""
_FIND_SESSION = """
    select session.session_id as key_id, array['*'] as scopes, session.expires_at, ''::bytea as sealed_secret,
           {shown}
    from console_session as session
    join account on account.id = session.account_id
    join project on project.account_id = account.id
        and project.id = coalesce(:project, (select min(id) from project where account_id = account.id))
    where session.{column} = :wanted and {alive}
"""
_KEY_BY_HASH, _KEY_BY_ID, _SESSION_BY_HASH, _SESSION_BY_ID = (
    text(question.format(column=column, shown=_SHOWN, alive=_ALIVE_SESSION))
    for question, column in (
        (_FIND_KEY, "hash"),
        (_FIND_KEY, "key_id"),
        (_FIND_SESSION, "hash"),
        (_FIND_SESSION, "session_id"),
    )
)
_ALIVE = text(f"""
    select key_id from api_key
    where key_id = any(:ids) and revoked_at is null and (expires_at is null or expires_at > :now)
    union all
    select session_id from console_session where session_id = any(:ids) and {_ALIVE_SESSION}
""")  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True)
class Caller:
    """A project that called: with a good key, or from the browser of its account's owner, who may do everything."""

    project_id: int
    slug: str
    account_id: int
    plan: str
    key_id: str
    """Public name of the key or of the session."""
    scopes: tuple[str, ...] = ("*",)
    requests_per_minute: int | None = None
    expires_at: datetime | None = None
    allowed_origins: tuple[str, ...] = ()
    sealed_secret: bytes = field(default=b"", repr=False)
    """Of the key, paired with it: what signs tokens."""

    @property
    def is_console(self) -> bool:
        """Whether a browser's session called, and no key."""
        return self.key_id.startswith(PREFIX)

    def demand(self, area: str, *, write: bool) -> None:
        """Raise `Forbidden` where the key's scopes do not cover this use of an area."""
        self.demand_scopes([f"{area}:{'write' if write else 'read'}"])

    def demand_scopes(self, scopes: Iterable[str]) -> None:
        """Raise `Forbidden` for the first of these scopes that the key's own do not include."""
        for scope in scopes:
            if granting(scope).isdisjoint(self.scopes):
                raise Forbidden(f"This API key lacks the scope {scope}", details={"scope": scope})


@dataclass(frozen=True, slots=True)
class Credential:
    """What a caller shows, as it is looked up."""

    hashed: bytes
    is_session: bool = False
    project_id: int | None = None
    """Which of the account's projects is meant, where that was said; a key has one only."""


def key_hash(key: str | None) -> bytes:
    """What a key is looked up by. Raises `Unauthorized` for what cannot be one."""
    if not key:
        raise Unauthorized("Missing X-API-Key header")
    if len(key) > KEY_LENGTH or is_mistyped(key, KEY):
        raise Unauthorized(NO_KEY)
    return fingerprint(key)


def read_session(token: str, project_id: int | None = None) -> Credential:
    """The session of a cookie's token. Raises `Unauthorized` for what cannot be one."""
    if len(token) > KEY_LENGTH or is_mistyped(token, COOKIE):
        raise Unauthorized(SESSION_ENDED)
    return Credential(fingerprint(token), is_session=True, project_id=project_id)


def read_project(given: Sequence[str]) -> int | None:
    """The project that `X-Project` names. Raises `InvalidRequest` for what is no project's number."""
    if not given:
        return None
    number = given[0]
    if len(given) > 1 or not re.fullmatch(r"[1-9][0-9]{0,15}", number) or int(number) > MAX_ID:
        raise InvalidRequest.field("X-Project", "must be the id of one of your projects")
    return int(number)


async def find_by_credential(db: Db, credential: Credential, *, now: datetime) -> Caller:
    """The caller behind a key, or behind a session: the project it names, else its account's first.

    Raises `Unauthorized`; `Forbidden` where the project is not the account's, or not the key's.
    """
    if credential.is_session:
        return await _find_session(db, _SESSION_BY_HASH, credential.hashed, now, credential.project_id)
    caller = await _find(db, _KEY_BY_HASH, {"wanted": credential.hashed, "now": now})
    if credential.project_id not in (None, caller.project_id):
        raise Forbidden("This API key is of another project than X-Project names")
    return caller


async def find_by_id(db: Db, key_id: str, project_id: int | None = None, *, now: datetime) -> Caller:
    """The caller behind the public name of a key, or of a session in one of its account's projects (None: the first).
    Raises `Unauthorized`."""
    if key_id.startswith(PREFIX):
        return await _find_session(db, _SESSION_BY_ID, key_id, now, project_id)
    return await _find(db, _KEY_BY_ID, {"wanted": key_id, "now": now})


async def _find_session(
    db: Db, question: TextClause, wanted: bytes | str, now: datetime, project_id: int | None
) -> Caller:
    values = {"wanted": wanted, "now": now}
    try:
        return await _find(db, question, values | {"project": project_id}, SESSION_ENDED)
    except Unauthorized:
        if project_id is None:
            raise
    await _find(db, question, values | {"project": None}, SESSION_ENDED)
    raise Forbidden(NOT_YOURS)


async def _find(db: Db, question: TextClause, values: dict[str, Any], refusal: str = NO_KEY) -> Caller:
    row = (await db.execute(question, values)).one_or_none()
    if row is None:
        raise Unauthorized(refusal)
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
    """Those of the keys and sessions that are good."""
    return set((await db.execute(_ALIVE, {"ids": list(key_ids), "now": now})).scalars())


async def find_caller(request: Request) -> Caller:
    """The caller of this request, as the gate admitted it."""
    caller: Caller = request.state.caller
    return caller


CallerDep = Annotated[Caller, Depends(find_caller)]
