"""What a recording hears and sees, written into its file and its livestreams a little behind the clock."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any, Final

from pocket.recorder.canvas import Canvas
from pocket.recorder.encoding import Writer
from pocket.recorder.mixing import Mixer
from pocket.recorder.plan import Plan
from pocket.recorder.scene import Scene
from pocket.recorder.voice import RATE

STEP: Final = RATE * 16 // 100
"""Samples that are mixed and encoded at a time: whole packets of Opus."""
HOLD, HOLD_MOST = RATE // 4, RATE * 6 // 10
"""Samples that the mix is behind the clock, so that all voices have come: usually, and at most."""
TAIL: Final = 0.4
"""Seconds for the last sound to come out of the jitter buffers."""
LATE: Final = 0.02
"""Seconds until somebody who is late is looked at again."""


class Tape:
    """Places are samples since `epoch`, a moment of the monotonic clock. What writes may raise `BROKEN`."""

    def __init__(self, plan: Plan, workers: Executor) -> None:
        self.epoch = time.monotonic()
        self.mixer = Mixer(stereo=plan.stereo)
        self.scene = Scene()
        self.writers: tuple[Writer, ...] = ()
        """That of the file, and that of the livestreams; none before `open`."""
        self._canvas = plan.frame and Canvas(self.scene, plan.layout, plan.frame.width, plan.frame.height)
        self._workers = workers
        self._zero = 0
        """The place of the writers' first sample."""

    def begin(self) -> int:
        """Begin with the first that was heard or seen; when that was, in nanoseconds of the wall clock."""
        heard = [voice.begins for voice in self.mixer.voices if voice.begins is not None]
        self._zero = min([*heard, *self.scene.began()], default=self._clock())
        return time.time_ns() - int((time.monotonic() - self.epoch - self._zero / RATE) * 1e9)

    async def open(self, wanted: Sequence[Callable[[], Writer]]) -> None:
        """Have somewhere to write to."""
        self.writers = tuple([await self.work(make) for make in wanted])

    async def go_on(self, ending: asyncio.Future[Any]) -> bool:
        """Wait for the next sound, and write it; False when the recording ends meanwhile."""
        due = self._written + STEP
        while not ending.done():
            clock, behind = self._clock(), self.mixer.behind()
            ready = clock - HOLD if behind is None else max(min(clock - HOLD, behind), clock - HOLD_MOST)
            if ready >= due:
                await self.work(partial(self._advance, due + (ready - due) // STEP * STEP))
                return True
            await asyncio.wait((ending,), timeout=max(LATE, (due + HOLD - clock) / RATE))
        return False

    async def hear_out(self, ended_at: float) -> None:
        """Write what was said before the end, a moment of the monotonic clock."""
        last = max(round((ended_at - self.epoch) * RATE), self._written)
        until = time.monotonic() + TAIL
        while (self.mixer.behind() or last) < last and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await self.work(partial(self._advance, last))

    async def work(self, work: Callable[[], Any]) -> Any:
        """Have the threads do something that mixes, encodes or waits for the disk."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)

    @property
    def _written(self) -> int:
        return self._zero + self.writers[0].samples

    def _clock(self) -> int:
        return round((time.monotonic() - self.epoch) * RATE)

    def _advance(self, to: int) -> None:
        low = self._written
        while low < to:  # bounded pieces, also after the process was stopped for long
            high = min(low + 10 * RATE, to)
            sound = self.mixer.mix(low, high)
            for writer in self.writers:
                writer.write(sound)
            while self._canvas and (due := self._zero + (self.writers[0].next_picture or 0)) < high:
                picture = self._canvas.draw(due)
                for writer in self.writers:
                    writer.show(picture)
            low = high
