"""The service: what livekit-server asks of it, and what becomes of recordings whose recorder was killed."""

import asyncio
import shutil
import sys
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import structlog
from livekit import api
from livekit.protocol import egress

from pocket.psrpc import Bus, Client, RpcError, Server
from pocket.recorder import states
from pocket.recorder.delivery import deliver, forget_backup
from pocket.recorder.journal import Entry, Journal
from pocket.recorder.plan import plan_of
from pocket.recorder.protobufs import rpc_egress_pb2 as rpc
from pocket.recorder.reconciling import Reconciler
from pocket.recorder.recording import Recording
from pocket.recorder.reports import Reports
from pocket.recorder.settings import Settings
from pocket.recorder.states import Ending
from pocket.rooms.native import NativeAudio

log = structlog.get_logger()

FINISH_WITHIN: Final = 60.0
"""Seconds for the files of a service that ends; what is not done then is done by the next."""
TOLD_WITHIN: Final = 10.0
ASKED_WITHIN: Final = 5.0
SWITCHED: Final = 0.0005
"""Seconds a thread may keep the interpreter: the library's thread brings sound and must not wait for the mixing."""
MOST_KEPT: Final = 10_000
"""Files that wait for their bucket; beyond, they are found again by the next start."""


class Service:
    """LiveKit's EgressInternal, for one process of one machine."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.native = NativeAudio()
        self.bus = Bus(settings.redis_url)
        self.reports = Reports(Client(self.bus, "IOInfo"))
        self.workers: Executor = ThreadPoolExecutor(settings.threads, thread_name_prefix="mix")
        self.recordings: dict[str, Recording] = {}
        self.outcomes: Counter[str] = Counter()
        self.kept: dict[str, Entry] = {}
        self.draining = False
        self.journal = Journal(settings.state_folder)
        self._internal = Server(self.bus, "EgressInternal")
        self._handlers = Server(self.bus, "EgressHandler")
        self._livekit = Client(self.bus, "IOInfo")
        self._reconciler = Reconciler(self.bus, self._livekit, settings, self.is_ours)
        self._work: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Go on with what a killed recorder left, then take requests. Raises `OSError`, `RpcError`."""
        sys.setswitchinterval(SWITCHED)
        self.settings.root.mkdir(parents=True, exist_ok=True)
        await self.bus.start()
        await self._recover()
        start, listing = rpc.StartEgressRequest, rpc.ListActiveEgressRequest
        await self._internal.serve("StartEgress", self._start, start, affinity=self._affinity)
        await self._internal.serve("ListActiveEgress", self._list, listing, queue=False, claim=False)
        self._loops = [asyncio.create_task(self._reconciler.run()), asyncio.create_task(self._store_again())]

    async def close(self) -> None:
        """Take no more requests, finish every file, say so."""
        self.draining = True
        await self._internal.withdraw("StartEgress")
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        for recording in tuple(self.recordings.values()):
            recording.end(Ending(states.KILLED))
        await self._settle(FINISH_WITHIN)
        await self.reports.settle(TOLD_WITHIN)
        await self._settle(TOLD_WITHIN)  # what was told is forgotten
        for task in tuple(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self.reports.close()
        await self._handlers.close()
        await self._internal.close()
        await self._livekit.close()
        await self.bus.close()
        self.workers.shutdown(wait=False, cancel_futures=True)

    @property
    def load(self) -> int:
        """What is recorded now, counted in recordings of sound."""
        return sum(recording.plan.weight for recording in self.recordings.values())

    @property
    def full(self) -> bool:
        """Whether another recording would harm those there are, or would not last."""
        return self.draining or self.load >= self.settings.most_recordings

    def has_space(self) -> bool:
        """Whether there is room on the disk to finish what is under way."""
        return shutil.disk_usage(self.journal.folder).free >= self.settings.least_free

    def is_ours(self, egress_id: str) -> bool:
        """Whether somebody answers for a recording: this process, or its folder's journal."""
        return egress_id in self.recordings or (self.journal.folder / egress_id).exists()

    def forget(self, recording: Recording) -> None:
        """The recording is over."""
        if self.recordings.pop(recording.egress_id, None) is not None:
            self.outcomes[egress.EgressStatus.Name(recording.info.status)] += 1
        self.own(self._withdraw(recording.egress_id))

    def conclude(self, entry: Entry) -> None:
        """Tell the last state of a recording, and forget it, or try again to store its file."""

        def then() -> None:
            if not entry.kept:
                self.own(asyncio.to_thread(entry.remove))
            elif len(self.kept) < MOST_KEPT:
                self.kept[entry.info.egress_id] = entry

        self.reports.tell(entry.info, then)

    def own(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that outlives its caller."""
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._done)

    async def _settle(self, within: float) -> None:
        if self._work:
            await asyncio.wait(tuple(self._work), timeout=within)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("work of a recording broke", exc_info=task.exception())

    # What livekit-server asks for.

    def _affinity(self, asked: rpc.StartEgressRequest) -> float:
        """1 is taken at once; below, livekit-server waits half a second for somebody better."""
        try:
            weight = plan_of(asked).weight
        except RpcError:
            return 1.0  # refused by whoever takes it
        most = self.settings.most_recordings
        if self.full or (self.load and self.load + weight > most) or not self.has_space():
            return -1.0
        return 1.0 if self.load < most / 2 else max(0.05, 1.5 - self.load / most)

    async def _list(self, _: rpc.ListActiveEgressRequest) -> rpc.ListActiveEgressResponse:
        return rpc.ListActiveEgressResponse(egress_ids=list(self.recordings))

    async def _start(self, asked: rpc.StartEgressRequest) -> egress.EgressInfo:
        known = self.recordings.get(asked.egress_id)
        if known is not None:
            return states.copy_of(known.info)  # livekit-server asks again after a time-out
        plan = plan_of(asked)
        if self.full:
            raise RpcError("unavailable", "the egress service takes no more recordings")
        try:
            entry = self.journal.entry(asked, states.first_info(asked, plan))
        except ValueError:
            raise RpcError("invalid_argument", "request has missing or invalid field: egress_id") from None
        entry.streams = [stream.url for stream in plan.streams]
        recording = self.recordings[asked.egress_id] = Recording(self, entry, plan)
        try:
            await asyncio.to_thread(entry.own)
            await entry.save()
            await self.reports.create(
                entry.info
            )  # before livekit-server does: an early update would hide the beginning
            await self._offer(recording)
        except BaseException as error:
            self.recordings.pop(asked.egress_id, None)
            entry.remove()
            if isinstance(error, OSError):
                raise RpcError("unavailable", "the state of a recording cannot be written") from None
            raise
        self.own(recording.run())
        return states.copy_of(entry.info)

    async def _offer(self, recording: Recording) -> None:
        """Take requests about a recording."""

        async def stop(_: egress.StopEgressRequest) -> egress.EgressInfo:
            if recording.ended:
                raise RpcError("failed_precondition", "egress is ending")
            return await recording.stop()

        topic = recording.egress_id
        await self._handlers.serve("StopEgress", stop, egress.StopEgressRequest, topic=topic)
        await self._handlers.serve("UpdateStream", recording.update, egress.UpdateStreamRequest, topic=topic)

    async def _withdraw(self, egress_id: str) -> None:
        for method in ("StopEgress", "UpdateStream"):
            await self._handlers.withdraw(method, egress_id)

    # What was left.

    async def _recover(self) -> None:
        """Recordings of a killed process: go on where the very same room is there, else finish the file."""
        await asyncio.to_thread(self.journal.sweep)
        for entry in await asyncio.to_thread(lambda: list(self.journal.entries())):
            if not await asyncio.to_thread(entry.own):
                continue  # its recorder lives
            info = entry.info
            if info.status not in states.RUNNING:
                self.conclude(entry)
                continue
            recording = self.recordings[info.egress_id] = Recording(self, entry, plan_of(entry.asked))
            begun = info.status in (egress.EGRESS_STARTING, egress.EGRESS_ACTIVE)
            plan = recording.plan
            joined = not plan.stored or not entry.parts or (plan.frame is None and not plan.segment)
            goes_on = begun and joined and await self._is_there(entry)
            log.warning("a recording was left by a killed recorder", egress=info.egress_id, goes_on=goes_on)
            if goes_on:
                info.retry_count += 1
                await self._offer(recording)
                self.own(recording.run())
            else:
                self.own(recording.salvage())

    async def _is_there(self, entry: Entry) -> bool:
        """Whether the room of a recording is still the same one: joining would make another."""
        url = self.settings.livekit_url.replace("ws", "http", 1)
        client = api.LiveKitAPI(url, self.settings.api_key, self.settings.api_secret.get_secret_value())
        try:
            async with asyncio.timeout(ASKED_WITHIN):
                found = await client.room.list_rooms(api.ListRoomsRequest(names=[entry.info.room_name]))
        except Exception as error:
            log.warning("livekit-server does not say which rooms there are", error=type(error).__name__)
            return False
        finally:
            await client.aclose()
        return any(room.sid == entry.asked.room_id for room in found.rooms)

    async def _store_again(self) -> None:
        """Try the uploads that failed, all of them now and then."""
        while True:
            await asyncio.sleep(self.settings.upload_again)
            for entry in tuple(self.kept.values()):
                try:
                    await self._store(entry)
                except Exception:
                    log.exception("a kept file cannot be tried again", egress=entry.info.egress_id)

    async def _store(self, entry: Entry) -> None:
        info, kept = entry.info, Path(entry.kept)
        await deliver(self.settings, entry, plan_of(entry.asked), kept)
        if entry.kept:
            return
        del self.kept[info.egress_id]
        info.backup_storage_used = False
        ended, ending = info.ended_at, states.ending_of(info)
        if info.status == egress.EGRESS_FAILED and ending.code == "invalid_argument":  # of the upload
            states.move(info, egress.EGRESS_COMPLETE, Ending(ending.reason))
        else:
            states.move(info, info.status)
        info.ended_at = ended
        await entry.save()
        await asyncio.to_thread(forget_backup, entry, kept)
        self.conclude(entry)
        log.info("a kept file is stored", egress=info.egress_id)
