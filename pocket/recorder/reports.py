"""Tells livekit-server what became of recordings: in order, and again until it has heard."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog
from google.protobuf.empty_pb2 import Empty
from livekit.protocol import egress

from pocket.psrpc import Client, RpcError
from pocket.recorder import states

log = structlog.get_logger()

PAUSES: Final = (0.25, 30.0)
"""Seconds between tries: the first pause, doubled up to the last."""
AGAIN: Final = ("unavailable", "deadline_exceeded", "internal", "unknown")
WITHIN: Final = 5.0
MOST: Final = 8
"""States of one recording that wait for a livekit-server that is away; the newest stay."""


class Reports:
    """One line for each recording."""

    def __init__(self, livekit: Client) -> None:
        self._livekit = livekit
        self._waiting: dict[str, deque[tuple[egress.EgressInfo, Callable[[], None] | None]]] = {}
        self._sending: dict[str, asyncio.Task[None]] = {}

    async def create(self, info: egress.EgressInfo) -> None:
        """Have livekit-server know of a recording that begins. Raises `RpcError`."""
        await self._livekit.request("CreateEgress", info, Empty, timeout=WITHIN)

    def tell(self, info: egress.EgressInfo, then: Callable[[], None] | None = None) -> None:
        """Tell the state as it is now; `then` is called when livekit-server has it."""
        told = states.copy_of(info)
        self._waiting.setdefault(info.egress_id, deque(maxlen=MOST)).append((told, then))
        if info.egress_id not in self._sending:
            self._sending[info.egress_id] = asyncio.create_task(self._send(info.egress_id))

    async def settle(self, within: float) -> None:
        """Wait until everything is told, or the time is over."""
        if self._sending:
            await asyncio.wait(tuple(self._sending.values()), timeout=within)

    async def close(self) -> None:
        """Tell nothing more; journals know what was not told."""
        tasks = tuple(self._sending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, egress_id: str) -> None:
        waiting, pause = self._waiting[egress_id], PAUSES[0]
        try:
            while waiting:
                info, then = waiting[0]
                try:
                    await self._livekit.request("UpdateEgress", info, Empty, timeout=WITHIN)
                except RpcError as error:
                    if error.code in AGAIN:
                        log.warning("livekit-server did not hear of a recording", egress=egress_id, error=error.code)
                        await asyncio.sleep(pause)
                        pause = min(pause * 2, PAUSES[1])
                        continue
                    log.error("livekit-server refuses what is told", egress=egress_id, error=error.code)
                if waiting and waiting[0][0] is info:
                    waiting.popleft()
                if then is not None:
                    then()
        finally:
            del self._waiting[egress_id], self._sending[egress_id]
