"""What people read of an answer while it is spoken: nothing before its first sound.

An answer that somebody interrupts, or whose voice fails, before it is heard was not given: the model forgets it, and no
transcript has it. So nobody reads it either.
"""

import asyncio
from typing import Final

import structlog
from livekit.agents.voice import io

TAKEN_WITHIN: Final = 2.0
"""Seconds in which what was held is taken. A room that is entered again may never take it; the next words go on."""

log = structlog.get_logger()


class Captions(io.TextOutput):
    """Holds the words of an answer until its voice begins; from then on they may run ahead of it."""

    def __init__(self, voice: io.AudioOutput, shown: io.TextOutput) -> None:
        super().__init__(label="Captions", next_in_chain=shown)
        self._shown = shown
        self._sounds = False
        """Something is heard now."""
        self._is_heard = False
        """Whether the answer whose words came last has begun to be heard."""
        self._is_whole = True
        self._held = ""
        self._writing: asyncio.Task[None] | None = None
        voice.on("playback_started", self._begin)
        voice.on("playback_finished", self._end)

    async def capture_text(self, text: str) -> None:
        """Some more words. Those of an answer that was never heard are forgotten with the first of the next."""
        if self._is_whole:
            self._is_whole, self._is_heard, self._held = False, self._sounds, ""
        await self._written()
        if self._is_heard:
            await self._shown.capture_text(text)
        else:
            self._held += text

    def flush(self) -> None:
        """There are no more words of this answer."""
        self._is_whole = True
        if self._is_heard and (self._writing is None or self._writing.done()):
            self._shown.flush()

    def on_detached(self) -> None:
        """The session is closing: all that was to be heard has been."""
        super().on_detached()
        if self._writing is not None:
            self._writing.cancel()

    def _begin(self, _event: io.PlaybackStartedEvent) -> None:
        self._sounds = True
        if not self._is_heard:
            self._is_heard = True
            self._writing = asyncio.create_task(self._write())

    def _end(self, _event: io.PlaybackFinishedEvent) -> None:
        self._sounds = False

    async def _written(self) -> None:
        """Wait until what was held is taken, or give it up."""
        if (writing := self._writing) is None:
            return
        _, late = await asyncio.wait({writing}, timeout=TAKEN_WITHIN)
        if late:
            log.warning("captions not taken")
            writing.cancel()
        if self._writing is writing:
            self._writing = None

    async def _write(self) -> None:
        """Show what was held. If it is of an answer before this one, whose words come now, it is forgotten by then."""
        held, self._held = self._held, ""
        if held:
            await self._shown.capture_text(held)
            if self._is_whole:
                self._shown.flush()
