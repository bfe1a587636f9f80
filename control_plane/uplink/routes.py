"""`/uplink`: one WebSocket per worker."""

import asyncio
import hmac
from collections.abc import Coroutine
from typing import Any

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from agents.contract import (
    FROM_WORKER,
    PROTOCOL_VERSION,
    Exchange,
    Heartbeat,
    Hello,
    Submission,
    TransferAsked,
    Welcome,
)
from control_plane.errors import Unavailable
from control_plane.uplink.hub import WorkerLink
from control_plane.uplink.inbox import Inbox
from control_plane.uplink.service import DESKS, UplinkService

HELLO_WITHIN = 5.0
SILENCE = 15.0
"""Seconds without a message (workers send a heartbeat every 3) after which the link is closed."""
AGAIN_AFTER = 1.0
"""Seconds until reports are tried again that could not be taken."""
REFUSED, OUTDATED, OVER = 4001, 4010, 4008
OURS_TO_CLOSE = 1012
"""What a server that is stopped says to its connections, and tells us of them (RFC 6455: service restart)."""

router = APIRouter()
log = structlog.get_logger()


@router.websocket("/uplink")
async def uplink(socket: WebSocket) -> None:
    """A worker's connection: `Authorization: Bearer PARLEY_WORKER_TOKEN`, then messages of `agents.contract`."""
    await socket.accept()
    expected = socket.app.state.settings.worker_token.get_secret_value()
    given = socket.headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), expected.encode()):
        await socket.close(REFUSED, "wrong worker token")
        return
    service: UplinkService = socket.app.state.uplink
    try:
        async with asyncio.timeout(HELLO_WITHIN):
            hello = FROM_WORKER.validate_json(await socket.receive_text())
    except (TimeoutError, ValidationError, WebSocketDisconnect, KeyError):
        await _close(socket, OUTDATED, "expected a hello of this protocol")
        return
    if not isinstance(hello, Hello) or hello.protocol not in (PROTOCOL_VERSION, PROTOCOL_VERSION - 1):
        await _close(socket, OUTDATED, f"this control plane speaks protocol {PROTOCOL_VERSION}")
        return
    link = WorkerLink(hello.worker_id, bots=hello.bots)
    service.hub.add(link)
    log.info("worker connected", worker=hello.worker_id, calls=len(hello.calls))
    try:
        await _serve(socket, service, link, hello)
    finally:
        current = service.hub.remove(link)
        log.info("worker disconnected", worker=hello.worker_id)
        if current and link.hung_up:
            await asyncio.shield(service.lost(link))


async def _serve(socket: WebSocket, service: UplinkService, link: WorkerLink, hello: Hello) -> None:
    link.send(Welcome())
    reports = Inbox()  # an exchange is what a caller waits for, and does not stand behind them
    running = [
        asyncio.create_task(_send(socket, link)),
        asyncio.create_task(_show(service, reports)),
        *(asyncio.create_task(_report(service, link, reports)) for _ in range(DESKS)),
        asyncio.create_task(_receive(socket, service, link, hello, reports)),
        asyncio.create_task(link.over.wait()),
    ]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.exception() and not isinstance(task.exception(), WebSocketDisconnect):
                log.warning("uplink failed", worker=link.worker_id, exc_info=task.exception())
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await _close(socket, OVER, "the link is over; connect again")


async def _send(socket: WebSocket, link: WorkerLink) -> None:
    while True:
        message = await link.outbox.get()
        await socket.send_text(message.model_dump_json())


async def _report(service: UplinkService, link: WorkerLink, reports: Inbox) -> None:
    while True:
        await reports.wait()
        async with service.desks:  # meanwhile more may have come to be taken together
            with reports.take() as submissions:
                verdicts = await service.submit(*submissions) if submissions else []
                for verdict in verdicts:
                    link.send(verdict)
                del submissions[: len(verdicts)]
        if submissions:
            await asyncio.sleep(AGAIN_AFTER)


async def _show(service: UplinkService, reports: Inbox) -> None:
    while True:
        await service.submit(await reports.shown.get())


async def _receive(socket: WebSocket, service: UplinkService, link: WorkerLink, hello: Hello, reports: Inbox) -> None:
    capacity = hello.capacity
    await _renew(service, link, capacity, Heartbeat(calls=hello.calls))
    under_way: set[asyncio.Task[None]] = set()
    asking: set[str] = set()
    """Jobs whose ticket is being exchanged: workers ask again each second, and one answer is enough."""

    def begin(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    async def exchange(asked: Exchange) -> None:
        try:
            await _answer(service, link, asked)
        finally:
            asking.discard(asked.job_id)

    try:
        begin(service.remind(link))
        while True:
            try:
                async with asyncio.timeout(SILENCE):
                    text = await socket.receive_text()
            except WebSocketDisconnect as end:
                link.hung_up = end.code != OURS_TO_CLOSE
                return
            except (TimeoutError, KeyError):  # KeyError: a binary frame, which we never send
                return
            try:
                message = FROM_WORKER.validate_json(text)
            except ValidationError:
                log.warning("message not understood", worker=link.worker_id)
                continue
            match message:
                case Submission():
                    reports.put(message)
                case Heartbeat():
                    capacity = capacity if message.capacity is None else message.capacity
                    await _renew(service, link, capacity, message)
                case Exchange():
                    if message.job_id not in asking:
                        asking.add(message.job_id)
                        begin(exchange(message))
                case TransferAsked():
                    begin(_answer(service, link, message))
                case Hello():
                    log.warning("second hello ignored", worker=link.worker_id)
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _renew(service: UplinkService, link: WorkerLink, capacity: int, beat: Heartbeat) -> None:
    try:
        for command in await service.renew(link.worker_id, capacity, beat.calls, beat.figures):
            link.send(command)
        link.counted = True
    except Unavailable:
        link.counted = False
        log.warning("leases not renewed", worker=link.worker_id)


async def _answer(service: UplinkService, link: WorkerLink, asked: Exchange | TransferAsked) -> None:
    try:
        if isinstance(asked, Exchange):
            if not link.counted:  # it would be refused for want of the very place it offers: it asks again
                return
            answer = await service.exchange(asked, link.worker_id)
            if answer is not None:
                link.send(answer)
        else:
            link.send(await service.transfer(asked))
    except Exception:  # the worker asks again, or gives up; its other calls go on
        log.exception("not answered", worker=link.worker_id, job=asked.job_id)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    try:
        await socket.close(code, reason)
    except (RuntimeError, WebSocketDisconnect):  # closed by the other side already
        return
