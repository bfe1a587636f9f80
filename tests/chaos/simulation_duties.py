"""`parley jobs` in a simulation: the duties of its loops, each done when it is its turn, by the process that leads."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from control_plane.analysis.making import Analyst
from control_plane.bots.watching import BotWatch
from control_plane.clock import Sight
from control_plane.db.leadership import Lock
from control_plane.errors import PlatformError
from control_plane.events.sequencer import Sequencer
from control_plane.jobs.queue import AT_ONCE, JobRunner
from control_plane.rooms.retiring import SHUT
from control_plane.secrets.box import SecretBox
from control_plane.sessions.ending import ANALYSE, CLOSE_ROOM, GIVE_UP, close_room
from control_plane.sessions.slots import StandingSigner
from control_plane.sessions.watch import LeaseWatch, give_up
from control_plane.sessions.winding import cut_off
from control_plane.supervisor.dispatch import redispatch
from control_plane.supervisor.forgetting import forget
from control_plane.supervisor.loops import PATIENCE
from control_plane.supervisor.parting import Parting
from control_plane.supervisor.reconciler import Reconciler
from control_plane.telephony.placing import CallPlacer
from control_plane.telephony.sweeping import cut_longest, give_up_unattended, hang_up_leftovers, sweep_calls
from control_plane.telephony.switchboard import Switchboard
from control_plane.webhooks.deliverer import Deliverer
from control_plane.webhooks.planner import Planner
from guard.outbound import Answer, NotAnswered
from sip.dialer import SipAwayError
from tests.chaos.simulation_agenda import Work
from tests.chaos.simulation_processes import SECRET_KEY, Process, Seam

if TYPE_CHECKING:
    from tests.chaos.simulation_game import Simulation

STANDSTILL = 10.0
"""Seconds after which a leader that stands still leads no more."""


class Receivers:
    """Customers' servers, and the network before them."""

    def __init__(self, simulation: "Simulation") -> None:
        self.simulation = simulation
        self.failing = 0.0
        """How probable it is that a try fails."""
        self.received: dict[str, dict[str, bytes]] = {}
        """Bodies by their ids, for each URL."""

    async def find(self, host: str) -> list[str]:
        """As `Outbound`, for trunks."""
        return ["127.0.0.1"]

    async def send(self, method: str, url: str, *, body: bytes, headers: dict[str, str]) -> Answer:
        """As `Outbound`."""
        dice = self.simulation.agenda.dice
        fails = dice.random() < self.failing
        kind = dice.randrange(4) if fails else 0
        if kind == 1:
            await self.simulation.agenda.sleep(15)
            raise NotAnswered("did not answer in time")
        if kind == 2:
            raise NotAnswered("refused the connection")
        got = self.received.setdefault(url, {})
        message = headers["webhook-id"]
        if got.setdefault(message, body) != body:
            self.simulation.agenda.fault(f"{url} was sent two bodies as {message}")
        if kind == 3:
            raise NotAnswered("broke the connection off")  # it has taken it all the same
        return Answer(500 if fails else 200, {}, b"")  # type: ignore[arg-type]


