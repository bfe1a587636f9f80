"""Looks for recordings that livekit-server believes in and nobody makes: it has no limit of its own for them."""

import asyncio
import time
from collections.abc import Callable

import structlog
from google.protobuf.empty_pb2 import Empty
from livekit.protocol import egress

from pocket.psrpc import Bus, Client, RpcError
from pocket.recorder import states
from pocket.recorder.protobufs import rpc_egress_pb2 as rpc
from pocket.recorder.settings import Settings
from pocket.recorder.states import Ending

log = structlog.get_logger()

LOST = Ending(states.KILLED, "recording ended early: its recorder is lost")


class Reconciler:
    """Ends them as failed. `is_ours(egress_id)` tells whether this machine answers for a recording."""

    def __init__(self, bus: Bus, livekit: Client, settings: Settings, is_ours: Callable[[str], bool]) -> None:
        self._others = Client(bus, "EgressInternal")
        self._livekit, self._settings, self._is_ours = livekit, settings, is_ours

    async def run(self) -> None:
        """Look, for as long as it is not cancelled."""
        while True:
            try:
                await self.look()
            except RpcError as error:
                log.warning("recordings could not be compared", error=error.code)
            await asyncio.sleep(self._settings.reconcile_every)

    async def look(self) -> None:
        """Look once. Raises `RpcError`."""
        listed = await self._livekit.request(
            "ListEgress", egress.ListEgressRequest(active=True), egress.ListEgressResponse, timeout=5.0
        )
        oldest = time.time_ns() - int(self._settings.abandoned_after * 1e9)
        doubtful = [
            info
            for info in listed.items
            if not self._is_ours(info.egress_id) and max(info.updated_at, info.started_at) < oldest
        ]
        if not doubtful:
            return
        asked = rpc.ListActiveEgressRequest()
        answers = await self._others.request_all("ListActiveEgress", asked, rpc.ListActiveEgressResponse)
        known = {each for answer in answers for each in answer.egress_ids}
        for info in doubtful:
            if info.egress_id not in known:
                states.move(info, egress.EGRESS_FAILED, LOST)
                await self._livekit.request("UpdateEgress", info, Empty, timeout=5.0)
                log.warning("a recording without a recorder has failed", egress=info.egress_id)
