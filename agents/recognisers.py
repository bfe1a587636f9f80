"""Those that recognise speech, as one: where the first fails the next hears again what was not recognised yet.

Recognition has no answer that could be late: who hears nothing and who is dead are alike. Whoever knows that somebody
spoke says so (`unheard`); then the next is asked.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final
from weakref import WeakSet

from livekit import rtc
from livekit.agents import APIConnectOptions, APIError, APITimeoutError, stt, utils
from livekit.agents.types import NOT_GIVEN, NotGivenOr
from livekit.plugins import openai

from agents.attempts import ONCE, Limits
from agents.chains import Chain, Chained, Member, Tell

Model = stt.STT[Any]
KEPT: Final = 15.0
"""Seconds of sound that the next recogniser hears again at most."""
WHOLE: Final = 20.0
"""Seconds for a sentence that is given whole, for which nobody waits."""
PAUSES: Final = (0.3, 1.0, 2.0, 4.0)
"""Seconds before all are asked again, where all have failed."""


class Recognisers(Chained[Model], stt.STT[Any]):
    """A chain of recognisers that stream. It does not give up: a call without ears may get them back."""

    def __init__(self, members: Sequence[Member[Model]], limits: Limits, tell: Tell) -> None:
        can = [member.model.capabilities for member in members]
        aligned = can[0].aligned_transcript if all(each.aligned_transcript for each in can) else False
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True,
                interim_results=all(each.interim_results for each in can),
                aligned_transcript=aligned,
                manual_flush=all(each.manual_flush for each in can),
            )
        )
        self.link(Chain("stt", members, tell))
        self.limits = limits
        self._recognize_metrics_needed = False  # each member counts what it was asked for
        self._streams: WeakSet[_Hearing] = WeakSet()

    @property
    def capabilities(self) -> stt.STTCapabilities:
        """Whether it can be told that a turn is over changes with the models."""
        self._capabilities.manual_flush = all(member.model.capabilities.manual_flush for member in self.chain.members)
        return self._capabilities

    @property
    def is_wide(self) -> bool:
        """Whether sound of 24 kHz is wanted: OpenAI's takes that over its socket, others 16."""
        return any(isinstance(member.model, openai.STT) for member in self.chain.members)

    def unheard(self) -> None:
        """Somebody spoke and nothing came of it: whoever should have heard it is left for the next."""
        for stream in list(self._streams):
            stream.unheard()

    def stream(
        self, *, language: NotGivenOr[str] = NOT_GIVEN, conn_options: APIConnectOptions = ONCE
    ) -> stt.RecognizeStream:
        """Hear somebody."""
        hearing = _Hearing(self, language)
        self._streams.add(hearing)
        return hearing

    async def _recognize_impl(
        self, buffer: utils.AudioBuffer, *, language: NotGivenOr[str] = NOT_GIVEN, conn_options: APIConnectOptions
    ) -> stt.SpeechEvent:
        failure: Exception = APIError("nothing recognises speech")
        for member, is_last in self.chain.to_ask():
            try:
                with self.chain.asking(member, is_last=is_last):
                    async with asyncio.timeout(WHOLE):
                        return await member.model.recognize(buffer, language=language, conn_options=ONCE)
            except Exception as error:
                failure = error
        raise failure if isinstance(failure, APIError) else APIError(type(failure).__name__) from failure


