"""The one connection of a worker, or of a bot host, to a control plane.

Up go tickets, reports and leases; down come jobs, verdicts and commands.
"""

import asyncio
from collections.abc import Callable

import structlog
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from agents import metrics
from agents.attendance import BotJob
from agents.calling import Message, PersonaJob
from agents.contract import (
    NOT_OF_THIS_VERSION,
    REPORT,
    TO_WORKER,
    Attend,
    Command,
    Exchange,
    Exchanged,
    Forget,
    Heartbeat,
    Hello,
    Submission,
    TransferAsked,
    Transferred,
    Verdict,
    Welcome,
)
from agents.figures import Figures
from agents.spool import Spool

HEARTBEAT = 3.0
RETRIES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Pauses between attempts to connect; the last one is repeated."""
SILENCE = 10.0
"""A control plane that answers no ping for this long is taken for dead."""
EXCHANGE_REPEAT = 1.0
"""Seconds after which an unanswered ticket is sent again."""
BEGINNINGS = ("call.ready.v1", "call.started.v1")
"""Reports that overtake those of other calls; so does the end of a job that never began, which has no others."""
WINDOW = 100
"""Reports on their way at a time. A control plane that is behind is not helped by more: they would wait there."""

Key = tuple[int, int, int]
"""Session, epoch and sequence of a report."""

log = structlog.get_logger()


class ExchangeRefused(Exception):
    """The control plane has no job for this ticket."""


class Uplink:
    """Keeps the connection, and repeats what was not answered when it comes back."""

    def __init__(
        self,
        url: str,
        token: str,
        spool: Spool,
        *,
        worker_id: str,
        capacity: int,
        calls: Callable[[], list[str]],
        on_command: Callable[[Command], None],
        on_connected: Callable[[], None],
        on_transferred: Callable[[Transferred], None] = lambda _: None,
        bots: int = 0,
        on_attend: Callable[[BotJob], None] = lambda _: None,
        figures: Callable[[], Figures | None] = lambda: None,
    ) -> None:
        self._url = url.replace("http", "ws", 1).rstrip("/") + "/uplink"
        self._token, self._spool, self._calls, self._on_command = token, spool, calls, on_command
        self._worker_id, self._capacity, self._on_connected = worker_id, capacity, on_connected
        self._on_transferred = on_transferred
        self._bots, self._on_attend, self._figures = bots, on_attend, figures
        self._socket: ClientConnection | None = None
        self._attempt = 0
        self._exchanges: dict[str, asyncio.Future[PersonaJob]] = {}
        self._first: dict[Key, Submission] = {}
        """Beginnings that are to be sent by this connection, before the others: people wait to be told so, and they are
        the first reports of their jobs."""
        self._rest: dict[Key, Submission] = {}
        self._flying: set[Key] = set()
        """Those that were sent and have no verdict."""
        self._for_later: set[Key] = set()
        """Those that the control plane of this connection is too old for; they are said again to the next."""
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Be connected until cancelled."""
        while True:
            try:
                async with connect(
                    self._url,
                    additional_headers={"Authorization": f"Bearer {self._token}"},
                    ping_interval=SILENCE / 2,
                    ping_timeout=SILENCE / 2,
                    open_timeout=5,
                    close_timeout=1,
                    max_size=2**22,
                    proxy=None,
                ) as socket:
                    await self._converse(socket)
            except (OSError, WebSocketException, TimeoutError, ValidationError) as error:
                log.warning("uplink interrupted", reason=str(error) or type(error).__name__)
            finally:
                self._socket = None
                metrics.UPLINK.set(0)
            await asyncio.sleep(RETRIES[min(self._attempt, len(RETRIES) - 1)])
            self._attempt += 1

    async def exchange(self, request: Exchange) -> PersonaJob:
        """The job behind a ticket; asks again until answered. Raises `ExchangeRefused`; the caller sets the limit."""
        answer = self._exchanges.setdefault(request.job_id, asyncio.get_running_loop().create_future())
        try:
            while not answer.done():
                await self._send(request)
                await asyncio.wait([answer], timeout=EXCHANGE_REPEAT)
            return answer.result()
        finally:
            self._exchanges.pop(request.job_id, None)

    async def submit(self, submission: Submission) -> None:
        """Send a report, if connected; a kept one is sent again until there is a verdict, also after a reconnect."""
        if not submission.sequence:
            await self._send(submission)
        elif self._socket is not None:
            self._queue_up(submission)
            self._moved.set()

    async def ask(self, asked: TransferAsked) -> None:
        """Send a question, if connected; its answer goes to `on_transferred`, or never comes."""
        await self._send(asked)

    async def retire(self) -> None:
        """Take no more calls: from now on the control plane counts no free place here."""
        self._capacity = 0
        await self._send(self._heartbeat())

    def _heartbeat(self) -> Heartbeat:
        return Heartbeat(calls=self._calls(), capacity=self._capacity, figures=self._figures())

    async def _converse(self, socket: ClientConnection) -> None:
        hello = Hello(worker_id=self._worker_id, capacity=self._capacity, calls=self._calls(), bots=self._bots)
        await socket.send(hello.model_dump_json())
        async with asyncio.timeout(SILENCE):  # pings are answered by who may be stuck above them
            first = TO_WORKER.validate_json(await socket.recv())
        if not isinstance(first, Welcome):
            raise WebSocketException("expected a welcome")
        self._socket, self._attempt = socket, 0
        self._flying.clear()
        self._for_later.clear()
        self._look()
        metrics.UPLINK.set(1)
        log.info("uplink stands")
        self._on_connected()
        tasks = [asyncio.create_task(work) for work in (self._listen(socket), self._beat(), self._send_reports())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, socket: ClientConnection) -> None:
        async for text in socket:
            self._hear(text)

    async def _send_reports(self) -> None:
        """First what had no answer when the connection was lost; the heart beats and verdicts are read meanwhile."""
        while True:
            while (queue := self._first or self._rest) and len(self._flying) < WINDOW:
                key = next(iter(queue))
                submission = queue.pop(key)
                self._flying.add(key)
                await self._send(submission)
            self._moved.clear()
            await self._moved.wait()

    def _look(self) -> None:
        """Queue what waits in the spool and is not on its way: what was there before, what was adopted since."""
        waiting = {_key(each): each for each in self._spool.waiting()}
        self._flying &= waiting.keys()
        self._first.clear()
        self._rest.clear()
        for submission in waiting.values():
            self._queue_up(submission)
        self._moved.set()

    def _queue_up(self, submission: Submission) -> None:
        key = _key(submission)
        if key not in self._flying and key not in self._for_later:
            report = submission.report
            is_first = report.get("type") in BEGINNINGS or report.get("reason") == "not_started"
            (self._first if is_first else self._rest)[key] = submission

    async def _beat(self) -> None:
        waited: set[Key] = set()
        while True:
            await asyncio.sleep(HEARTBEAT)
            await self._send(self._heartbeat())
            # What got no verdict in a whole beat met a control plane that could not keep it: say it again.
            for key in sorted(waited & self._flying):
                if (submission := self._spool.find(*key)) is not None:
                    await self._send(submission)
            self._look()
            waited = set(self._flying)

    def _hear(self, text: str | bytes) -> None:
        try:
            message = TO_WORKER.validate_json(text)
        except ValidationError:  # of a later version: what we do not know we cannot do
            log.warning("message not understood")
            return
        match message:
            case Exchanged() as answer:
                future = self._exchanges.get(answer.job_id)
                if future is None or future.done():
                    return
                if answer.job is not None:
                    future.set_result(answer.job)
                else:
                    future.set_exception(ExchangeRefused(answer.refused or "refused"))
            case Verdict() as verdict:
                self._judge(verdict)
            case Command() as command:
                self._on_command(command)
            case Transferred() as answer:
                self._on_transferred(answer)
            case Forget() as message:
                self._spool.forget(message.session_ids)
                self._look()
            case Attend() as attend:
                self._on_attend(attend.job)
            case Welcome():
                log.warning("second welcome ignored")

    def _judge(self, verdict: Verdict) -> None:
        key = verdict.session_id, verdict.epoch, verdict.sequence
        self._flying.discard(key)
        self._moved.set()
        if verdict.refused is None:
            self._spool.acknowledge(*key)
        elif self._is_too_new(verdict):
            log.warning("report waits for a later control plane", session=verdict.session_id)
            self._for_later.add(key)
        else:
            log.warning("report parked", session=verdict.session_id, reason=verdict.refused)
            self._spool.park(*key, verdict.refused)

    def _is_too_new(self, verdict: Verdict) -> bool:
        """Whether a report was refused by a control plane of an earlier version than ours: we can read it."""
        if not (verdict.refused or "").startswith(NOT_OF_THIS_VERSION):
            return False
        submission = self._spool.find(verdict.session_id, verdict.epoch, verdict.sequence)
        try:
            REPORT.validate_python(submission.report if submission else None)
        except ValidationError:
            return False
        return True

    async def _send(self, message: Message) -> None:
        if self._socket is None:
            return
        try:
            await self._socket.send(message.model_dump_json())
        except (OSError, WebSocketException):
            return  # `run` notices and repeats what matters


def _key(submission: Submission) -> Key:
    return submission.session_id, submission.epoch, submission.sequence
