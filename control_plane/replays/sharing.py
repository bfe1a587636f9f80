"""Links that show one session to whoever has them, until they expire or are taken back."""

from datetime import timedelta
from typing import Final

from sqlmodel import col, func, select

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Conflict, Gone, NotFound, Unauthorized
from control_plane.ids import fingerprint, random_secret
from control_plane.replays.models import ReplayShare

PREFIX: Final = "rpl_"
LONGEST: Final = 200
"""Characters; what is longer is no secret of ours and is not even hashed."""
MOST: Final = 100
"""Links of one session that open it at a time."""
UNKNOWN: Final = "This link opens nothing"


class Shares:
    """The links to one project's sessions."""

    def __init__(self, db: Db, caller: Caller, clock: Clock) -> None:
        self.db, self.caller, self.clock = db, caller, clock

    async def make(self, session_id: int, *, seconds: int) -> tuple[ReplayShare, str]:
        """A link and its secret, which nobody knows afterwards. Raises `Conflict` where there are too many."""
        now = self.clock.now()
        alive = select(func.count()).where(
            *self._of(session_id), col(ReplayShare.revoked_at).is_(None), col(ReplayShare.expires_at) > now
        )
        if (await self.db.exec(alive)).one() >= MOST:
            raise Conflict(f"{MOST} links open this session; revoke one first")
        secret = random_secret(PREFIX)
        share = ReplayShare(
            project_id=self.caller.project_id,
            session_id=session_id,
            hash=fingerprint(secret),
            key_id=self.caller.key_id,
            expires_at=now + timedelta(seconds=seconds),
            created_at=now,
        )
        self.db.add(share)
        await self.db.flush()
        return share, secret

    async def all(self, session_id: int) -> list[ReplayShare]:
        """All links of a session, the newest first."""
        query = select(ReplayShare).where(*self._of(session_id)).order_by(col(ReplayShare.id).desc()).limit(10 * MOST)
        return list((await self.db.exec(query)).all())

    async def revoke(self, session_id: int, share_id: int) -> None:
        """Have a link open nothing any more; once more changes nothing. Raises `NotFound`."""
        query = select(ReplayShare).where(*self._of(session_id), ReplayShare.id == share_id).with_for_update()
        share = (await self.db.exec(query)).one_or_none()
        if share is None:
            raise NotFound(f"There is no link {share_id} of session {session_id}")
        share.revoked_at = share.revoked_at or self.clock.now()

    def is_active(self, share: ReplayShare) -> bool:
        """Whether a link opens anything now."""
        return share.revoked_at is None and share.expires_at > self.clock.now()

    def _of(self, session_id: int) -> tuple[bool, ...]:
        return ReplayShare.project_id == self.caller.project_id, ReplayShare.session_id == session_id


def secret_of(header: str | None) -> str:
    """The secret that a request shows. Raises `Unauthorized` where there is none, `NotFound` for what cannot be one."""
    scheme, _, secret = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Unauthorized("Show the link's secret: Authorization: Bearer <secret>")
    if len(secret) > LONGEST:
        raise NotFound(UNKNOWN)
    return secret.strip()


async def open_share(database: Database, clock: Clock, secret: str) -> ReplayShare:
    """The link of a secret, counted as opened. Raises `NotFound` for an unknown one, `Gone` for one that is over."""
    now = clock.now()
    async with database.platform() as db:
        query = select(ReplayShare).where(ReplayShare.hash == fingerprint(secret)).with_for_update()
        share = (await db.exec(query)).one_or_none()
        if share is None:
            raise NotFound(UNKNOWN)
        if share.revoked_at is not None:
            raise Gone("This link was taken back")
        if share.expires_at <= now:
            raise Gone("The time of this link is over")
        share.opened, share.opened_at = share.opened + 1, now
    return share
