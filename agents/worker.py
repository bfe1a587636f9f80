"""The worker's main process: registers with LiveKit, accepts jobs, keeps the uplink and the spool."""

import asyncio
import importlib
import math
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from livekit.agents import AgentServer, AssignmentTimeoutError, JobRequest
from pydantic import ValidationError

from agents import metrics
from agents.begun import Begun
from agents.calling import DispatchMetadata, PersonaJob
from agents.contract import AGENT_NAME, Command, EndReason, Exchange, LineSpoken, Submission
from agents.desk import JobDesk
from agents.ended import Untold, last_reports
from agents.folders import OwnFolder
from agents.job import LAZY, entrypoint, prewarm, share
from agents.pulse import Pulse
from agents.reporter import BEAT
from agents.settings import WorkerSettings, read_settings
from agents.spool import Spool
from agents.timing import SILENCE, moment
from agents.tracing import CallTraces
from agents.uplink import ExchangeRefused, Uplink
from guard import exposition, logs, traces

CLAIMED_WITHIN = 30.0
"""Seconds from accepting a job until a process has it. Where many come at once, as when another worker has died, each
waits for a process to be started after the one before: to give one up and begin anew would make all of them later."""
STARTED_WITHIN = 10.0
"""Seconds from when it has the answer to its ticket to its "started" report. A crash in an entrypoint ends with exit
code 0 and dead air, so silence is the only sign of it."""
ANSWERED_WITHIN = 60.0
"""Seconds in which the answer to a ticket is waited for: a control plane that is busy or away is no reason to give up a
process. By then the lease of one that was taken for exchanged is over."""
LAST_WORDS = 2.0
"""Seconds to take what a process that is no more has said."""
TOLD_WITHIN = 0.2
"""Seconds to tell LiveKit that no more jobs are taken."""
APART = 0.2
"""Seconds from one call that is handed on to the next: whoever takes them starts a process for each."""
LEAVE_WITHIN = 2.0
"""Seconds in which a process that is to hand its call on has said all and left the room; then it is killed."""

log = structlog.get_logger()


@dataclass(slots=True)
class Taken:
    """A job that was accepted: what is known of it until it is over."""

    exchange: asyncio.Task[PersonaJob]
    claimed: asyncio.Event = field(default_factory=asyncio.Event)
    """Its process is there."""
    started: asyncio.Event = field(default_factory=asyncio.Event)
    """It has reported something."""
    waits_since: float | None = field(default_factory=time.monotonic)
    """When it was accepted, on the monotonic clock; None once its call has begun."""
    given_up: EndReason | None = None
    begun: Begun = field(default_factory=Begun)


