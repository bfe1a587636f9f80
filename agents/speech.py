"""What finds speech in a call: the model that comes with the framework, asked for less.

The framework's own stream joins and copies each piece of sound several times, asks the model on a thread, and tells of
each window whether somebody speaks or not, 31 times a second, which takes a quarter of the time of a call. This one
decides as that one does.
"""

from typing import Any, Final

import numpy as np
from livekit import rtc
from livekit.agents import vad
from livekit.agents.vad import VADEventType
from livekit.local_inference import VAD as Model
from livekit.local_inference import VAD_WINDOW_SAMPLES

RATE: Final = 16_000
"""That the model hears; sound that has it and comes in pieces of a window is not copied."""
WINDOW: Final = VAD_WINDOW_SAMPLES / RATE
FRAME_MS: Final = 1000 * VAD_WINDOW_SAMPLES // RATE
BEGINS, GOES_ON = 0.5, 0.35
"""How sure the model is of speech that begins, and of one that goes on."""
ENOUGH: Final = 0.05
"""Seconds of speech that are one."""
BEFORE: Final = round(0.5 / WINDOW)
"""Windows before speech that are kept with it."""
SENTENCE: Final = 60.0
"""Seconds of speech that are kept, where somebody wants them."""


class SpeechFinder(vad.VAD):
    """Finds speech. `kept`: the seconds of it that its listeners are given."""

    def __init__(self, *, min_silence: float, kept: float = SENTENCE) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=WINDOW))
        self._min_silence = min_silence
        self.most = round(kept / WINDOW) + BEFORE

    @property
    def model(self) -> str:
        """Its name in the framework."""
        return "silero"

    @property
    def provider(self) -> str:
        """Where it runs."""
        return "livekit-local-inference"

    @property
    def min_silence_duration(self) -> float:
        """Seconds of silence that end speech."""
        return self._min_silence

    def stream(self) -> vad.VADStream:
        """Listen."""
        return _Finding(self)


class _Finding(vad.VADStream):
    def __init__(self, finder: SpeechFinder) -> None:
        super().__init__(finder)
        self._finder, self._model = finder, Model()
        self._event_aiter = self._event_ch  # has one reader: see `_metrics_monitor_task`
        self._resampler: rtc.AudioResampler | None
        self._rest: Any
        self._samples = 0
        self._forget()

    async def _metrics_monitor_task(self, event_aiter: Any) -> None:
        """Nothing is counted."""

    async def _main_task(self) -> None:
        async for piece in self._input_ch:
            if not isinstance(piece, rtc.AudioFrame):
                self._forget()
                continue
            for window in self._windows(piece):
                # Where it is: it takes a fiftieth of a millisecond, and a thread takes more.
                self._weigh(window, self._model.predict(window))

    def _windows(self, frame: rtc.AudioFrame) -> list[Any]:
        """Whole windows of what has come, at the model's rate; what is left waits for the next."""
        samples = np.frombuffer(frame.data, np.int16)
        if frame.sample_rate == RATE and len(samples) == VAD_WINDOW_SAMPLES and not len(self._rest):
            return [samples]
        if frame.sample_rate != RATE:
            if self._resampler is None:
                self._resampler = rtc.AudioResampler(frame.sample_rate, RATE, quality=rtc.AudioResamplerQuality.QUICK)
            pieces = [np.frombuffer(each.data, np.int16) for each in self._resampler.push(frame)]
        else:
            pieces = [samples]
        whole = np.concatenate([self._rest, *pieces])
        count = len(whole) // VAD_WINDOW_SAMPLES
        self._rest = whole[count * VAD_WINDOW_SAMPLES :]
        return [whole[place * VAD_WINDOW_SAMPLES :][:VAD_WINDOW_SAMPLES] for place in range(count)]

    def _forget(self) -> None:
        """What comes now has nothing to do with what was before."""
        self._model.reset()
        self._resampler, self._rest = None, np.empty(0, np.int16)
        self._heard: list[Any] = []
        self._speaks, self._told_quiet = False, False
        self._spoken = self._silent = self._spoken_now = self._silent_now = 0.0

    def _weigh(self, window: Any, probability: float) -> None:
        """A window more."""
        self._samples += VAD_WINDOW_SAMPLES
        if len(self._heard) < self._finder.most:
            self._heard.append(window)
        if self._speaks:
            self._spoken += WINDOW
        else:
            self._silent += WINDOW
        is_quiet = not self._speaks and not self._spoken_now
        if not (is_quiet and self._told_quiet):  # nobody does anything with a silence that goes on
            self._tell(VADEventType.INFERENCE_DONE, probability=probability)
        self._told_quiet = is_quiet
        if probability >= BEGINS or (self._speaks and probability > GOES_ON):
            self._sounds()
        else:
            self._is_silent()

    def _sounds(self) -> None:
        self._spoken_now += WINDOW
        self._silent_now = 0.0
        if not self._speaks and self._spoken_now >= ENOUGH:
            self._speaks, self._silent, self._spoken = True, 0.0, self._spoken_now
            self._tell(VADEventType.START_OF_SPEECH, frames=[self._whole()])

    def _is_silent(self) -> None:
        self._silent_now += WINDOW
        self._spoken_now = 0.0
        if self._speaks and self._silent_now >= self._finder.min_silence_duration:
            self._speaks, self._silent = False, self._silent_now
            spoken = max(0.0, self._spoken - self._silent_now)
            self._tell(VADEventType.END_OF_SPEECH, spoken=spoken, frames=[self._whole()])
            self._spoken = 0.0
        if not self._speaks:
            del self._heard[:-BEFORE]

    def _whole(self) -> rtc.AudioFrame:
        samples = np.concatenate(self._heard)
        return rtc.AudioFrame(samples.tobytes(), RATE, 1, len(samples))

    def _tell(
        self,
        kind: VADEventType,
        *,
        probability: float = 0.0,
        spoken: float | None = None,
        frames: list[rtc.AudioFrame] | None = None,
    ) -> None:
        event = vad.VADEvent(
            type=kind,
            samples_index=self._samples,
            timestamp=self._samples / RATE,
            speech_duration=self._spoken if spoken is None else spoken,
            silence_duration=self._silent,
            frames=frames or [],
            probability=probability,
            speaking=self._speaks,
            raw_accumulated_silence=self._silent_now,
            raw_accumulated_speech=self._spoken_now,
        )
        self._event_ch.send_nowait(event)