class _Hearing(stt.RecognizeStream):
    def __init__(self, recognisers: Recognisers, language: NotGivenOr[str]) -> None:
        super().__init__(stt=recognisers, conn_options=ONCE)
        self._event_aiter = self._event_ch  # has one reader: see `_metrics_monitor_task`
        self._recognisers, self._language = recognisers, language
        self._sound: deque[rtc.AudioFrame | stt.RecognizeStream._FlushSentinel] = deque()
        self._seconds = 0.0
        self._asked: Member[Model] = recognisers.chain.members[-1]
        self._told_at = asyncio.get_running_loop().time()
        self._current: stt.RecognizeStream | None = None
        self._over = False
        self._given_up = asyncio.Event()

    def unheard(self) -> None:
        """What was said since the last words is to be heard by the next. Where there is none, the same is asked anew if
        it has told nothing for long: its line may be dead."""
        is_last = self._asked is self._recognisers.chain.members[-1]
        silent = asyncio.get_running_loop().time() - self._told_at
        if self._seconds and (not is_last or silent > self._recognisers.limits.first):
            self._given_up.set()

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        """Keep what is not recognised yet, and pass it on in the same step: fifty of these come each second."""
        self._check_input_not_ended()
        self._check_not_closed()
        self._sound.append(frame)
        self._seconds += frame.duration
        while self._seconds > KEPT:
            oldest = self._sound.popleft()
            self._seconds -= oldest.duration if isinstance(oldest, rtc.AudioFrame) else 0.0
        if self._current is not None:
            _give(self._current, frame)

    def flush(self) -> None:
        """The end of a phrase."""
        self._check_input_not_ended()
        self._check_not_closed()
        self._sound.append(self._FlushSentinel())
        if self._current is not None:
            _give(self._current, self._sound[-1])

    def end_input(self) -> None:
        """Nothing more is said."""
        super().end_input()
        self._over = True
        if self._current is not None:
            with suppress(RuntimeError):  # as in `_give`
                self._current.end_input()

    async def _run(self) -> None:
        tries = 0
        while True:
            before = self._recognisers.chain.serving
            if await self._ask_all():
                return
            tries = 0 if self._recognisers.chain.serving is not before else tries
            await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1

    async def _ask_all(self) -> bool:
        """Whether the sound has ended; False where it is all to be asked again."""
        chain = self._recognisers.chain
        for member, is_last in chain.to_ask():
            try:
                with chain.asking(member, is_last=is_last):
                    return await self._hear_by(member)
            except Exception as error:
                if is_last:
                    failure = error if isinstance(error, APIError) else APIError(type(error).__name__)
                    self._emit_error(failure, recoverable=True)
        return False

    async def _hear_by(self, member: Member[Model]) -> bool:
        """Hear until the sound ends, or another one may take over again; False for the latter."""
        limit = self._recognisers.limits.first
        stream = member.model.stream(language=self._language, conn_options=replace(ONCE, timeout=limit))
        since = time.time() - self._start_time - self._seconds  # it hears what is kept, and then the rest
        stream.start_time_offset = max(0.0, self.start_time_offset + since)
        self._given_up.clear()
        self._asked = member
        self._told_at = asyncio.get_running_loop().time()
        async with stream:
            for piece in self._sound:
                _give(stream, piece)
            self._current = stream
            if self._over:
                stream.end_input()
            hearing = asyncio.ensure_future(self._hear(member, stream))
            giving_up = asyncio.ensure_future(self._given_up.wait())
            try:
                await asyncio.wait({hearing, giving_up}, return_when=asyncio.FIRST_COMPLETED)
                if not hearing.done():
                    raise APITimeoutError("it recognised nothing of what was said")
                return hearing.result()
            finally:
                self._current = None
                await utils.aio.cancel_and_wait(hearing, giving_up)

    async def _hear(self, member: Member[Model], stream: stt.RecognizeStream) -> bool:
        chain = self._recognisers.chain
        async for event in stream:
            self._told_at = asyncio.get_running_loop().time()
            self._event_ch.send_nowait(event)
            if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT and event.alternatives and event.alternatives[0].text:
                self._sound.clear()
                self._seconds = 0.0
                with chain.asking(member, is_last=False):
                    pass
                earlier = chain.members[: chain.members.index(member)]
                if any(each.breaker.may_ask() for each in earlier):
                    return False  # between two phrases: the one before may hear the next
        if not self._over:
            raise APIError("it ended")
        return True

    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[stt.SpeechEvent]) -> None:
        """Nothing is counted here: each member counts what it was asked for."""


def _give(stream: stt.RecognizeStream, piece: Any) -> None:
    try:
        if isinstance(piece, rtc.AudioFrame):
            stream.push_frame(piece)
        else:
            stream.flush()
    except RuntimeError:
        pass  # it has ended just now; whoever reads it finds out