class Worker:
    """One AgentServer and everything around it."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.worker_id = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self.folder = OwnFolder(settings.spool_dir)
        self.spool = Spool(self.folder.path)
        self.uplink = Uplink(
            settings.control_plane_url,
            settings.worker_token.get_secret_value(),
            self.spool,
            worker_id=self.worker_id,
            capacity=settings.max_calls,
            calls=self._held,
            on_command=lambda command: self.desk.command(command),
            on_connected=self._tell_ready,
            on_transferred=lambda answer: self.desk.transferred(answer),
            figures=lambda: self.pulse.figures(),
        )
        self.desk = JobDesk(
            self.spool,
            fetch=self._fetch,
            submit=self.uplink.submit,
            ask=self.uplink.ask,
            on_report=self._on_report,
        )
        self.pulse = Pulse(
            self.spool,
            settings.spool_dir,
            kind="worker",
            places=settings.max_calls,
            taken=lambda: len(self._calls),
            draining=lambda: self._draining,
            knowledge=settings.knowledge_socket,
        )
        self.traces = CallTraces()
        self._calls: dict[str, Taken] = {}
        self._untold = Untold(self.spool)
        self._watches: set[asyncio.Task[None]] = set()
        self._draining = False
        self._evict: Callable[[str], bool] | None = None
        """Ends one call of a process that has others."""
        self._server = self._build_server()

    def _build_server(self) -> AgentServer:
        settings = self.settings
        options: dict[str, Any] = {
            "ws_url": settings.livekit_url,
            "api_key": settings.livekit_api_key,
            "api_secret": settings.livekit_api_secret.get_secret_value(),
            "host": "127.0.0.1",
            "port": 0,
            "setup_fnc": partial(prewarm, jobs_socket=self.folder.jobs_socket),
            # Imported once, before any process of a call is forked: each starts with them.
            "preload_modules": [entrypoint.__module__, *LAZY],
            "num_idle_processes": settings.idle_processes,
            "initialize_process_timeout": 60,
            # Counting is exact; a measure of the machine's load is late and calls a busy machine full at random.
            "load_fnc": lambda: len(self._calls) / settings.max_calls,
            # And `_on_request` refuses: the framework takes one job that is starting for a full worker.
            "load_threshold": math.inf,
            "session_end_timeout": 30,
            "drain_timeout": settings.drain_timeout,
        }
        server = self._build_dense(options) if settings.is_dense else AgentServer(**options)
        server.rtc_session(entrypoint, agent_name=AGENT_NAME, on_request=self._on_request)
        return server

    def _build_dense(self, options: dict[str, Any]) -> AgentServer:
        """A server whose calls share processes; where LiveKit's libraries are not as we know them, they do not."""
        settings = self.settings
        try:
            halls = importlib.import_module("agents.halls.server")
        except ImportError as error:
            log.error("no dense mode with these libraries: each call has a process of its own", reason=str(error))
            return AgentServer(**options)
        plan = halls.Plan(settings.calls_per_process, settings.max_calls, share)
        server = halls.HallServer(plan=plan, **options)
        self._evict = server.evict
        built: AgentServer = server
        return built

    async def run(self) -> None:
        """Work until SIGTERM, then let the running calls finish, and hand on those that do not in time."""
        registered, stop = asyncio.Event(), asyncio.Event()
        self._server.on("worker_registered", lambda *_: registered.set())
        self._server.on("worker_started", self._watch_processes)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        if self.settings.ready_file:
            self.settings.ready_file.unlink(missing_ok=True)  # of a process before us in the same pod
        await self.desk.open(self.folder.jobs_socket)
        server = asyncio.create_task(self._server.run(devmode=False))
        uplink = asyncio.create_task(self._connect_when(registered))
        stopping = asyncio.create_task(stop.wait())
        watching = asyncio.create_task(self._watch_signs_of_life())
        looking = asyncio.create_task(self.pulse.run())
        adopting = asyncio.create_task(self.folder.adopt(self.spool))
        working = (server, uplink, watching, looking, adopting)
        try:
            await asyncio.wait([*working, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                await asyncio.gather(*(task for task in working if task.done()))
            await self._drain()
            await self.spool.wait_until_acknowledged()
        finally:
            await self._server.aclose()
            ending = (*working, stopping, *self._watches)
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
            await self.desk.close()
            self.spool.close()
            self.folder.close()

    async def _drain(self) -> None:
        """Take nothing new, let the running calls finish, and hand on what is left at the end of the time."""
        log.info("draining", calls=len(self._calls))
        self._draining = True
        await self.uplink.retire()
        try:
            # The framework takes a limit of 0 for none; and it is to tell LiveKit in any case.
            async with asyncio.timeout(max(self.settings.drain_timeout, TOLD_WITHIN)):
                await self._server.drain(timeout=None)
        except TimeoutError:
            await self._hand_on()

    async def _hand_on(self) -> None:
        """Have every call end here as lost, so that another persona goes on with it on a worker that has a place."""
        log.warning("calls handed on at the end of the drain", calls=len(self._calls))
        left = list(self._calls)
        for job_id in left:
            self.desk.command(Command(action="end", job_id=job_id, reason="worker_lost"))
            await asyncio.sleep(min(APART, LEAVE_WITHIN / len(left)))
        if not await self._are_over(within=LEAVE_WITHIN):
            for job_id in list(self._calls):
                if not self._give_up(job_id, "worker_lost", alone=False):
                    self._over(job_id)  # nobody has claimed it: its process is refused, and its lease ends with us
            await self._are_over(within=LAST_WORDS)

    async def _are_over(self, *, within: float) -> bool:
        deadline = time.monotonic() + within
        while self._calls and time.monotonic() < deadline:  # noqa: ASYNC110 - for two seconds
            await asyncio.sleep(0.02)
        return not self._calls

    async def _connect_when(self, registered: asyncio.Event) -> None:
        """The control plane hears of a worker that can take calls, not of one that is starting."""
        await registered.wait()
        log.info("worker registered", worker=self.worker_id)
        await self.uplink.run()

    def _tell_ready(self) -> None:
        if self.settings.ready_file:
            self.settings.ready_file.write_text(str(os.getpid()))

    async def _on_request(self, request: JobRequest) -> None:
        try:
            metadata = DispatchMetadata.model_validate_json(request.job.metadata)
        except ValidationError:
            log.warning("dispatch without a ticket", job=request.id)
            metrics.OFFERS.labels("no_ticket").inc()
            await request.reject()
            return
        if self._draining or len(self._calls) >= self.settings.max_calls:
            metrics.OFFERS.labels("full").inc()
            await request.reject(terminate=False)
            return
        exchange = Exchange(
            ticket=metadata.ticket, job_id=request.id, room_name=request.room.name, room_sid=request.room.sid
        )
        metrics.OFFERS.labels("accepted").inc()
        self.traces.offered(request.id)
        taken = self._calls[request.id] = Taken(asyncio.create_task(self._exchange(exchange)))
        self._begin(self._watch_start(request.id, taken))
        try:
            await request.accept(name=metadata.name, identity=metadata.identity)
        except AssignmentTimeoutError:  # we were not heard in time: the job may be another worker's by now
            log.warning("job not assigned", job=request.id)
            self._over(request.id)
            taken.exchange.cancel()  # nothing is said of a job that goes on elsewhere

    def _begin(self, watch: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(watch)
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    async def _exchange(self, asked: Exchange) -> PersonaJob:
        job = await self.uplink.exchange(asked)
        self.traces.opened(asked.job_id, job)
        return job

    async def _fetch(self, job_id: str) -> PersonaJob:
        taken = self._calls.get(job_id)
        if taken is None:
            raise ExchangeRefused("this job is over")
        taken.claimed.set()
        return await asyncio.shield(taken.exchange)

    async def _watch_start(self, job_id: str, taken: Taken) -> None:
        try:
            async with asyncio.timeout(CLAIMED_WITHIN):
                await taken.claimed.wait()
            async with asyncio.timeout(ANSWERED_WITHIN):
                await asyncio.wait([taken.exchange])
            async with asyncio.timeout(STARTED_WITHIN):
                await taken.started.wait()
        except TimeoutError:
            if job_id not in self._calls or self._give_up(job_id, "not_started"):
                return
            self._over(job_id)  # and a process that claims it later is refused
            await self._settle(taken, "not_started")

    async def _settle(self, taken: Taken, reason: EndReason) -> bool:
        """Say for a job that says nothing itself that it is over; whether it was one.

        Where its ticket is still out, the answer is waited for: it may have been taken for exchanged already, and only
        who says so has another persona come before the lease runs out.
        """
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                job = await taken.exchange
        except (ExchangeRefused, TimeoutError):
            return False
        await self._fail(job, reason, taken.begun.cut_off())
        return True

    def _give_up(self, job_id: str, reason: EndReason, *, alone: bool = True) -> bool:
        """Kill the process of a job, which may be slow and not dead: another persona comes in its place, and of two
        the later one would stay. Whether there was one; the rest follows from its end. Others of its process go on, if
        it is to be given up `alone`."""
        log.warning("job given up", job=job_id, reason=reason)
        if taken := self._calls.get(job_id):
            taken.given_up = reason
        return self._evict(job_id) if self._evict is not None and alone else self.desk.kill(job_id)

    async def _watch_signs_of_life(self) -> None:
        looked_at = time.monotonic()
        while True:
            await asyncio.sleep(BEAT)
            before, looked_at = looked_at, time.monotonic()
            if looked_at - before > 2 * BEAT:
                self.desk.forgive()
            for job_id in self.desk.silent(SILENCE):
                if (taken := self._calls.get(job_id)) is not None and taken.given_up is None:
                    self._give_up(job_id, "worker_lost")

    async def _fail(self, job: PersonaJob, reason: EndReason, said: LineSpoken | None) -> None:
        """Say for a job what it cannot say itself any more: what it had begun to say, and that it is over."""
        for submission in last_reports(job, self.spool, reason, moment(), said):
            metrics.show_report(submission.report)
            await asyncio.to_thread(self.spool.keep, submission)
            await self.uplink.submit(submission)

    def _on_report(self, job_id: str, submission: Submission) -> None:
        if taken := self._calls.get(job_id):
            taken.started.set()
            taken.begun.note(submission.report)
        if submission.sequence:
            self._note(job_id, submission.report)
        if submission.report.get("type") == "call.ended.v1":
            self._untold.add(job_id, submission.session_id, submission.epoch)
            self._over(job_id)

    def _held(self) -> list[str]:
        """The calls that go on, and those of which not all is told: theirs is no lost worker, however long a control
        plane takes to hear of their end."""
        return [*self._calls, *self._untold.job_ids()]

    def _note(self, job_id: str, report: dict[str, Any]) -> None:
        """Have a report counted, and in the call's trace."""
        metrics.show_report(report)
        self.traces.reported(job_id, report)
        taken = self._calls.get(job_id)
        if taken is not None and taken.waits_since is not None and report.get("type") == "call.started.v1":
            metrics.BEGIN.observe(time.monotonic() - taken.waits_since)
            taken.waits_since = None

    def _over(self, job_id: str) -> None:
        self._calls.pop(job_id, None)
        self.traces.over(job_id)

    def _watch_processes(self) -> None:
        # The framework tells nobody when a job process dies; LiveKit itself notices after 21 s.
        self._server._proc_pool.on("process_closed", self._on_process_closed)

    def _on_process_closed(self, process: object) -> None:
        running = getattr(process, "running_job", None)
        taken = self._calls.get(running.job.id) if running is not None else None
        if running is None or taken is None:
            return
        self._begin(self._bury(running.job.id, taken))

    async def _bury(self, job_id: str, taken: Taken) -> None:
        """The process of a job is no more: unless that has ended, say so, after all that it said itself."""
        await self.desk.wait_for_end(job_id, within=LAST_WORDS)
        if job_id not in self._calls:
            return
        self._over(job_id)
        if await self._settle(taken, taken.given_up or "worker_lost"):
            log.warning("job process died in a call", job=job_id)


def main() -> None:
    """Run a worker until SIGTERM."""
    settings = read_settings(WorkerSettings, "worker")
    logs.configure(settings.log_format)
    try:
        traces.configure(
            settings.otel_exporter_otlp_endpoint, service="parley-worker", ratio=settings.otel_traces_sampler_arg
        )
    except traces.TracesMissingError as error:
        sys.exit(f"parley worker cannot start: {error}")
    asyncio.run(_run(settings))
    traces.close()


async def _run(settings: WorkerSettings) -> None:
    async with exposition.listening(settings.metrics_host, settings.metrics_port):
        await Worker(settings).run()
