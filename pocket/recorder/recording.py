"""One recording, from its request to its file."""

import asyncio
import contextlib
import posixpath
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from livekit.protocol import egress

from pocket.ending import EndedError, unless
from pocket.networks import read_networks
from pocket.psrpc import RpcError
from pocket.recorder import states
from pocket.recorder.broadcast import Broadcast
from pocket.recorder.delivery import deliver
from pocket.recorder.encoding import BROKEN, FORMATS, Writer
from pocket.recorder.finishing import NO_SPACE, whole
from pocket.recorder.house import House
from pocket.recorder.journal import Entry
from pocket.recorder.listener import LOST, Listener, make_token
from pocket.recorder.livestream import ACTIVE, end
from pocket.recorder.names import file_name, moments
from pocket.recorder.outputs import unable
from pocket.recorder.plan import Plan
from pocket.recorder.segments import Pieces
from pocket.recorder.states import Ending
from pocket.recorder.tape import Tape

log = structlog.get_logger()

LOOKED_AT: Final = 2.0
"""Seconds between looks at the disk."""


class Recording:
    """Made for a request, run once, ended once; whoever ends it first says why."""

    def __init__(self, house: House, entry: Entry, plan: Plan) -> None:
        self.house, self.entry, self.plan = house, entry, plan
        self.info = entry.info
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._ended_at = 0.0
        self._sounding = asyncio.Event()
        self._tape = Tape(plan, house.workers)
        self._listener = Listener(
            house.native,
            plan.source,
            self._tape.mixer,
            self._tape.epoch,
            stage=(self._tape.scene, plan.frame.rate) if plan.frame else None,
            on_sound=self._sounding.set,
            on_end=self._source_ended,
            on_replaced=self._replaced,
        )
        closed = read_networks(house.settings.closed)
        self._broadcast = Broadcast(entry, self._tell_streams, self._streams_gone, closed) if plan.streams else None
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
        return bool(self._tape.writers or self.entry.parts)

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
        answer = states.copy_of(self.info)
        await self.entry.save()
        return answer

    async def update(self, request: egress.UpdateStreamRequest) -> egress.EgressInfo:
        """Stream to more servers, and to some no more. Raises `RpcError`, and then nothing has changed."""
        if self._broadcast is None:
            raise RpcError("invalid_argument", "UpdateStream called on non-streaming egress")
        if self.ended:
            raise RpcError("failed_precondition", "egress is ending")
        self._broadcast.update(request)
        if not self.plan.stored and all(stream.status != ACTIVE for stream in self.info.stream_results):
            self.end(Ending(states.STREAMS_STOPPED))
        self._tell(self.info.status)
        answer = states.copy_of(self.info)
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
            await unless(self._ending, self._join())
            await unless(self._ending, self._sounding.wait())
            if not self.ended:
                await self._record()
        except EndedError:
            pass
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

    async def _open(self) -> None:
        """Begin with the first sound."""
        began = self._tape.begin()
        plan, made = self.plan, FORMATS[self.plan.kind]
        if not self.entry.parts and plan.stored:
            path = file_name(self._template(), made.ending, values=self._values(), default="{label}-{time}")
            states.name(self.info, await asyncio.to_thread(self._free, path) if plan.segment else path)
            states.result_of(self.info).started_at = began
        name = f"part{len(self.entry.parts)}{made.ending}"
        self.entry.parts.append((name, began))
        await self.entry.save()
        make = partial(Writer, stereo=plan.stereo, bitrate=plan.bitrate, frame=plan.frame, sound=plan.sound)
        wanted = [partial(make, self.entry.folder / name, plan.kind, segment=plan.segment)] if plan.stored else []
        if self._broadcast is not None and plan.live_kind is not None:
            wanted.append(partial(make, self._broadcast.sink, plan.live_kind))
        await self._tape.open(wanted)

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
        await self._open()
        self._tell(egress.EGRESS_ACTIVE)
        if self._broadcast is not None:
            self._broadcast.begin()
        following = self._follow()
        limit, looked = self.house.settings.session_limit, time.monotonic()
        timer = asyncio.get_running_loop().call_later(limit, self._reach_limit) if limit else None
        try:
            while await self._tape.go_on(self._ending):
                if time.monotonic() - looked > LOOKED_AT and self.plan.stored:
                    looked = time.monotonic()
                    await self._look()
            await self._tape.hear_out(self._ended_at)
        except BROKEN:
            log.warning("a recording cannot be written", egress=self.egress_id)
            self.end(NO_SPACE)
        finally:
            if timer is not None:
                timer.cancel()
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            await self._disconnect()

    async def _disconnect(self) -> None:
        """End the livestreams with what was recorded last."""
        if self._broadcast is not None:
            with contextlib.suppress(*BROKEN):
                await self._tape.work(self._tape.writers[-1].close)
            await self._broadcast.close()

    def _follow(self) -> asyncio.Task[None] | None:
        """Have pieces brought to their place while the recording goes on."""
        if not self.plan.segment:
            return None
        return asyncio.create_task(Pieces(self.house.settings, self.entry, self.plan).follow())

    async def _look(self) -> None:
        settings, path = self.house.settings, self.entry.folder / self.entry.parts[-1][0]
        size = (await asyncio.to_thread(path.stat)).st_size if settings.size_limit else 0
        if size > settings.size_limit:
            self._reach_limit()
        elif not await asyncio.to_thread(self.house.has_space):
            self.end(NO_SPACE)

    def _reach_limit(self) -> None:
        self.end(Ending(states.LIMIT, states.LIMIT, "out_of_range"))

    # Its end.

    def _source_ended(self, reason: str, lost: bool) -> None:
        self.end(Ending(reason, LOST, "unavailable") if lost else Ending(reason))

    def _replaced(self) -> None:
        """Another recorder goes on with it."""
        self._is_replaced = True
        self.end(Ending(states.CLOSED))

    def _tell_streams(self) -> None:
        self._tell(self.info.status)
        self.house.own(self.entry.save())

    def _streams_gone(self, error: str) -> None:
        """No livestream is left: the end of a recording that has no file."""
        if not self.plan.stored:
            failed = Ending(states.FAILURE, error, "unavailable")
            self.end(failed if error else Ending(states.STREAMS_STOPPED))

    async def _finish(self, ending: Ending) -> None:
        for stream in self.info.stream_results:
            end(stream, ending.error)
        if not self.began:
            ending = ending if ending.error else states.never_began(ending.reason)
            aborted = ending.error == states.NEVER_BEGAN
            await self._conclude(egress.EGRESS_ABORTED if aborted else egress.EGRESS_FAILED, ending)
            return
        self._tell(egress.EGRESS_ENDING, ending)
        await self.entry.save()
        if not self.plan.stored:
            await self._conclude(states.last_status(ending), ending)
            return
        writer = self._tape.writers[0] if self._tape.writers else None
        found = await self._tape.work(partial(whole, self.entry, self.plan, writer))
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
        await self._conclude(states.last_status(ending), ending)

    def _tell(self, status: int, ending: Ending | None = None) -> None:
        states.move(self.info, status, ending)
        self.house.reports.tell(self.info)

    async def _conclude(self, status: int, ending: Ending) -> None:
        """The last state: the journal goes when livekit-server knows it."""
        states.move(self.info, status, ending)
        if self._missing:
            self.info.details += f"; missing {self._missing:.1f} s: the recorder was killed"
        if self._listener.missed:
            self.info.details += f"; missing {self._listener.missed:.1f} s: the connection to the room was lost"
        log.info(
            "a recording ended",
            egress=self.egress_id,
            status=egress.EgressStatus.Name(self.info.status),
            seconds=states.seconds_of(self.info),
            corrections=self._tape.mixer.corrections,
            holes=self._tape.mixer.holes,
        )
        await self.entry.save()
        self.house.conclude(self.entry)
