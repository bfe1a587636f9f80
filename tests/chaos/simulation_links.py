"""Uplinks in a simulation: the wire between a worker and a control plane, and who is at its ends."""

import asyncio
from typing import TYPE_CHECKING

from agents.contract import AnyFromWorker, AnyToWorker, Exchange, Heartbeat, Submission, Welcome
from agents.uplink import SILENCE as NO_PONG
from control_plane.errors import Unavailable
from control_plane.uplink.hub import WorkerLink
from control_plane.uplink.routes import SILENCE
from tests.chaos.simulation_processes import Serve

if TYPE_CHECKING:
    from tests.chaos.simulation_workers import Worker

CAPACITY = 4
"""Calls that a worker takes at once."""


class Link:
    """An uplink that stands: what is sent comes in order, later, or never where the link breaks."""

    def __init__(self, worker: "Worker", serve: Serve) -> None:
        self.worker, self.serve, self.agenda = worker, serve, worker.agenda
        self.hub = WorkerLink(worker.worker_id)
        self.open = self.heard = True
        """Whether the worker's end stands, and the control plane's."""
        self.hole = 0.0
        """Until when nothing gets through."""
        self.last_heard = self.agenda.now
        self._up = self._down = 0.0
        self._reports = asyncio.Lock()
        serve.hub.add(self.hub)
        self.hub.send(Welcome())

    def say(self, message: AnyFromWorker | None) -> None:
        """Send something up; None is the beginning."""
        if self.open:
            self._up = self._due(self._up)
            self.agenda.at(self._up - self.agenda.now, self._label(message), lambda: self._arrive(message))

    def flush(self) -> None:
        """Send down what waits to be sent."""
        while not self.hub.outbox.empty():
            message = self.hub.outbox.get_nowait()
            if self.heard and self.serve.alive:
                self._down = self._due(self._down)
                self.agenda.at(self._down - self.agenda.now, "", lambda message=message: self._come(message))  # type: ignore[misc]

    def reset(self) -> None:
        """The network breaks it; both ends notice."""
        self.worker_closed()
        self.worker.lost(self)

    def worker_closed(self) -> None:
        """The worker's end is gone, and the control plane hears of that."""
        self.open = False
        if self.agenda.now >= self.hole:
            self.agenda.soon(f"{self.serve.name} sees the link of {self.worker.worker_id} closed", self._closed)

    def look(self) -> None:
        """Each end gives up another one that is silent."""
        if self.heard and self.agenda.now - self.last_heard > SILENCE and not self.serve.frozen:
            self.heard = False
            self.serve.hub.remove(self.hub)
        if self.open and self.agenda.now < self.hole and self.agenda.now - self.last_heard > NO_PONG:
            self.open = False
            self.worker.lost(self)
        if self.open and not self.heard:
            self.reset()

    async def _closed(self) -> None:
        await self.serve.touch()
        self.heard = False
        if self.serve.hub.remove(self.hub):
            await self.serve.uplink.lost(self.hub)

    def _due(self, last: float) -> float:
        return max(last, self.hole, self.agenda.now + self.agenda.dice.choice((0.002, 0.01, 0.05, 0.3)))

    async def _arrive(self, message: AnyFromWorker | None) -> None:
        if self.agenda.now < self.hole:
            self.agenda.at(self.hole - self.agenda.now, self._label(message), lambda: self._arrive(message))
            return
        if not self.heard or not self.serve.alive:
            return
        self.last_heard = self.agenda.now
        uplink, worker = self.serve.uplink, self.worker
        await self.serve.touch()
        try:
            match message:
                case Submission():
                    async with self._reports:
                        verdicts = await uplink.submit(message)
                    for verdict in verdicts:
                        self.hub.send(verdict)
                case Exchange():
                    answer = await uplink.exchange(message, worker.worker_id)
                    if answer is not None:
                        self.hub.send(answer)
                case Heartbeat() | None:
                    calls = worker.calls_said if message is None else message.calls
                    for command in await uplink.renew(worker.worker_id, CAPACITY, calls):
                        self.hub.send(command)
        except Unavailable:
            return

    def _come(self, message: AnyToWorker) -> None:
        if self.agenda.now < self.hole:
            self.agenda.at(self.hole - self.agenda.now, "", lambda: self._come(message))
        elif self.open and self.worker.link is self:
            self.worker.later(0, "", lambda: self.worker.hear(message))

    def _label(self, message: AnyFromWorker | None) -> str:
        name = self.worker.worker_id
        match message:
            case Submission(report=report, session_id=session, epoch=epoch, sequence=sequence):
                return f"{name} tells {report['type']} {session}/{epoch}/{sequence}"
            case Exchange(job_id=job_id):
                return f"{name} asks for {job_id}"
        return f"{name} beats" if message else f"{name} connects to {self.serve.name}"
