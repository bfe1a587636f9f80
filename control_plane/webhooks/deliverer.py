"""From deliveries to receivers: at least once, first tries of a room in the order of the log, repeats on a schedule.

Runs in the one process that leads. What it holds in memory is a bounded part of what waits in the database; it settles
the database in batches. Whenever it dies, what was not settled is found there again and sent again, never lost.
"""

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from typing import Final, NamedTuple

import structlog

from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Unavailable
from control_plane.events.wake import RETRY, STAMPED, Listener
from control_plane.secrets.box import SecretBox
from control_plane.webhooks import store
from control_plane.webhooks.dialects import Dialect
from control_plane.webhooks.lanes import LATER_FULL, EndpointQueue, Parcel
from control_plane.webhooks.planner import Planner
from control_plane.webhooks.schedule import Dice
from control_plane.webhooks.store import Settled
from control_plane.webhooks.targets import Target, attempt, open_target
from guard.outbound import Outbound

AT_ONCE: Final = 256
"""Tries under way, of all endpoints."""
UNANSWERED_AT_ONCE: Final = 128
"""Those of them that go to endpoints which did not answer the last time: they take what time they like."""
MOST_HELD: Final = 8192
"""Deliveries in memory, of all endpoints."""
GATHER: Final = 0.02
"""Seconds in which results are gathered for one transaction."""
SETTLE_AT_ONCE: Final = 500
LOOK_EVERY: Final = 0.5
"""Seconds between looks for repeats that are due."""
FORGET_EVERY: Final = 60.0
GRACE: Final = 2.0
"""Seconds that tries under way get at a clean stop."""
LAST_WORDS: Final = 1.0
"""Seconds in which their results must be written then."""

log = structlog.get_logger()


class Sending(NamedTuple):
    """A parcel that is to be sent now; `unanswered`: to an endpoint that did not answer the last time."""

    queue: EndpointQueue
    parcel: Parcel
    unanswered: bool


