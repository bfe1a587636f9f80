"""Speak the sentences that come with us, for where a call has no voice: `python tools/sounds.py [ESPEAK DATA]`.

Run it after a change of `agents/words.py`, and listen. English is spoken by our own offline voice; the other languages
by the library of eSpeak NG at the path ESPEAK with its folder DATA, and without these they stay as they are. Pages get
their one sentence from the same sound.
"""

import ctypes
import sys
import wave
from pathlib import Path

import av
import numpy as np

from agents.prepared import PACKAGED, texts_of
from agents.words import ENGLISH, LANGUAGES
from parley.offline.flite import RATE, load_flite

VOICE, LOUD = "slt", 200
BEFORE, AFTER = 0.025, 0.1
"""Seconds of silence around the words."""
NARROW = 8_000
"""Hertz of the other languages: as much as a telephone lets through."""
PAGES = Path(__file__).parents[1] / "web/src/call/sorry"
VOICES = {"pt": "pt-br"}
SYNCHRONOUS, UTF8, SPEED, WORDS_A_MINUTE = 2, 1, 1, 150
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """A voice for each language, without much melody."""

    def __init__(self, library: str, data: str) -> None:
        self._library = ctypes.CDLL(library)
        self.rate: int = self._library.espeak_Initialize(SYNCHRONOUS, 0, data.encode(), 0)
        self._spoken: list[np.ndarray] = []
        self._callback = _CALLBACK(self._take)
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_SetParameter(SPEED, WORDS_A_MINUTE, 0)

    def speak(self, text: str, language: str) -> np.ndarray:
        """A sentence in a language, by its tag."""
        self._spoken = []
        if self._library.espeak_SetVoiceByName(VOICES.get(language, language).encode()) != 0:
            raise SystemExit(f"no voice for {language}")
        given = text.encode()
        self._library.espeak_Synth(given, len(given) + 1, 0, 0, 0, UTF8, None, None)
        return np.concatenate(self._spoken)

    def _take(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
        if count > 0:
            self._spoken.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0


def main() -> None:
    """Write them all."""
    flite = load_flite()
    espeak = Espeak(*sys.argv[1:3]) if len(sys.argv) > 2 else None
    for language, words in LANGUAGES.items():
        for name, text in texts_of(words).items():
            if language == ENGLISH.language:
                spoken, rate = _trimmed(flite.speak(text, voice=VOICE), RATE), RATE
            elif espeak is not None:
                spoken, rate = _trimmed(espeak.speak(text, language), espeak.rate), NARROW
                spoken = _narrowed(spoken, espeak.rate)
            else:
                continue
            _write(PACKAGED / language / f"{name}.wav", spoken, rate)
            if name == "sorry":
                _write_page(PAGES / f"{language}.mp3", spoken, rate)
            print(f"{language} {name}: {len(spoken) / rate:.1f} s, {text}")


def _trimmed(samples: np.ndarray, rate: int) -> np.ndarray:
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > LOUD)
    return samples[max(0, loud[0] - round(BEFORE * rate)) : loud[-1] + round(AFTER * rate)]


def _narrowed(samples: np.ndarray, rate: int) -> np.ndarray:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=NARROW)
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = rate
    pieces = [piece.to_ndarray().ravel() for each in (frame, None) for piece in resampler.resample(each)]
    return np.concatenate(pieces)


def _write(path: Path, samples: np.ndarray, rate: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype(np.int16).tobytes())


def _write_page(path: Path, samples: np.ndarray, rate: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp3") as file:
        stream = file.add_stream("mp3", rate=rate, layout="mono")
        stream.bit_rate = 32_000
        frame = av.AudioFrame.from_ndarray(samples.astype(np.int16).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)


if __name__ == "__main__":
    main()
