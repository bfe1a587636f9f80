"""The workers that are connected to this process, and commands to the calls they hold."""

import asyncio
from collections import deque
from datetime import datetime

import structlog

from agents.contract import AnyToWorker
from control_plane import metrics

QUEUE = 1000
"""Messages that may wait for one worker; one that reads no more is disconnected."""

log = structlog.get_logger()


class WorkerLink:
    """One connected worker: what waits to be sent to it."""

    def __init__(self, worker_id: str, *, bots: int = 0) -> None:
        self.worker_id, self.bots = worker_id, bots
        self.outbox: asyncio.Queue[AnyToWorker] = asyncio.Queue(QUEUE)
        self.over = asyncio.Event()
        """Set where the worker reads no more, or has connected anew."""
        self.hung_up = False
        """Whether it was the worker that closed it: neither silence, which may be the network's, nor we."""
        self.counted = False
        """Whether its last heartbeat was written down: only then do its places count."""
        self.heard_at: deque[datetime] = deque(maxlen=2)
        """When the last two heartbeats came, of which the later one may not be written down yet."""

    def send(self, message: AnyToWorker) -> None:
        """Queue a message; never waits."""
        try:
            self.outbox.put_nowait(message)
        except asyncio.QueueFull:
            self.over.set()


class UplinkHub:
    """Finds the link of a worker."""

    def __init__(self) -> None:
        self._links: dict[str, WorkerLink] = {}

    def add(self, link: WorkerLink) -> None:
        """A worker has connected; an older link of the same one is let go."""
        older = self._links.get(link.worker_id)
        if older is not None:
            older.over.set()
        self._links[link.worker_id] = link
        metrics.UPLINKS.set(len(self._links))

    def remove(self, link: WorkerLink) -> bool:
        """A link has closed; whether it was the worker's current one."""
        if self._links.get(link.worker_id) is not link:
            return False
        del self._links[link.worker_id]
        metrics.UPLINKS.set(len(self._links))
        return True

    def find(self, worker_id: str) -> WorkerLink | None:
        """The link of a worker that is connected here."""
        return self._links.get(worker_id)

    def hosts(self) -> list[WorkerLink]:
        """Those who take bots."""
        return [link for link in self._links.values() if link.bots]

    def all(self) -> list[WorkerLink]:
        """Every link."""
        return list(self._links.values())

    def worker_ids(self) -> list[str]:
        """Who is connected here."""
        return sorted(self._links)
