"""Processes of the control plane in a simulation: the real services, over a database and a LiveKit that may fail them.

A process dies between two things that it does: before a transaction, before or after its commit, before or after it
asks LiveKit. From then on whatever it had begun goes no further; transactions that are open are rolled back.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from livekit import api

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Unavailable
from control_plane.events.live import LiveBus
from control_plane.gate.idempotency import Attempt
from control_plane.gate.transaction import Transaction
from control_plane.livekit_hooks.service import take
from control_plane.plans.quota import Quota
from control_plane.secrets.box import SecretBox
from control_plane.sessions.capability import ReportSigner
from control_plane.sessions.repository import SessionRepository
from control_plane.sessions.schemas import SessionEnd
from control_plane.sessions.service import END_CALLS, SessionService
from control_plane.sessions.slots import StandingSigner, TicketSigner
from control_plane.telephony.dialling import DialService
from control_plane.telephony.schemas import Dial
from control_plane.telephony.switchboard import Switchboard
from control_plane.tokens.schemas import TokenAnswer, TokenRequest
from control_plane.tokens.service import TokenService
from control_plane.tokens.signer import TokenSigner
from control_plane.uplink.hub import UplinkHub
from control_plane.uplink.service import UplinkService
from knowledge.capability import derive_key
from tests.chaos.simulation_agenda import Dead

if TYPE_CHECKING:
    from tests.chaos.simulation_game import Simulation

SECRET_KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
MEDIA_SECRET = "devsecret-devsecret-devsecret-devsecret"
WORKER_TOKEN = "a worker's token of the tests"
_DEPTH: ContextVar[int] = ContextVar("transactions", default=0)
"""How many transactions are open around what is being done."""


class ProcessClock(Clock):
    """A process's clock: somebody may set it, and its sleeps are steps."""

    def __init__(self, process: "Process") -> None:
        self._process, self.ahead = process, timedelta()

    def now(self) -> datetime:
        return self._process.agenda.clock.at + self.ahead

    def monotonic(self) -> float:
        return self._process.agenda.now

    async def sleep(self, seconds: float) -> None:
        await self._process.agenda.sleep(seconds)
        await self._process.touch()


class Process:
    """One that may be killed or stand still; `doom` is how many things it does until it dies."""

    def __init__(self, simulation: "Simulation", name: str) -> None:
        self.simulation, self.name, self.agenda = simulation, name, simulation.agenda
        self.alive, self.doom = True, 0
        self._runs = asyncio.Event()
        self._runs.set()
        self.clock = ProcessClock(self)
        self.database: Any = Doors(self)
        self.media: Any = Seam(self, simulation.world)
        self.dialer: Any = Seam(self, simulation.world)

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        return not self._runs.is_set()

    def kill(self) -> None:
        """No last words."""
        if self.alive:
            self.alive = False
            self._runs.set()
            self.agenda.tell(f"{self.name} is dead")
            self.died()

    def died(self) -> None:
        """What others notice of it."""

    def freeze(self, seconds: float) -> None:
        """Stand still for so long."""
        self._runs.clear()
        self.agenda.at(seconds, f"{self.name} goes on", self._runs.set)

    def thaw(self) -> None:
        """Go on at once."""
        self._runs.set()

    async def touch(self) -> None:
        """About to do something outside of itself."""
        if self.frozen:
            busy, open_here = self.agenda.busy, _DEPTH.get()
            for _ in range(open_here):
                busy.end()
            await self._runs.wait()
            for _ in range(open_here):
                busy.begin()
        self.check()

    def check(self) -> None:
        """Something was done, or is about to be. Raises `Dead`."""
        if self.doom:
            self.doom -= 1
            if not self.doom:
                self.kill()
        if not self.alive:
            raise Dead


class Seam:
    """A server that is asked by a process."""

    def __init__(self, process: Process, server: Any) -> None:
        self._process, self._server = process, server

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._server, name)

        async def ask(*given: Any, **named: Any) -> Any:
            await self._process.touch()
            answer = await method(*given, **named)
            self._process.check()
            return answer

        return ask