class Jobs(Process):
    """`parley jobs`."""

    def __init__(self, simulation: "Simulation", name: str) -> None:
        super().__init__(simulation, name)
        settings, database, clock = simulation.settings, self.database, self.clock
        self.began, self.box, sight = clock.monotonic(), SecretBox(SECRET_KEY), Sight(clock)
        self.leases = LeaseWatch(database, clock, lease=settings.lease)
        self.reconciler = Reconciler(database, self.media, clock)
        self.outbound: Any = Seam(self, simulation.receivers)
        self.placer = CallPlacer(database, clock, self.media, self.dialer, self.outbound)
        self.bots = BotWatch(database, clock, self.box, longest=settings.recordings_longest)
        held, tickets = settings.slot_lifetime, StandingSigner(SECRET_KEY, "slot")
        switchboard = Switchboard(database, clock, self.dialer, self.media)
        parting = Parting(database, clock, self.media, switchboard, tickets)
        work = {CLOSE_ROOM: self._close_room, SHUT: self._close_room, ANALYSE: self._analyse, GIVE_UP: parting.handle}
        self.runner = JobRunner(database, clock, work)
        self.analyst = Analyst(database, clock, None, None)  # type: ignore[arg-type]
        self.planner = Planner(database, clock, self.box)
        self.deliverer: Deliverer | None = None
        self._at: set[str] = set()
        self.duties: list[tuple[float, Lock | None, str, Work]] = [
            (1.0, Lock.BRING_BACK, "misses jobs", self._find_lost),
            (1.0, Lock.BRING_BACK, "gives up", partial(give_up, database, clock)),
            (
                1.0,
                Lock.BRING_BACK,
                "dispatches again",
                partial(redispatch, database, self.media, clock, tickets, slot_lifetime=held),
            ),
            (3.0, Lock.SWEEP, "cuts off", partial(cut_off, database, clock)),
            (10.0, Lock.SWEEP, "sweeps bots", self.bots.sweep),
            (3.0, Lock.SWEEP, "sweeps calls", partial(sweep_calls, database, clock)),
            (3.0, Lock.SWEEP, "hangs up", partial(hang_up_leftovers, database, clock, self.dialer)),
            (3.0, Lock.SWEEP, "cuts the longest", partial(cut_longest, database, clock, self.dialer)),
            (3.0, Lock.SWEEP, "gives up calls", partial(give_up_unattended, database, clock, self.dialer, sight)),
            (4.0, Lock.RECONCILE, "reconciles", self.reconciler.reconcile),
            (60.0, None, "forgets", partial(forget, database, clock)),
            (1.0, Lock.SEQUENCER, "stamps", self._stamp),
            (1.5, None, "works off jobs", self._work_off),
            (1.0, None, "places calls", self._place),
            (1.5, Lock.WEBHOOKS, "delivers", self._deliver),
        ]

    def begin(self) -> None:
        """Do all duties again and again."""
        for seconds, lock, label, duty in self.duties:
            pace = self.simulation.watching if label in ("misses jobs", "gives up") else self.simulation.pace
            self._again(seconds, pace, lock, label, duty)

    def died(self) -> None:
        if self.deliverer is not None:
            for task in self.deliverer._running:
                task.cancel()

    def _again(self, seconds: float, pace: Callable[[], float], lock: Lock | None, label: str, duty: Work) -> None:
        def again() -> None:
            if not self.alive:
                return
            self.agenda.at(seconds * pace() * self.agenda.dice.uniform(0.8, 1.2), "", again)
            if label not in self._at and (lock is None or self._leads(lock)):
                self.agenda.at(0, "", lambda: self._attempt(label, duty))

        self.agenda.at(self.agenda.dice.uniform(0, seconds), "", again)

    async def _attempt(self, label: str, duty: Work) -> None:
        """A duty that is ours; told where there was something to do."""
        self._at.add(label)
        try:
            await self.touch()
            doing = duty()
            done = await doing if doing is not None else None
            if done:
                self.agenda.tell(f"{self.name} {label}: {done}")
        except (PlatformError, SipAwayError) as error:
            self.agenda.tell(f"{self.name} {label}, in vain: {error}")
        finally:
            self._at.discard(label)

    def _leads(self, lock: Lock) -> bool:
        """Whether this process holds a lock, which it takes where its holder is dead, or stands still for long."""
        leaders, now = self.simulation.leaders, self.agenda.now
        holder, seen = leaders.get(lock, (self, 0.0))
        if holder is not self and holder.alive and now - seen < STANDSTILL:
            return False
        if holder is not self and lock == Lock.WEBHOOKS:
            self.deliverer = None
        if not self.frozen:
            leaders[lock] = (self, now)
        return not self.frozen

    async def _find_lost(self) -> int:
        if self.clock.monotonic() - self.began <= PATIENCE:
            return 0
        await self.simulation.show_hearing()
        return await self.leases.sweep()

    async def _stamp(self) -> int:
        if self.simulation.database_away:
            return 0
        with self.simulation.open():
            return await Sequencer("").stamp(self.simulation.stamping)

    async def _work_off(self) -> None:
        for job in await self.runner._claim(AT_ONCE):
            self.agenda.at(
                0.001,
                f"{self.name} does {job.kind} {job.payload}",
                partial(self.runner._do, job.id, job.kind, job.payload, job.attempts),
            )

    async def _place(self) -> None:
        for call_id in await self.placer.claim():
            self.agenda.at(0.001, f"{self.name} places call {call_id}", partial(self._guarded, call_id))

    async def _guarded(self, call_id: int) -> None:
        try:
            await self.placer.place(call_id)
        except PlatformError as error:  # its watch runs out, and the sweep settles it
            self.agenda.tell(f"call {call_id} is left: {error.message}")

    async def _deliver(self) -> int:
        if self.deliverer is None:
            self.deliverer = Deliverer(self.database, self.clock, self.box, self.outbound, dice=self.agenda.dice.random)
        deliverer = self.deliverer
        try:
            targets, parcels, _ = await self.planner.plan()
            deliverer._accept(targets, parcels)
        except PlatformError:
            deliverer._doubts += 1
            raise
        await deliverer._refresh()
        await deliverer._load_later()
        await deliverer._load_first()
        deliverer._start()
        if deliverer._settled:
            await deliverer._settle_some()
        return len(parcels)

    async def _close_room(self, payload: dict[str, Any]) -> None:
        await close_room(self.database, self.clock, self.media, payload)

    async def _analyse(self, payload: dict[str, Any]) -> None:
        await self.analyst.analyse(payload["session_id"], payload["wish"])
