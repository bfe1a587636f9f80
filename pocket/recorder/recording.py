"""One recording, from its request to its file."""

import asyncio
import posixpath
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import structlog
from livekit.protocol import egress

from pocket.psrpc import RpcError
from pocket.recorder import states
from pocket.recorder.canvas import Canvas
from pocket.recorder.delivery import deliver
from pocket.recorder.encoding import BROKEN, FORMATS, Writer
from pocket.recorder.finishing import NO_SPACE, whole
from pocket.recorder.journal import Entry
from pocket.recorder.listener import LOST, Listener, make_token
from pocket.recorder.mixing import Mixer
from pocket.recorder.names import file_name, moments
from pocket.recorder.plan import Plan, unable
from pocket.recorder.reports import Reports
from pocket.recorder.scene import Scene
from pocket.recorder.segments import Pieces
from pocket.recorder.settings import Settings
from pocket.recorder.states import Ending
from pocket.recorder.voice import RATE
from pocket.rooms.native import NativeAudio

log = structlog.get_logger()

STEP: Final = RATE * 16 // 100
"""Samples that are mixed and encoded at a time: whole packets of Opus."""
HOLD, HOLD_MOST = RATE // 4, RATE * 6 // 10
"""Samples that the mix is behind the clock, so that all voices have come: usually, and at most."""
TAIL: Final = 0.4
"""Seconds for the last sound to come out of the jitter buffers."""
LATE: Final = 0.02
"""Seconds until somebody who is late is looked at again."""
LOOKED_AT: Final = 2.0
"""Seconds between looks at the disk."""


class House(Protocol):
    """What a recording needs of the service it belongs to."""

    settings: Settings
    native: NativeAudio
    reports: Reports
    workers: Executor

    def forget(self, recording: "Recording") -> None:
        """The recording is over."""

    def conclude(self, entry: Entry) -> None:
        """Tell the last state of a recording, and forget it, or try again to store its file."""

    def has_space(self) -> bool:
        """Whether there is room on the disk to finish what is under way."""