class Doors:
    """The database as one process has it; the simulation may take it away, or lose the answer of a commit."""

    def __init__(self, process: Process) -> None:
        self._process, self._simulation = process, process.simulation

    def on_announcement(self, listener: Callable[[], None]) -> None:
        """Nobody is woken: all look by themselves."""

    def tenant(self, project_id: int) -> AbstractAsyncContextManager[Db]:
        """As `Database`."""
        return self._through(lambda: self._simulation.database.tenant(project_id))

    def platform(self) -> AbstractAsyncContextManager[Db]:
        """As `Database`."""
        return self._through(self._simulation.database.platform)

    async def one(self, sql: str, values: dict[str, Any]) -> Any:
        """As `Database`."""
        return await self._alone(self._simulation.database.one(sql, values))

    async def rows(self, project_id: int, sql: str, values: dict[str, Any]) -> list[Any]:
        """As `Database`."""
        rows: list[Any] = await self._alone(self._simulation.database.rows(project_id, sql, values))
        return rows

    async def _alone(self, asking: Coroutine[Any, Any, Any]) -> Any:
        try:
            await self._process.touch()
            self._demand()
        except BaseException:
            asking.close()
            raise
        with Open(self._simulation):
            answer = await asking
        self._process.check()
        self._lose()
        return answer

    @asynccontextmanager
    async def _through(self, door: Callable[[], AbstractAsyncContextManager[Db]]) -> AsyncIterator[Db]:
        await self._process.touch()
        self._demand()
        with Open(self._simulation):
            async with door() as db:
                committing = db.commit

                async def commit() -> None:
                    self._process.check()
                    self._demand()
                    await committing()
                    self._process.check()
                    self._lose()

                db.commit = commit  # type: ignore[method-assign]
                yield db

    def _demand(self) -> None:
        if self._simulation.database_away:
            raise Unavailable("The database cannot do this now; try again")

    def _lose(self) -> None:
        """The answer of what was done, now and then."""
        if self._simulation.answers_lost and self._process.agenda.dice.random() < self._simulation.answers_lost:
            raise Unavailable("The database cannot do this now; try again")


class Open:
    """For the time of a transaction."""

    def __init__(self, simulation: "Simulation") -> None:
        self._busy = simulation.agenda.busy

    def __enter__(self) -> None:
        _DEPTH.set(_DEPTH.get() + 1)
        self._busy.begin()

    def __exit__(self, *_: object) -> None:
        _DEPTH.set(_DEPTH.get() - 1)
        self._busy.end()


class Bus(LiveBus):
    """Redis between the processes; may be away, and loses what is on its way to one that dies."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def publish(self, channel: str, message: dict[str, Any]) -> bool:
        await self._process.touch()
        simulation = self._process.simulation
        if simulation.redis_away:
            return False
        for serve in simulation.serves:
            simulation.agenda.soon(f"{serve.name} hears {channel}", partial(serve.hear, channel, message), within=0.05)
        return True

    async def command(self, channel: str, message: dict[str, Any]) -> None:
        if not await self.publish(channel, message):
            raise Unavailable("Commands cannot be passed on now; try again")


class Serve(Process):
    """`parley serve`."""

    def __init__(self, simulation: "Simulation", name: str) -> None:
        super().__init__(simulation, name)
        self.hub, self.live = UplinkHub(), Bus(self)
        self.tickets = TicketSigner(SECRET_KEY)
        self.token_signer = TokenSigner("devkey", MEDIA_SECRET)
        self.uplink = UplinkService(
            self.database,
            self.clock,
            self.hub,
            self.live,
            ReportSigner(SECRET_KEY),
            StandingSigner(SECRET_KEY, "number"),
            StandingSigner(SECRET_KEY, "slot"),
            StandingSigner(SECRET_KEY, "meeting"),
            derive_key(WORKER_TOKEN),
            Switchboard(self.database, self.clock, self.dialer, self.media),
            SecretBox(SECRET_KEY),
            lease=simulation.settings.lease,
        )

    def died(self) -> None:
        self.simulation.uplinks_fail(self)

    @property
    def caller(self) -> Caller:
        """The customer's key."""
        return self.simulation.caller

    async def token(self, room: str, identity: str) -> TokenAnswer:
        """`POST /token`."""
        door = partial(self.database.tenant, self.caller.project_id)
        async with Transaction(self.database, door) as transaction:
            tokens = TokenService(
                transaction,
                self.caller,
                self.clock,
                self.token_signer,
                self.tickets,
                self.media,
                ws_url="ws://127.0.0.1",
                slot_lifetime=self.simulation.settings.slot_lifetime,
                upgrade_url="",
            )
            answer = await tokens.issue(TokenRequest(identity=identity, room=room))
            await transaction.commit()
        return answer

    async def dial(self, number: str) -> int:
        """`POST /sip/dial`; the id of the call."""
        async with self.database.tenant(self.caller.project_id) as db:
            quota = Quota(db, self.caller, self.clock.now(), "")
            service = DialService(db, self.database, self.caller, quota, self.clock, Attempt())
            placed = await service.dial(Dial(phone_number=number))
        return placed.call.id

    async def end(self, room: str) -> None:
        """`POST /sessions/{room}/end`."""
        async with self.database.tenant(self.caller.project_id) as db:
            sessions = SessionRepository(db, self.caller.project_id)
            await SessionService(db, self.caller, self.clock, sessions, self.live).end(room, SessionEnd())

    async def hook(self, hook: api.WebhookEvent) -> None:
        """`POST /livekit/webhook`."""
        async with self.database.platform() as db:
            await take(db, self.clock, hook)

    async def hear(self, channel: str, message: dict[str, Any]) -> None:
        """A message of the bus."""
        if self.alive and channel == END_CALLS:
            with suppress(Unavailable):  # as `LiveBus.hear`: what may be lost ends nobody
                await self.uplink.end_calls(message)
