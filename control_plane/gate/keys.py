"""Keys and sessions that were seen a moment ago, so that a busy one is not looked up for each request.

What is remembered is at most two seconds old, and worth nothing from the moment the key is changed anywhere: the rate
window, asked for every request, says so in the same step (`Taken.changed`).
"""

import time
from datetime import datetime
from typing import Final

from sqlalchemy import text

from control_plane.auth.callers import Caller, Credential, find_by_credential
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import Unavailable

REMEMBERED: Final = 2.0
MOST: Final = 10_000

_USED = "unnest(cast(:key_ids as text[]), cast(:moments as timestamptz[])) as used (key_id, at)"
_WRITE_USE = text(f"""
    with sessions as (
        update console_session set last_used_at = greatest(last_used_at, used.at)
        from {_USED} where console_session.session_id = used.key_id
    )
    update api_key set last_used_at = greatest(last_used_at, used.at)
    from {_USED} where api_key.key_id = used.key_id
""")  # noqa: S608 - our own text


class KeyRing:
    """Finds callers by what they show."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock = database, clock
        self._seen: dict[Credential, tuple[float, Caller]] = {}
        self._used: dict[str, datetime] = {}

    def remembered(self, shown: Credential) -> Caller | None:
        """The caller, if it was looked up a moment ago and has not expired since."""
        at, caller = self._seen.get(shown, (0.0, None))
        if caller is None or time.monotonic() - at > REMEMBERED:
            return None
        if caller.expires_at is not None and caller.expires_at <= self.clock.now():
            return None
        return caller

    async def look_up(self, shown: Credential) -> Caller:
        """The caller as the database has it. Raises `Unauthorized`, `Unavailable`."""
        self._seen.pop(shown, None)
        async with self.database.platform() as db:
            caller = await find_by_credential(db, shown, now=self.clock.now())
        if len(self._seen) >= MOST:
            self._seen.clear()
        self._seen[shown] = (time.monotonic(), caller)
        return caller

    def used(self, caller: Caller) -> None:
        """Note that a key or session was used; written by `write_use`."""
        self._used[caller.key_id] = self.clock.now()

    async def write_use(self) -> None:
        """Write when each was last used, in one statement; while the database is away it is kept for the next."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            async with self.database.platform() as db:
                await db.execute(_WRITE_USE, {"key_ids": list(used), "moments": list(used.values())})
        except Unavailable:
            self._used = used | self._used
