"""The framework's server, with halls instead of a process for each call."""

from typing import Any

from agents.halls.fit import AgentServer, ProcPool
from agents.halls.pool import HallPool, Plan


class HallServer(AgentServer):
    """As its base is in everything but that."""

    def __init__(self, *, plan: Plan, **options: Any) -> None:
        super().__init__(**options)
        self._plan = plan
        self._halls: HallPool | None = None

    @property  # type: ignore[override]
    def _proc_pool(self) -> HallPool:
        """What the server asks for a place for each call."""
        if self._halls is None:
            raise AttributeError("_proc_pool")  # as where none was made yet
        return self._halls

    @_proc_pool.setter
    def _proc_pool(self, pool: ProcPool) -> None:
        """What the server makes as it begins to run has not started yet, and never will."""
        self._halls = HallPool(self._plan, instead_of=pool)

    def evict(self, job_id: str) -> bool:
        """End a call so that it can speak no more; whether there was one."""
        return self._halls is not None and self._halls.evict(job_id)