class Deliverer:
    """Sends deliveries for one term of leadership: `run` it once."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        box: SecretBox,
        outbound: Outbound,
        *,
        dialects: Mapping[str, Dialect] | None = None,
        dice: Dice = random.random,
    ) -> None:
        self._database, self._clock, self._box, self._outbound = database, clock, box, outbound
        self._dice, self._dialects = dice, dialects or {}
        self._queues: dict[int, EndpointQueue] = {}
        self._offering: deque[EndpointQueue] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._settled: deque[Settled] = deque()
        self._any_settled, self._wanted = asyncio.Event(), asyncio.Event()
        self._held = self._unanswered = 0
        self._aside: deque[EndpointQueue] = deque()
        # Deliveries may be there that were not handed over: from the start, and whenever a commit was not confirmed.
        self._doubts, self._dispelled = 1, 0
        self._closing = False

    async def run(self, url: str) -> None:
        """Plan and deliver until cancelled; `url` is the database's, to be woken over."""
        planner = Planner(self._database, self._clock, self._box, self._dialects)
        try:
            async with Listener(url, STAMPED).listening() as listener, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._plan(planner, listener))
                tasks.create_task(self._keep())
                tasks.create_task(self._settle())
        finally:
            await self._stop()

    async def _plan(self, planner: Planner, listener: Listener) -> None:
        while True:
            try:
                targets, parcels, more = await planner.plan()
            except Unavailable:
                log.warning("webhook planning interrupted")
                self._doubts += 1
                self._wanted.set()
                await asyncio.sleep(RETRY)
                continue
            self._accept(targets, parcels)
            if not more:
                await listener.wait()

    def _accept(self, targets: Mapping[int, Target], parcels: Iterable[Parcel]) -> None:
        """New deliveries, in the order of the log: into memory while there is room."""
        for parcel in parcels:
            queue = self._queue(targets[parcel.endpoint_id])
            if self._doubts > self._dispelled or queue.spilled or not queue.room(MOST_HELD - self._held):
                queue.spill()
                self._wanted.set()
            else:
                self._put(queue, parcel)
        self._start()

    def _queue(self, target: Target) -> EndpointQueue:
        queue = self._queues.get(target.id)
        if queue is None:
            queue = self._queues[target.id] = EndpointQueue(target)
        queue.target = target
        return queue

    def _put(self, queue: EndpointQueue, parcel: Parcel) -> None:
        if queue.holds(parcel):
            return
        queue.put(parcel)
        self._held += 1
        self._offer(queue)

    def _offer(self, queue: EndpointQueue) -> None:
        if not queue.listed:
            queue.listed = True
            self._offering.append(queue)

    def _start(self) -> None:
        """Have as many senders as there is work for, within the limit."""
        while len(self._running) < AT_ONCE and (found := self._next()) is not None:
            task = asyncio.create_task(self._send(found))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _next(self) -> Sending | None:
        """What may be sent now; endpoints take turns."""
        while self._offering and not self._closing:
            queue = self._offering.popleft()
            if not queue.answers and self._unanswered >= UNANSWERED_AT_ONCE:
                self._aside.append(queue)
                continue
            parcel = queue.take()
            if parcel is not None:
                self._offering.append(queue)
                self._unanswered += not queue.answers
                return Sending(queue, parcel, unanswered=not queue.answers)
            queue.listed = False
        return None

    async def _send(self, sending: Sending | None) -> None:
        """Send this parcel, and then others, until there is none."""
        while sending is not None:
            await self._try(*sending)
            sending = self._next()
            self._start()

    async def _try(self, queue: EndpointQueue, parcel: Parcel, unanswered: bool) -> None:
        target = queue.target
        dialect = self._dialects.get(target.dialect)
        said = {"body": parcel.body, "message": parcel.message}
        tried = await attempt(self._outbound, self._clock, target, **said, dialect=dialect)
        self._unanswered -= unanswered
        self._settled.append(Settled.of(parcel, target, tried, now=self._clock.now(), dice=self._dice))
        self._any_settled.set()
        queue.done(parcel, answered=tried.status is not None)
        self._offer(queue)
        if self._aside:
            self._offering.append(self._aside.popleft())

    async def _settle(self) -> None:
        """Write results, those of a moment in one transaction."""
        while True:
            await self._any_settled.wait()
            self._any_settled.clear()
            await asyncio.sleep(GATHER)
            try:
                await self._settle_some()
            except Unavailable:
                log.warning("webhook results wait for the database")
                await asyncio.sleep(RETRY)
            if self._settled:
                self._any_settled.set()

    async def _settle_some(self) -> None:
        batch = list(islice(self._settled, SETTLE_AT_ONCE))
        async with self._database.platform() as db:
            switched_off = await store.settle(db, self._clock, batch)
        for each in batch:
            self._settled.popleft()
            self._let_go(each.parcel)
        for endpoint_id in switched_off:
            log.warning("webhook endpoint switched off", endpoint=endpoint_id)
            self._drop(endpoint_id)

    def _let_go(self, parcel: Parcel) -> None:
        self._held -= 1
        queue = self._queues.get(parcel.endpoint_id)
        if queue is None:
            return
        queue.let_go(parcel)
        if queue.is_low:
            self._wanted.set()
        if queue.is_idle:
            del self._queues[parcel.endpoint_id]

    def _drop(self, endpoint_id: int) -> None:
        """Forget what waits for an endpoint that is gone; tries under way end by themselves."""
        queue = self._queues.pop(endpoint_id, None)
        if queue is not None:
            self._held -= queue.empty()

    async def _keep(self) -> None:
        """Bring into memory what waits in the database: at the start, when a queue has run low, and when due."""
        loop = asyncio.get_running_loop()
        looked = forgotten = 0.0
        while True:
            try:
                if loop.time() - looked >= LOOK_EVERY:
                    looked = loop.time()
                    await self._refresh()
                    await self._load_later()
                await self._load_first()
                if loop.time() - forgotten >= FORGET_EVERY:
                    async with self._database.platform() as db:
                        if await store.forget(db, now=self._clock.now()) < store.FORGET_AT_ONCE:
                            forgotten = loop.time()
            except Unavailable:
                log.warning("webhook deliveries not loaded")
                await asyncio.sleep(RETRY)
            self._start()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._wanted.wait()
            self._wanted.clear()

    async def _refresh(self) -> None:
        """Read the endpoints in memory again: a new address, a new secret, switched off or deleted."""
        known = list(self._queues)
        if not known:
            return
        async with self._database.platform() as db:
            active = {endpoint.id: endpoint for endpoint in await store.find_active(db, known)}
        for endpoint_id in known:
            if endpoint_id not in active:
                self._drop(endpoint_id)
            elif endpoint_id in self._queues:
                self._queues[endpoint_id].target = open_target(self._box, active[endpoint_id])

    async def _load_later(self) -> None:
        room = MOST_HELD - self._held
        if room <= 0:
            return
        held = [parcel_id for queue in self._queues.values() for parcel_id in queue.later.held]
        full = [endpoint_id for endpoint_id, queue in self._queues.items() if queue.later.size >= LATER_FULL]
        async with self._database.platform() as db:
            due = await store.load_later(db, held=held, full=full, now=self._clock.now(), most=room)
            targets = await self._targets(db, {parcel.endpoint_id for parcel in due})
        for parcel in due:
            if parcel.endpoint_id in targets:
                self._put(self._queue(targets[parcel.endpoint_id]), parcel)

    async def _load_first(self) -> None:
        if self._doubts > self._dispelled:
            await self._find_first()
        for endpoint_id, queue in list(self._queues.items()):
            while queue.is_low and (limit := queue.room(MOST_HELD - self._held)):
                queue.missed = False
                async with self._database.platform() as db:
                    found = await store.load_first(db, endpoint_id, after=queue.last_id, limit=limit)
                if self._queues.get(endpoint_id) is not queue:
                    break
                for parcel in found:
                    self._put(queue, parcel)
                queue.spilled = queue.missed or len(found) == limit
                if queue.is_idle:
                    del self._queues[endpoint_id]
                self._start()

    async def _find_first(self) -> None:
        """What was planned and not tried, by an earlier leader or by a commit that was not heard of."""
        doubts = self._doubts
        async with self._database.platform() as db:
            targets = await self._targets(db, await store.endpoints_with_first(db))
        for target in targets.values():
            self._queue(target).spill()
        self._dispelled = doubts

    async def _targets(self, db: Db, ids: set[int]) -> dict[int, Target]:
        if not ids:
            return {}
        return {endpoint.id: open_target(self._box, endpoint) for endpoint in await store.find_active(db, ids)}

    async def _stop(self) -> None:
        """End within a moment: what has arrived is written, what has not is sent again by the next leader."""
        self._closing = True
        if self._running:
            await asyncio.wait(self._running, timeout=GRACE)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                while self._settled:
                    await self._settle_some()
