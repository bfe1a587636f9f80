"""The side that offers methods.

A request goes through up to three gates before its handler runs, each as the method's definition says:

    queue      the first of all servers to lock it in Redis goes on
    affinity   a server that says less than 0 is silent
    claim      the server offers itself; the client chooses one of those who did

The gates end with the request's expiry. The handler does not: what it answers is published whenever it is ready.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog
from google.protobuf.message import DecodeError, Message

from pocket.psrpc import wire
from pocket.psrpc.bus import Bus, Listener
from pocket.psrpc.envelope_pb2 import ClaimRequest, ClaimResponse, Request, Response
from pocket.psrpc.errors import RpcError
from pocket.psrpc.wire import MessageT

AT_ONCE: Final = 1000
"""Requests a server has in hand at most; what comes on top is left to other servers."""

log = structlog.get_logger()


@dataclass(eq=False)
class _Method:
    """A method as it is served, and the requests that wait for their client's choice."""

    name: str
    topic: str
    handler: Callable[[Any], Awaitable[Message]]
    request_type: type[Message]
    queue: bool
    claim: bool
    affinity: Callable[[Any], float] | None
    listeners: list[tuple[str, Listener]] = field(default_factory=list)
    choices: dict[str, asyncio.Future[str]] = field(default_factory=dict)

    def hear_choice(self, data: bytes) -> None:
        """Pass on which server a client has chosen."""
        chosen = wire.unwrap(data, ClaimResponse)
        choice = self.choices.get(chosen.request_id) if chosen else None
        if chosen and choice and not choice.done():
            choice.set_result(chosen.server_id)


class Server:
    """One instance of a service, such as `SIPInternal`."""

    def __init__(self, bus: Bus, service: str) -> None:
        self.id = wire.new_id("SRV_")
        self._bus = bus
        self._service = service
        self._methods: dict[tuple[str, str], _Method] = {}
        self._working: dict[str, asyncio.Task[None]] = {}

    async def serve(
        self,
        method: str,
        handler: Callable[[MessageT], Awaitable[Message]],
        request_type: type[MessageT],
        *,
        topic: str = "",
        queue: bool = True,
        claim: bool = True,
        affinity: Callable[[MessageT], float] | None = None,
    ) -> None:
        """Offer a method; returns when requests arrive, or at once while Redis is away.

        `queue` and `claim` must be what the method's definition says, since its clients act on it: both for ordinary
        methods, none for those that all servers answer. Methods with `affinity` are never queued: 1 is as well suited
        as can be, below 0 cannot. A handler raises `RpcError` to say what is wrong; of any other exception the caller
        learns no more than "internal". Raise `ValueError` when the method is served already with this topic.
        """
        if (method, topic) in self._methods:
            raise ValueError(f"{method} is served already")
        served = _Method(method, topic, handler, request_type, queue and affinity is None, claim, affinity)
        self._methods[method, topic] = served
        if claim:  # before requests are heard, so that no choice is missed
            served.listeners.append((wire.choice_channel(self._service, method, topic), served.hear_choice))
        served.listeners.append((wire.request_channel(self._service, method, topic), partial(self._hear, served)))
        for channel, listener in served.listeners:
            await self._bus.subscribe(channel, listener)

    async def withdraw(self, method: str, topic: str = "") -> None:
        """Offer a method no longer. Handlers that run go on; requests without a handler yet are left to others."""
        served = self._methods.pop((method, topic), None)
        if served is None:
            return
        for choice in served.choices.values():
            choice.cancel()
        for channel, listener in reversed(served.listeners):
            await self._bus.unsubscribe(channel, listener)

    async def close(self) -> None:
        """Withdraw everything and end the handlers that run; their callers hear "canceled"."""
        for method, topic in tuple(self._methods):
            await self.withdraw(method, topic)
        tasks = tuple(self._working.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _hear(self, method: _Method, data: bytes) -> None:
        request = wire.unwrap(data, Request)
        if request is None or _left(request) <= 0 or request.request_id in self._working:
            return
        if len(self._working) >= AT_ONCE:
            log.warning("a request is left to others: there are too many", service=self._service, method=method.name)
            return
        task = asyncio.create_task(self._work(method, request, data))
        self._working[request.request_id] = task
        task.add_done_callback(lambda _: self._working.pop(request.request_id, None))

    async def _work(self, method: _Method, request: Request, data: bytes) -> None:
        if method.queue and not await self._bus.lock(data):
            return
        response = Response(request_id=request.request_id, server_id=self.id)
        try:
            message = method.request_type.FromString(request.raw_request)
        except DecodeError:
            _refuse(response, RpcError("malformed_request", "the request could not be read"))
        else:
            if method.claim and not await self._chosen(method, request, message):
                return
            await self._run(method, request, message, response)
        await self._answer(request, response, within=_left(request))

    async def _chosen(self, method: _Method, request: Request, message: Message) -> bool:
        """Offer this server for a request; tell whether the client took it."""
        affinity = 1.0
        if method.affinity is not None:
            try:
                affinity = method.affinity(message)
            except Exception:
                log.exception("an affinity failed", service=self._service, method=method.name)
                return False
        if affinity < 0:
            return False
        claim = ClaimRequest(request_id=request.request_id, server_id=self.id, affinity=affinity)
        choice = method.choices[request.request_id] = asyncio.get_running_loop().create_future()
        try:
            channel = wire.claim_channel(self._service, request.client_id)
            if await self._bus.publish(channel, claim, within=_left(request)):
                await asyncio.wait([choice], timeout=_left(request))
        finally:
            del method.choices[request.request_id]
        return choice.done() and not choice.cancelled() and choice.result() == self.id

    async def _run(self, method: _Method, request: Request, message: Message, response: Response) -> None:
        """Have the handler write into the response what it returns or raises."""
        try:
            response.raw_response = (await method.handler(message)).SerializeToString()
        except RpcError as error:
            _refuse(response, error)
        except asyncio.CancelledError:
            _refuse(response, RpcError("canceled", "the service ends"))
            await self._answer(request, response, within=0.0)
            raise
        except Exception:
            log.exception("a method failed", service=self._service, method=method.name)
            _refuse(response, RpcError("internal", "internal error"))

    async def _answer(self, request: Request, response: Response, *, within: float) -> None:
        """Publish a response, at least once and until it is heard: the client may have lost Redis meanwhile."""
        response.sent_at = time.time_ns()
        channel = wire.response_channel(self._service, request.client_id)
        if not await self._bus.publish(channel, response, within=within):
            log.warning("nobody heard an answer", service=self._service)


def _refuse(response: Response, error: RpcError) -> None:
    response.error, response.code = error.message or error.code, error.code
    for detail in error.details:
        response.error_details.add().Pack(detail)


def _left(request: Request) -> float:
    """Seconds until a request expires."""
    return (request.expiry - time.time_ns()) / 1e9
