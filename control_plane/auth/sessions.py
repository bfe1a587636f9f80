"""Sessions of browsers: the cookie, who is behind it, and which requests may use it."""

from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement
from sqlmodel import col, delete, select
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response

from control_plane.auth.models import ConsoleSession
from control_plane.db.database import Db
from control_plane.ids import fingerprint, random_id, random_secret
from control_plane.wire import SAFE

LIFETIME: Final = timedelta(days=30)
"""After this one has to log in again, however often one was there."""
MOST: Final = 20
"""Sessions of one account; the oldest ends when there is another."""
PREFIX: Final = "ses_"
"""Of the public names of sessions, where keys have `key_`."""
COOKIE: Final = "cs_"
"""Of what stands in cookies."""


class SessionCookie:
    """How browsers keep a session: unreadable for scripts, never sent with requests that other sites begin, and over
    https only for this very host."""

    def __init__(self, public_url: str) -> None:
        self.secure = public_url.startswith("https://")
        self.name = "__Host-parley_session" if self.secure else "parley_session"
        self._origin = origin_of(public_url)

    def find(self, headers: Headers) -> str | None:
        """The token of a request's cookie."""
        return cookie_parser("; ".join(headers.getlist("cookie"))).get(self.name)

    def set(self, response: Response, token: str) -> None:
        """Have the browser keep a token."""
        seconds = int(LIFETIME.total_seconds())
        response.set_cookie(self.name, token, seconds, secure=self.secure, httponly=True, samesite="lax")

    def clear(self, response: Response) -> None:
        """Have the browser forget it."""
        response.delete_cookie(self.name, secure=self.secure, httponly=True, samesite="lax")

    def is_foreign(self, method: str, headers: Headers) -> bool:
        """Whether another site's page sends this request.

        Browsers say so in `Sec-Fetch-Site`; to a plain http address they send `Origin` alone, with every request that
        may change something. What sends neither is no browser, or reads only.
        """
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site != "same-origin" and not (site == "none" and method in SAFE)
        origin = headers.get("origin")
        if origin is None:
            return False
        return origin != self._origin and urlsplit(origin).netloc != headers.get("host")


def origin_of(url: str) -> str:
    """An address's origin, as browsers write it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def begin_session(db: Db, account_id: int, *, now: datetime) -> tuple[str, str, list[str]]:
    """A new session: its token, its public name, and those of sessions that ended to make room for it."""
    token, session_id = random_secret(COOKIE), random_id(PREFIX)
    db.add(
        ConsoleSession(
            account_id=account_id,
            session_id=session_id,
            hash=fingerprint(token),
            last_used_at=now,
            expires_at=now + LIFETIME,
        )
    )
    await db.flush()
    newest = select(ConsoleSession.id).where(ConsoleSession.account_id == account_id, ConsoleSession.expires_at > now)
    kept = newest.order_by(col(ConsoleSession.id).desc()).limit(MOST)
    return token, session_id, await _end(db, account_id, col(ConsoleSession.id).not_in(kept))


async def sessions_of(db: Db, account_id: int) -> list[str]:
    """The public names of an account's sessions."""
    query = select(ConsoleSession.session_id).where(ConsoleSession.account_id == account_id)
    return list((await db.exec(query)).all())


async def end_session(db: Db, session_id: str) -> None:
    """End one session."""
    await db.exec(delete(ConsoleSession).where(col(ConsoleSession.session_id) == session_id))


async def end_sessions(db: Db, account_id: int) -> list[str]:
    """End all sessions of an account; their public names."""
    return await _end(db, account_id)


async def _end(db: Db, account_id: int, *which: ColumnElement[bool]) -> list[str]:
    ended = delete(ConsoleSession).where(col(ConsoleSession.account_id) == account_id, *which)
    return list((await db.execute(ended.returning(col(ConsoleSession.session_id)))).scalars())
