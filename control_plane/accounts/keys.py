"""API keys: how one is made and sealed, and how a change of what they may do becomes known."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, func, or_
from sqlmodel import col, select

from control_plane.accounts.limits import lock_account
from control_plane.accounts.models import Project
from control_plane.accounts.schemas import KeyMade, KeyRead
from control_plane.auth.callers import KEY
from control_plane.auth.models import ApiKey
from control_plane.db.database import Db
from control_plane.errors import Conflict
from control_plane.gate.window import RateLimiter
from control_plane.ids import fingerprint, random_id, random_secret
from control_plane.secrets.box import SecretBox

MOST: Final = 5
"""Active keys of an account. Those that have expired or were revoked do not count."""
SHOWN: Final = 10
"""Characters of a key that may be shown to recognise it by."""


async def live_keys(db: Db, of: ColumnElement[bool]) -> Sequence[str]:
    """The public names of the keys of some projects that are not revoked."""
    query = select(ApiKey.key_id).join(Project, col(Project.id) == ApiKey.project_id)
    return (await db.exec(query.where(of, col(ApiKey.revoked_at).is_(None)))).all()


async def publish(db: Db, limiter: RateLimiter, key_ids: Sequence[str]) -> None:
    """Make a change true, then have every process forget what it remembers of these keys."""
    await db.commit()
    await limiter.mark_changed(*key_ids)


def is_active(key: ApiKey, now: datetime) -> bool:
    """Whether a key opens anything."""
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def show_key(key: ApiKey, now: datetime) -> KeyRead:
    """A key on the wire."""
    status = "active" if is_active(key, now) else "revoked" if key.revoked_at else "expired"
    return KeyRead.model_validate(key.model_dump() | {"status": status})


async def count_active(db: Db, account_id: int, now: datetime) -> int:
    """How many active keys an account has."""
    query = select(func.count()).select_from(ApiKey).join(Project, col(Project.id) == ApiKey.project_id)
    good = or_(col(ApiKey.expires_at).is_(None), col(ApiKey.expires_at) > now)
    return (await db.exec(query.where(Project.account_id == account_id, col(ApiKey.revoked_at).is_(None), good))).one()


async def take_place(db: Db, account_id: int, now: datetime) -> None:
    """Make sure that an account may have one more active key; holds its lock until the commit. Raises `Conflict`."""
    await lock_account(db, account_id)
    if await count_active(db, account_id, now) >= MOST:
        raise Conflict(f"An account has at most {MOST} active API keys; revoke one first")


async def make_key(
    db: Db,
    box: SecretBox,
    project: Project,
    *,
    label: str,
    now: datetime,
    scopes: Sequence[str] = ("*",),
    expires_at: datetime | None = None,
) -> KeyMade:
    """Write a new key, and tell both of its secrets. Raises `Conflict` where its account has enough."""
    await take_place(db, project.account_id, now)
    key, secret = random_secret(KEY), random_secret("sk_")
    row = seal_key(
        box, project_id=project.id, label=label, key=key, secret=secret, scopes=list(scopes), expires_at=expires_at
    )
    db.add(row)
    await db.flush()
    await db.refresh(row)
    return KeyMade(**show_key(row, now).model_dump(), key=key, secret=secret)


def seal_key(
    box: SecretBox,
    *,
    project_id: int,
    label: str,
    key: str,
    secret: str,
    scopes: list[str],
    expires_at: datetime | None = None,
) -> ApiKey:
    """The row of a key: its hash, and its paired secret sealed for that row."""
    key_id = random_id("key_")
    return ApiKey(
        project_id=project_id,
        key_id=key_id,
        label=label,
        prefix=key[:SHOWN],
        hash=fingerprint(key),
        sealed_secret=box.seal(secret, row=f"api_key:{key_id}"),
        scopes=scopes,
        expires_at=expires_at,
    )
