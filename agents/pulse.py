"""How a worker or a bot host is, looked at every few seconds beside its work: for its heartbeats and for Prometheus.

What is looked at may hang, as a disk does. So it is looked at in a thread of its own, and the heart never waits for it:
it tells what was seen last.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import structlog

from agents import metrics
from agents.breaker import Breakers
from agents.figures import MOST_OPEN, Figures, OpenModel
from agents.spool import Spool

EVERY: Final = 3.0
"""Seconds from one look to the next."""
ANSWERS_WITHIN: Final = 1.0
"""Seconds that the knowledge process has to take a connection."""

log = structlog.get_logger()


class Pulse:
    """Looks at one host. `taken` says how many calls or bots it has, `draining` whether it ends."""

    def __init__(
        self,
        spool: Spool,
        folder: Path,
        *,
        kind: Literal["worker", "bots"],
        places: int,
        taken: Callable[[], int],
        draining: Callable[[], bool],
        knowledge: Path | None = None,
    ) -> None:
        self._spool, self._folder, self._kind, self._places = spool, folder, kind, places
        self._taken, self._draining, self._knowledge = taken, draining, knowledge
        self._breakers = Breakers(folder / "breakers") if kind == "worker" else None
        self._seen = Figures(kind=kind)
        metrics.PLACES.set(places)
        metrics.TAKEN.set_function(taken)
        metrics.DRAINING.set_function(lambda: float(draining()))

    def figures(self) -> Figures:
        """What was seen last; calls and whether it drains as they are now."""
        return self._seen.model_copy(
            update={"places": self._places, "taken": self._taken(), "draining": self._draining()}
        )

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except Exception:  # whatever it was, the calls go on
                log.exception("host not looked at")
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Look once."""
        knowledge = await self._ask_knowledge()
        self._seen = await asyncio.to_thread(self._look, knowledge)

    def _look(self, knowledge: bool | None) -> Figures:
        try:
            free: int | None = shutil.disk_usage(self._folder).free
        except OSError:
            free = None
        seen = Figures(
            kind=self._kind,
            open_models=self._open_models(),
            spool_reports=self._spool.count(),
            parked_reports=self._spool.count_parked(),
            disk_free_bytes=free,
            knowledge=knowledge,
        )
        metrics.SPOOL.set(seen.spool_reports)
        metrics.PARKED.set(seen.parked_reports)
        if free is not None:
            metrics.DISK.set(free)
        if knowledge is not None:
            metrics.KNOWLEDGE.set(knowledge)
        for service in metrics.SERVICES if self._breakers else ():
            metrics.BREAKERS.labels(service).set(sum(model.service == service for model in seen.open_models))
        return seen

    def _open_models(self) -> list[OpenModel]:
        if self._breakers is None:
            return []
        now = self._breakers.now
        return [
            OpenModel.model_validate(
                {
                    "service": opening.service,
                    "model": opening.model[:200],
                    "reason": opening.reason[:500],
                    "seconds": round(max(0.0, now - opening.since), 1),
                }
            )
            for opening in self._breakers.open()[:MOST_OPEN]
        ]

    async def _ask_knowledge(self) -> bool | None:
        if self._knowledge is None:
            return None
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                _, writer = await asyncio.open_unix_connection(self._knowledge)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True
