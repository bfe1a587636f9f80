"""The service: what livekit-server asks of it, what phones ask of it, and the clock of all calls."""

import asyncio
import dataclasses
import secrets
import ssl
import time
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Final

import structlog
from google.protobuf.empty_pb2 import Empty

from pocket.bridge import requests
from pocket.bridge.call import Call, Ending
from pocket.bridge.inbound import Ringing
from pocket.bridge.outbound import Dialling, target_of
from pocket.bridge.outcomes import CallFailedError
from pocket.bridge.protobufs import rpc_sip_pb2 as rpc
from pocket.bridge.settings import Settings
from pocket.bridge.tokens import make_token
from pocket.bridge.transfer import transfer
from pocket.networks import read_networks
from pocket.psrpc import Bus, Client, RpcError, Server
from pocket.rooms.native import NativeAudio
from pocket.rtp.ports import Ports
from pocket.sip.admission import Rate
from pocket.sip.agent import Listening, UserAgent
from pocket.sip.digest import Challenges
from pocket.sip.message import Request
from pocket.sip.transactions import ServerTransaction

log = structlog.get_logger()

TICK: Final = 0.02
STALLED: Final = 0.1
"""Seconds behind after which the clock starts anew: a burst of old audio helps nobody."""
BYES_WITHIN: Final = 5.0
"""Seconds for the last words of calls when the service ends."""
_LETTERS: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class Service:
    """LiveKit's SIPInternal, for one process of one machine."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.native = NativeAudio()
        self.ports = Ports(settings.rtp_first, settings.rtp_last)
        self.bus = Bus(settings.redis_url)
        burst = 2 * settings.requests_per_second
        self.agent = UserAgent(
            Listening(
                settings.listen_host,
                settings.port,
                settings.advertised_host,
                settings.tls_port,
                _server_tls(settings),
                ssl.create_default_context(cafile=settings.tls_authorities or None),
            ),
            self._on_request,
            each=Rate(settings.requests_per_second, burst),
            together=Rate(4 * settings.requests_per_second, 4 * burst),
            closed=read_networks(settings.closed),
        )
        self.calls: dict[str, Call] = {}
        self.draining = False
        self.late_ticks = 0
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self._packets: Counter[str] = Counter()
        self._server = Server(self.bus, "SIPInternal")
        self._livekit = Client(self.bus, "IOInfo")
        self._challenges = Challenges()
        self._dialogs: dict[tuple[str, str], Call] = {}
        self._work: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the sockets, then take calls. Raises `OSError`, `RpcError`."""
        await self.bus.start()
        await self.agent.start()
        create = rpc.InternalCreateSIPParticipantRequest
        await self._server.serve("CreateSIPParticipant", self._create, create)
        self._ticking = asyncio.create_task(self._clock())

    async def close(self) -> None:
        """Take no more calls, give those there are `drain` seconds, then end them."""
        self.draining = True
        await self._server.withdraw("CreateSIPParticipant")
        deadline = time.monotonic() + self.settings.drain
        while self.calls and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        for call in self.calls.values():
            call.end(Ending())
        deadline = time.monotonic() + BYES_WITHIN
        while self._work and time.monotonic() < deadline:
            await asyncio.wait(self._work, timeout=0.1)
        for task in (self._ticking, *self._work):
            task.cancel()
        await asyncio.gather(self._ticking, *self._work, return_exceptions=True)
        await self._server.close()
        await self._livekit.close()
        await self.agent.close()
        await self.bus.close()

    @property
    def full(self) -> bool:
        """Whether another call would harm those there are, or would not last."""
        return self.draining or len(self.calls) >= self.settings.most_calls

    @property
    def packets(self) -> Counter[str]:
        """RTP packets of all calls until now, by what became of them."""
        total = self._packets.copy()
        for call in self.calls.values():
            total.update(_packets_of(call))
        return total

    # What calls ask for.

    def own(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that outlives its caller."""
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._done)

    def know(self, call: Call) -> None:
        """Hand requests of the call's dialog to it from now on."""
        if call.dialog is not None:
            self._dialogs[call.dialog.key] = call

    def part(self, call: Call) -> None:
        """Requests of the call's dialog belong to nothing from now on."""
        if call.dialog is not None:
            self._dialogs.pop(call.dialog.key, None)

    def forget(self, call: Call) -> None:
        """The call is over."""
        self.outcomes[call.direction, "answered" if call.agreement else "unanswered"] += 1
        if self.calls.pop(call.id, None) is not None:
            self._packets.update(_packets_of(call))
        self.own(self._server.withdraw("TransferSIPParticipant", call.id))

    async def offer_transfer(self, call: Call) -> None:
        """Take transfers of the call."""

        async def serve(asked: rpc.InternalTransferSIPParticipantRequest) -> Empty:
            try:
                await transfer(call, asked)
            except CallFailedError as failure:
                raise failure.error from None
            return Empty()

        kind = rpc.InternalTransferSIPParticipantRequest
        await self._server.serve("TransferSIPParticipant", serve, kind, topic=call.id)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("work of a call broke", error=type(task.exception()).__name__, exc_info=task.exception())

    # What livekit-server asks for.

    async def _create(self, asked: rpc.InternalCreateSIPParticipantRequest) -> rpc.InternalCreateSIPParticipantResponse:
        if self.full:
            raise RpcError("unavailable", "the SIP service takes no more calls")
        if not asked.room_name:
            raise RpcError("invalid_argument", "room name must be set")
        target_of(asked)
        attributes = dict(asked.participant_attributes)
        token = asked.token or make_token(
            self.settings,
            room=asked.room_name,
            identity=asked.participant_identity,
            name=asked.participant_name,
            metadata=asked.participant_metadata,
            attributes=attributes,
        )
        call = self.calls[asked.sip_call_id] = Call(self, asked.sip_call_id, "out")
        dialling = Dialling(call, asked, token)
        self.own(call.run(dialling.begin))
        await asyncio.shield(dialling.joined)
        response = rpc.InternalCreateSIPParticipantResponse(
            participant_id=call.participant.sid,
            participant_identity=asked.participant_identity,
            sip_call_id=call.id,
        )
        if asked.wait_until_answered:
            await asyncio.shield(dialling.answered)
        return response

    # What phones ask for.

    def _on_request(self, request: Request, transaction: ServerTransaction) -> None:
        if request.to.tag:
            call = self._dialogs.get((request.call_id, request.to.tag))
            if call is None and request.method == "INVITE":
                transaction.respond(481)  # remembered until its ACK
            elif call is None:
                transaction.refuse(481)
            else:
                requests.receive(call, request, transaction)
        elif request.method == "INVITE":
            self._ring(transaction)
        elif request.method == "OPTIONS":
            transaction.respond(503 if self.draining else 200)
        else:
            transaction.refuse(481 if request.method in ("BYE", "NOTIFY", "INFO", "UPDATE") else 405)

    def _ring(self, transaction: ServerTransaction) -> None:
        if self.full:
            transaction.respond(503, headers=[("retry-after", "5")])
            return
        transaction.respond(100)
        call_id = "SCL_" + "".join(secrets.choice(_LETTERS) for _ in range(12))
        call = self.calls[call_id] = Call(self, call_id, "in")
        ringing = Ringing(call, transaction, self._livekit, self._challenges)
        self.own(call.run(ringing.begin))

    async def _clock(self) -> None:
        """20 ms for every call, however many there are."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += TICK
            wait = due - loop.time()
            if wait < -STALLED:
                self.late_ticks += int(-wait / TICK)
                due = loop.time()
            await asyncio.sleep(max(0.0, wait))
            for call in tuple(self.calls.values()):
                try:
                    call.tick()
                except Exception:
                    log.exception("the media of a call broke", call=call.id)
                    call.end(Ending())  # alone: the clock is of all calls


def _packets_of(call: Call) -> dict[str, int]:
    return dataclasses.asdict(call.media.counters) if call.media is not None else {}


def _server_tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls_certificate, settings.tls_key or None)
    return context
