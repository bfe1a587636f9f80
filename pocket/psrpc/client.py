"""The side that calls methods."""

import asyncio
import math
import time
from typing import Final, cast

from google.protobuf.message import DecodeError, Message

from pocket.psrpc import wire
from pocket.psrpc.bus import Bus
from pocket.psrpc.envelope_pb2 import ClaimRequest, ClaimResponse, Request, Response
from pocket.psrpc.errors import CODES, Code, RpcError
from pocket.psrpc.wire import MessageT

OFFERS_WITHIN: Final = 1.0
"""Seconds servers have to offer themselves (psrpc's DefaultAffinityTimeout)."""
BETTER_WITHIN: Final = 0.2
"""Seconds after the first offer in which a better one is waited for (psrpc's DefaultAffinityShortCircuit)."""
WAITING: Final = 100
"""Offers or answers to one request that are kept until they are looked at."""


class _Call:
    """What has come for one request."""

    def __init__(self) -> None:
        self.offers: asyncio.Queue[ClaimRequest] = asyncio.Queue(WAITING)
        self.answers: asyncio.Queue[Response] = asyncio.Queue(WAITING)


class Client:
    """Calls methods of a service, such as `IOInfo`. What goes wrong is an `RpcError`."""

    def __init__(self, bus: Bus, service: str) -> None:
        self.id = wire.new_id("CLI_")
        self._bus = bus
        self._service = service
        self._calls: dict[str, _Call] = {}
        self._opening = asyncio.Lock()
        self._open = False
        self._listeners = (
            (wire.claim_channel(service, self.id), self._hear_offer),
            (wire.response_channel(service, self.id), self._hear_answer),
        )

    async def request(
        self,
        method: str,
        message: Message,
        answer_type: type[MessageT],
        *,
        topic: str = "",
        timeout: float = 3.0,
        affinity: bool = False,
    ) -> MessageT:
        """Have one server do something; `timeout` seconds are for all of it.

        The first server to offer itself is taken; with `affinity` the best suited of those who do in a moment.
        Raise `RpcError`: "unavailable" when no server offers itself within a second or Redis is away, so that nothing
        was done; "deadline_exceeded" when the chosen server does not answer in time; or what it answered.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        await self._listen(timeout)
        request, call = self._new_call(message, end - loop.time(), multi=False)
        try:
            await self._publish(method, topic, request, end, unheard=OFFERS_WITHIN)
            choice = ClaimResponse(request_id=request.request_id)
            choice.server_id = await self._choose(call, min(end, loop.time() + OFFERS_WITHIN), affinity=affinity)
            channel = wire.choice_channel(self._service, method, topic)
            await self._bus.publish(channel, choice, within=end - loop.time())
            async with asyncio.timeout_at(end):
                return _read(await call.answers.get(), answer_type)
        except TimeoutError:
            raise RpcError("deadline_exceeded", "request timed out") from None
        finally:
            del self._calls[request.request_id]

    async def request_all(
        self, method: str, message: Message, answer_type: type[MessageT], *, topic: str = "", timeout: float = 3.0
    ) -> list[MessageT]:
        """Ask all servers (of a method defined as multi); return what they answered within `timeout` seconds.

        Nobody says how many there are, so the time is always used up. Raise `RpcError` when one of them answers
        with an error, and "unavailable" when nobody heard the question: that is not the same as no answers.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        await self._listen(timeout)
        request, call = self._new_call(message, end - loop.time(), multi=True)
        answers = []
        try:
            await self._publish(method, topic, request, end)
            async with asyncio.timeout_at(end):
                while True:
                    answers.append(_read(await call.answers.get(), answer_type))
        except TimeoutError:
            return answers
        finally:
            del self._calls[request.request_id]

    async def close(self) -> None:
        """Listen no longer; requests under way fail with "deadline_exceeded"."""
        async with self._opening:
            self._open = False
            for channel, listener in self._listeners:
                await self._bus.unsubscribe(channel, listener)

    async def _listen(self, timeout: float) -> None:
        """Subscribe to what comes back, before the first request; wait for a bus that would hear it."""
        async with self._opening:
            if not self._open:
                for channel, listener in self._listeners:
                    await self._bus.subscribe(channel, listener)
                self._open = True
        if not await self._bus.wait_connected(timeout):
            raise RpcError("unavailable", "Redis cannot be reached")

    def _new_call(self, message: Message, timeout: float, *, multi: bool) -> tuple[Request, _Call]:
        now = time.time_ns()
        request = Request(
            request_id=wire.new_id("REQ_"),
            client_id=self.id,
            sent_at=now,
            expiry=now + int(timeout * 1e9),
            multi=multi,
            raw_request=message.SerializeToString(),
        )
        call = self._calls[request.request_id] = _Call()
        return request, call

    async def _publish(
        self, method: str, topic: str, request: Request, end: float, *, unheard: float = math.inf
    ) -> None:
        channel = wire.request_channel(self._service, method, topic)
        within = end - asyncio.get_running_loop().time()
        if not await self._bus.publish(channel, request, within=within, unheard=unheard):
            raise RpcError("unavailable", "no response from servers")

    async def _choose(self, call: _Call, end: float, *, affinity: bool) -> str:
        """Return the server that shall do it; raise when none offers itself until `end` (loop time)."""
        best: ClaimRequest | None = None
        try:
            async with asyncio.timeout_at(end) as limit:
                while True:
                    offer = await call.offers.get()
                    if not affinity:
                        return offer.server_id
                    if best is None:
                        limit.reschedule(min(end, asyncio.get_running_loop().time() + BETTER_WITHIN))
                    if best is None or offer.affinity > best.affinity:
                        best = offer
        except TimeoutError:
            if best is not None:
                return best.server_id
        if not call.answers.empty():  # a server that could not read the request does not offer itself
            _read(call.answers.get_nowait(), ClaimResponse)
        raise RpcError("unavailable", "no response from servers")

    def _hear_offer(self, data: bytes) -> None:
        offer = wire.unwrap(data, ClaimRequest)
        call = self._calls.get(offer.request_id) if offer else None
        if offer and call and not call.offers.full():
            call.offers.put_nowait(offer)

    def _hear_answer(self, data: bytes) -> None:
        answer = wire.unwrap(data, Response)
        call = self._calls.get(answer.request_id) if answer else None
        if answer and call and not call.answers.full():
            call.answers.put_nowait(answer)


def _read(response: Response, answer_type: type[MessageT]) -> MessageT:
    """Return what a server answered; raise what it raised."""
    if response.error:
        code = cast("Code", response.code) if response.code in CODES else "unknown"
        raise RpcError(code, response.error, response.error_details)
    try:
        return answer_type.FromString(response.raw_response)
    except DecodeError:
        raise RpcError("malformed_result", "the answer could not be read") from None