class Recording:
    """Made for a request, run once, ended once; whoever ends it first says why."""

    def __init__(self, house: House, entry: Entry, plan: Plan) -> None:
        self.house, self.entry, self.plan = house, entry, plan
        self.info = entry.info
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._ended_at = 0.0
        self._sounding = asyncio.Event()
        self._epoch = time.monotonic()
        self._mixer = Mixer(stereo=plan.stereo)
        self._scene = Scene()
        self._canvas = plan.frame and Canvas(self._scene, plan.layout, plan.frame.width, plan.frame.height)
        self._listener = Listener(
            house.native,
            plan.source,
            self._mixer,
            self._epoch,
            stage=(self._scene, plan.frame.rate) if plan.frame else None,
            on_sound=self._sounding.set,
            on_end=self._source_ended,
            on_replaced=self._replaced,
        )
        self._writer: Writer | None = None
        self._zero = 0
        """The place of the file's first sample."""
        self._missing = 0.0
        """Seconds of silence where a recorder was killed and another had not begun."""
        self._is_replaced = False

    @property
    def egress_id(self) -> str:
        """LiveKit's id of it."""
        return self.info.egress_id

    @property
    def began(self) -> bool:
        """Whether anything has been heard, or had been before the recorder was killed."""
        return self._writer is not None or bool(self.entry.parts)

    @property
    def ended(self) -> bool:
        """Whether somebody ended it."""
        return self._ending.done()

    def end(self, ending: Ending) -> None:
        """End it; what was said until now will be in the file."""
        if not self._ending.done():
            self._ended_at = time.monotonic()
            self._ending.set_result(ending)

    async def stop(self) -> egress.EgressInfo:
        """End it because somebody asked for that; what it is from now on, which also a killed recorder holds to."""
        self.end(Ending(states.STOPPED))
        if self.began:
            states.move(self.info, egress.EGRESS_ENDING, Ending(states.STOPPED))
        else:
            states.move(self.info, egress.EGRESS_ABORTED, states.never_began(states.STOPPED))
        answer = egress.EgressInfo()
        answer.CopyFrom(self.info)
        await self.entry.save()
        return answer

    async def run(self) -> None:
        """Record until the end, and bring the file to its place."""
        try:
            await self._hear()
            if not self._is_replaced:
                await self._finish(await self._ending)
        except BROKEN:
            log.exception("the state of a recording cannot be written", egress=self.egress_id)
            if self.entry.parts and self.info.file_results:
                self.info.file_results[0].location = str(self.entry.folder / self.entry.parts[-1][0])
            self._tell(egress.EGRESS_FAILED, NO_SPACE)
        finally:
            self.house.forget(self)

    async def salvage(self) -> None:
        """Finish what a killed recorder left, and cannot be gone on with."""
        try:
            if self.entry.kept:
                await self._deliver(Path(self.entry.kept), states.ending_of(self.info))
            else:
                await self._finish(Ending(states.KILLED, states.CUT_OFF))
        except BROKEN:
            log.exception("what was left of a recording cannot be saved", egress=self.egress_id)
        finally:
            self.house.forget(self)

    async def _hear(self) -> None:
        try:
            await self._unless_ended(self._join())
            await self._unless_ended(self._sounding.wait())
            if not self.ended:
                await self._record()
        except RpcError as error:
            self.end(Ending(states.FAILURE, error.message, error.code))
        except OSError as error:
            self.end(Ending(states.FAILURE, f"recording could not begin: {error}", "unavailable"))
        except Exception:
            log.exception("a recording broke", egress=self.egress_id)
            self.end(Ending(states.FAILURE, "internal error"))
        finally:
            await self._listener.leave()

    # Its beginning.

    async def _join(self) -> None:
        settings, asked = self.house.settings, self.entry.asked
        token = asked.token or make_token(settings, room=self.plan.room, identity=self.egress_id)
        room = await self._listener.join(asked.ws_url or settings.livekit_url, token)
        if asked.room_id and room != asked.room_id:
            self.end(Ending(states.CLOSED))  # it closed, and joining made another
            return
        try:
            async with asyncio.timeout(settings.source_within):
                while self._listener.absent():
                    self._listener.changed.clear()
                    await self._listener.changed.wait()
        except TimeoutError:
            raise RpcError("not_found", self._listener.absent() or "source not found") from None
        if self._listener.is_mistaken():
            raise unable("recording a video track alone")

    async def _unless_ended(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait((task, self._ending), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _open(self) -> Writer:
        """Begin the file with the first sound."""
        heard = [voice.begins for voice in self._mixer.voices if voice.begins is not None]
        self._zero = min([*heard, *self._scene.began()], default=self._clock())
        began = time.time_ns() - int((time.monotonic() - self._epoch - self._zero / RATE) * 1e9)
        result, plan = states.result_of(self.info), self.plan
        made = FORMATS[plan.kind]
        if not self.entry.parts:
            path = file_name(self._template(), made.ending, values=self._values(), default="{label}-{time}")
            states.name(self.info, await asyncio.to_thread(self._free, path) if plan.segment else path)
            result.started_at = began
        name = f"part{len(self.entry.parts)}{made.ending}"
        self.entry.parts.append((name, began))
        await self.entry.save()
        make = partial(Writer, stereo=plan.stereo, bitrate=plan.bitrate, frame=plan.frame, sound=plan.sound)
        make = partial(make, segment=plan.segment)
        writer: Writer = await self._work(partial(make, self.entry.folder / name, plan.kind))
        return writer

    def _free(self, path: str) -> str:
        """A name for a list of pieces that nobody has yet."""
        stem, ending = posixpath.splitext(path)
        taken = self.plan.upload is None and (self.house.settings.root / path).exists()
        return f"{stem}-{self.egress_id}{ending}" if taken else path

    def _template(self) -> str:
        """What the request names, without the folder that is ours anyway."""
        root = f"{self.house.settings.root.absolute()}/"
        return self.plan.path.removeprefix(root) if self.plan.upload is None else self.plan.path

    def _values(self) -> dict[str, str]:
        values = {
            "label": self.plan.label,
            "room_name": self.plan.room,
            "room_id": self.info.room_id,
            "retry": str(self.info.retry_count),
            "track_type": "video" if self.plan.frame else "audio",
        }
        if self._listener.heard is not None:
            speaker, source = self._listener.heard
            values |= {"publisher_identity": speaker.identity, "track_id": speaker.track, "track_source": source}
        return values | moments(datetime.now(UTC).astimezone())

    # Its course.

    async def _record(self) -> None:
        writer = self._writer = await self._open()
        self._tell(egress.EGRESS_ACTIVE)
        following = self._follow()
        limit, looked = self.house.settings.session_limit, time.monotonic()
        timer = asyncio.get_running_loop().call_later(limit, self._reach_limit) if limit else None
        try:
            while (ready := await self._until_ready(self._zero + writer.samples + STEP)) is not None:
                await self._work(partial(self._advance, writer, ready))
                if time.monotonic() - looked > LOOKED_AT:
                    looked = time.monotonic()
                    await self._look(writer)
            await self._hear_out(writer)
        except BROKEN:
            log.warning("a recording cannot be written", egress=self.egress_id)
            self.end(NO_SPACE)
        finally:
            if timer is not None:
                timer.cancel()
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

    def _follow(self) -> asyncio.Task[None] | None:
        """Have pieces brought to their place while the recording goes on."""
        if not self.plan.segment:
            return None
        return asyncio.create_task(Pieces(self.house.settings, self.entry, self.plan).follow())

    async def _until_ready(self, due: int) -> int | None:
        """Wait for sound up to a place at least; up to where it has come, None when the recording ends."""
        while not self.ended:
            clock, behind = self._clock(), self._mixer.behind()
            ready = clock - HOLD if behind is None else max(min(clock - HOLD, behind), clock - HOLD_MOST)
            if ready >= due:
                return due + (ready - due) // STEP * STEP
            await asyncio.wait((self._ending,), timeout=max(LATE, (due + HOLD - clock) / RATE))
        return None

    async def _hear_out(self, writer: Writer) -> None:
        """Write what was said before the end."""
        end = max(round((self._ended_at - self._epoch) * RATE), self._zero + writer.samples)
        until = time.monotonic() + TAIL
        while (self._mixer.behind() or end) < end and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await self._work(lambda: self._advance(writer, end))

    def _advance(self, writer: Writer, to: int) -> None:
        low = self._zero + writer.samples
        while low < to:  # bounded pieces, also after the process was stopped for long
            high = min(low + 10 * RATE, to)
            writer.write(self._mixer.mix(low, high))
            while self._canvas and (due := self._zero + (writer.next_picture or 0)) < high:
                writer.show(self._canvas.draw(due))
            low = high

    async def _look(self, writer: Writer) -> None:
        settings = self.house.settings
        size = (await asyncio.to_thread(writer.path.stat)).st_size if settings.size_limit else 0
        if size > settings.size_limit:
            self._reach_limit()
        elif not await asyncio.to_thread(self.house.has_space):
            self.end(NO_SPACE)

    def _reach_limit(self) -> None:
        self.end(Ending(states.LIMIT, states.LIMIT, "out_of_range"))

    def _clock(self) -> int:
        return round((time.monotonic() - self._epoch) * RATE)

    async def _work(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.house.workers, work)

    # Its end.

    def _source_ended(self, reason: str, lost: bool) -> None:
        self.end(Ending(reason, LOST, "unavailable") if lost else Ending(reason))

    def _replaced(self) -> None:
        """Another recorder goes on with it."""
        self._is_replaced = True
        self.end(Ending(states.CLOSED))

    async def _finish(self, ending: Ending) -> None:
        if not self.began:
            ending = ending if ending.error else states.never_began(ending.reason)
            aborted = ending.error == states.NEVER_BEGAN
            await self._conclude(egress.EGRESS_ABORTED if aborted else egress.EGRESS_FAILED, ending)
            return
        self._tell(egress.EGRESS_ENDING, ending)
        await self.entry.save()
        found = await self._work(partial(whole, self.entry, self.plan, self._writer))
        ending, self._missing = found.broken or ending, found.missing
        if found.path is None:
            await self._conclude(egress.EGRESS_FAILED, ending)
            return
        states.move(self.info, egress.EGRESS_ENDING, ending)
        local, self.entry.kept = found.path, str(found.path)
        await self.entry.save()
        await self._deliver(local, ending)

    async def _deliver(self, local: Path, ending: Ending) -> None:
        refused = await deliver(self.house.settings, self.entry, self.plan, local)
        if refused is not None and not ending.error:  # what is cut off stays cut off wherever it is stored
            ending = replace(refused, reason=ending.reason)
        if ending.error == states.LIMIT:
            await self._conclude(egress.EGRESS_LIMIT_REACHED, ending)
        else:
            await self._conclude(egress.EGRESS_FAILED if ending.error else egress.EGRESS_COMPLETE, ending)

    def _tell(self, status: int, ending: Ending | None = None) -> None:
        states.move(self.info, status, ending)
        self.house.reports.tell(self.info)

    async def _conclude(self, status: int, ending: Ending) -> None:
        """The last state: the journal goes when livekit-server knows it."""
        states.move(self.info, status, ending)
        if self._missing:
            self.info.details += f"; missing {self._missing:.1f} s: the recorder was killed"
        log.info(
            "a recording ended",
            egress=self.egress_id,
            status=egress.EgressStatus.Name(self.info.status),
            seconds=states.result_of(self.info).duration / 1e9,
            corrections=self._mixer.corrections,
            holes=self._mixer.holes,
        )
        await self.entry.save()
        self.house.conclude(self.entry)
