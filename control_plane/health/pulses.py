"""A process of this plane says that it lives, and how it is."""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable
from typing import Any, Final, Literal

import structlog
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from control_plane import metrics
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import PlatformError
from control_plane.health import backlog

EVERY: Final = 5.0
"""Seconds from one sign of life to the next."""
FAREWELL: Final = 1.0
"""Seconds to take the last one back."""

_SAY = text("""
    insert into process_pulse (id, kind, seen_at, figures) values (:id, :kind, now(), :figures)
    on conflict (id) do update set seen_at = now(), figures = excluded.figures
""").bindparams(bindparam("figures", type_=JSONB))
_LEAVE = text("delete from process_pulse where id = :id")

log = structlog.get_logger()


class Pulse:
    """The signs of life of one process. Whoever `watches` also counts what waits, and shows it to Prometheus."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        kind: Literal["serve", "jobs"],
        figures: Callable[[], dict[str, Any]] = dict,
        *,
        watches: bool = False,
    ) -> None:
        self.database, self.clock, self.kind, self.figures, self.watches = database, clock, kind, figures, watches
        self.id = f"{kind}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"

    async def run(self) -> None:
        """Beat until cancelled, and then be forgotten."""
        try:
            while True:
                await self.beat()
                await asyncio.sleep(EVERY)
        finally:
            try:
                async with asyncio.timeout(FAREWELL), self.database.platform() as db:
                    await db.execute(_LEAVE, {"id": self.id})
            except (PlatformError, TimeoutError):
                log.warning("process not signed off", process=self.id)

    async def beat(self) -> None:
        """One sign of life. A database that is away is told to Prometheus, and to nobody else."""
        try:
            async with self.database.platform() as db:
                await db.execute(_SAY, {"id": self.id, "kind": self.kind, "figures": self.figures()})
                if self.watches:
                    backlog.show(await backlog.look(db, self.clock.now()))
            metrics.DATABASE_UP.set(1)
        except PlatformError:
            metrics.DATABASE_UP.set(0)
        except Exception:  # who cannot be counted must not keep the others from their work
            log.exception("pulse failed")
