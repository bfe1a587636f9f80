"""Speak the sentences that come with the software, for where a call has no voice: `python tools/sounds.py`.

Run it after a change of `agents/prepared.py` or its words, and listen.
"""

import wave

import numpy as np

from agents.prepared import PACKAGED, TEXTS
from parley.offline.flite import RATE, load_flite

VOICE, LOUD = "slt", 200
BEFORE, AFTER = 400, 1600
"""Samples of silence around the words."""


def main() -> None:
    """Write them all."""
    voice = load_flite()
    for name, text in TEXTS.items():
        samples = voice.speak(text, voice=VOICE)
        loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > LOUD)
        spoken = samples[max(0, loud[0] - BEFORE) : loud[-1] + AFTER]
        with wave.open(str(PACKAGED / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(spoken.tobytes())
        print(f"{name}: {len(spoken) / RATE:.1f} s, {text}")


if __name__ == "__main__":
    main()
