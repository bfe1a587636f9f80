"""API keys: how one is made and sealed, and how a change of what they may do becomes known."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement
from sqlmodel import col, select

from control_plane.accounts.models import Project
from control_plane.accounts.schemas import KeyMade, KeyRead
from control_plane.auth.models import ApiKey
from control_plane.db.database import Db
from control_plane.gate.window import RateLimiter
from control_plane.ids import fingerprint, random_id, random_secret
from control_plane.secrets.box import SecretBox

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


async def make_key(
    db: Db,
    box: SecretBox,
    project_id: int,
    *,
    label: str,
    scopes: Sequence[str] = ("*",),
    expires_at: datetime | None = None,
) -> KeyMade:
    """Write a new key, and tell both of its secrets."""
    key, secret = random_secret("pk_"), random_secret("sk_")
    row = seal_key(
        box, project_id=project_id, label=label, key=key, secret=secret, scopes=list(scopes), expires_at=expires_at
    )
    db.add(row)
    await db.flush()
    await db.refresh(row)
    return KeyMade(**KeyRead.model_validate(row).model_dump(), key=key, secret=secret)


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
