"""The caller's mouth and ears: flite and pocketsphinx in the caller's own process."""

from dataclasses import dataclass
from functools import partial

import anyio.to_thread
import numpy as np

from parley.offline.audio import Samples, resampled, trimmed
from parley.offline.flite import RATE, VOICE_SAMPLE, load_flite
from parley.offline.recognition import Recognisers

_LOUD = 150
_WAIT_S = 30.0


@dataclass(frozen=True)
class Phrase:
    """Spoken words, and where in the samples the last sound is."""

    text: str
    samples: Samples
    last_sound: int


class Voice:
    """Speaks and recognises. Phrases can be prepared, so that speaking them later costs no time."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._flite = load_flite()
        self._recognisers = Recognisers(1)
        self._phrases: dict[str, Phrase] = {}

    async def warm(self) -> None:
        """Load the recogniser and let it learn how flite sounds."""
        samples = [await anyio.to_thread.run_sync(self._flite.speak, sentence) for sentence in VOICE_SAMPLE]
        await self._recognisers.warm(1, samples)

    def close(self) -> None:
        """Gives the memory back."""
        self._recognisers.close()

    async def phrase(self, text: str) -> Phrase:
        """The spoken text at the microphone's rate."""
        if text not in self._phrases:
            self._phrases[text] = await anyio.to_thread.run_sync(partial(self._speak, text))
        return self._phrases[text]

    async def recognise(self, samples: Samples) -> str:
        """The words in samples of 16 kHz."""
        utterances = await self._recognisers.transcribe(samples, timeout=_WAIT_S)
        return " ".join(utterance.text for utterance in utterances if utterance.text)

    def _speak(self, text: str) -> Phrase:
        samples = resampled(trimmed(self._flite.speak(text), RATE), RATE, self._rate)
        loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _LOUD)
        return Phrase(text, samples, int(loud[-1]) + 1 if len(loud) else 0)
