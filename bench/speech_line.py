"""Speech through calls: how many of its words the offline recogniser still knows."""

import asyncio
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from livekit import api, rtc

from bench.beeps import Somebody
from bench.calls import dial
from bench.exchange import exchange
from bench.telephones import telephones
from parley.offline.flite import RATE, VOICE_SAMPLE, load_flite
from parley.offline.recognition import Finished, Recognisers, SpeechStream
from parley.offline.speech import Speaker
from parley.offline.words import tokens
from pocket.rtp.codecs import Codec, Samples, make_coder

VOICE: Final = "rms"
IN_A_CALL: Final = 8
"""Sentences; each call meets the clocks at other phases."""
BEFORE, AFTER = 0.5, 0.7
"""Seconds of silence around a sentence, the second longer than any path is late."""
PIECE: Final = 0.05
"""Seconds that the recogniser is given at a time, as on the platform."""
SILENCE_MS: Final = 500
"""After which an utterance ends: pauses within a sentence are no measure of the line."""
SENTENCES: Final = (
    "You have reached the voice mailbox of Tom. Please leave a message after the tone.",
    "How long is the warranty on a repair?",
    "Where can customers park their cars?",
    "Where can I charge an electric bicycle?",
    "Do you have a branch in London?",
    "Do you take credit cards?",
    "The weather in the mountains was cold and windy last night.",
    "Please send the letter to my old address in the city.",
    "The train to the airport leaves every twenty minutes.",
    "She bought three bottles of milk and a loaf of bread.",
    "I would like to change the date of my appointment.",
    "The office is closed on Sunday and on public holidays.",
    "My brother plays the guitar in a small band.",
    "The children were playing football behind the school.",
    "We need a bigger table for the people from the company.",
    "The doctor said that I should stay in bed for a week.",
    "There is a problem with the heating in the kitchen.",
    "He opened the window because the room was very hot.",
    "Could you tell me the price of a new battery?",
    "They walked along the river until the sun went down.",
    "The library has more than a thousand books about history.",
    "I forgot my umbrella on the bus this morning.",
    "The meeting begins at half past nine on Monday.",
    "Turn left at the bridge and follow the road to the church.",
    "The government wants to build a hundred new houses here.",
    "Her father works as an engineer for a large factory.",
    "The computer lost all of my pictures from the summer.",
    "You can pay the bill with cash or by bank transfer.",
    "A black dog was sleeping in front of the fire.",
    "The second chapter of the book is better than the first.",
    "We had dinner at an expensive restaurant near the station.",
    "The police found the stolen car in another town.",
)


class Script:
    """Sentences said one after the other once `begin` was called, asked for piece by piece."""

    def __init__(self, sentences: Sequence[Samples], rate: int, piece: float) -> None:
        self.done = asyncio.Event()
        self._count = round(rate * piece)
        padding = (math.ceil(rate * BEFORE), math.ceil(rate * AFTER))
        self._sounds = [self._whole(np.pad(sentence, padding)) for sentence in sentences]
        self._sentence, self._place = -1, 0

    def _whole(self, sound: Samples) -> Samples:
        return np.pad(sound, (0, -len(sound) % self._count))

    def begin(self) -> None:
        """Say the first sentence."""
        self._sentence = 0

    def __call__(self) -> Samples:
        """The next piece."""
        if self._sentence < 0 or self.done.is_set():
            return np.zeros(self._count, np.int16)
        sound = self._sounds[self._sentence]
        piece = sound[self._place : self._place + self._count]
        self._place += self._count
        if self._place == len(sound):
            self._place = 0
            if self._sentence + 1 == len(self._sounds):
                self.done.set()
            else:
                self._sentence += 1
        return piece

    def ear(self) -> tuple[list[list[Samples]], Callable[[Samples], None]]:
        """A list for each sentence, and the listener that fills it."""
        heard: list[list[Samples]] = [[] for _ in self._sounds]

        def hear(pcm: Samples) -> None:
            if self._sentence >= 0:
                heard[self._sentence].append(pcm.copy())

        return heard, hear


def resampled(sound: Samples, source: int, target: int) -> Samples:
    """At another rate, as the SDK of a room does it."""
    if source == target:
        return sound
    resampler = rtc.AudioResampler(source, target, quality=rtc.AudioResamplerQuality.HIGH)
    frames = [*resampler.push(rtc.AudioFrame(sound.tobytes(), source, 1, len(sound))), *resampler.flush()]
    return np.concatenate([np.frombuffer(frame.data, np.int16) for frame in frames])


async def spoken(sentences: Sequence[str]) -> list[Samples]:
    """Said by our voice, at 16 kHz."""
    speaker = Speaker(load_flite())
    return [
        np.concatenate([piece async for piece in speaker.speak(sentence, voice=VOICE, speed=1.0, rate=RATE)])
        for sentence in sentences
    ]


async def recognised(sounds: Sequence[Samples], recognisers: Recognisers) -> list[str]:
    """The words of each sound, which is the first of its speaker."""
    texts: list[str] = []
    for sound in sounds:
        async with recognisers.stream(timeout=1) as stream:
            texts.append(await recognisers.run(partial(_listen, stream, sound)))
    return texts


def _listen(stream: SpeechStream, sound: Samples) -> str:
    stream.listener.silence_ms = SILENCE_MS
    count = int(RATE * PIECE)
    pieces = (sound[start : start + count] for start in range(0, len(sound), count))
    results = [result for piece in pieces for result in stream.push(piece)] + stream.finish()
    return " ".join(result.text for result in results if isinstance(result, Finished))


def word_errors(said: str, heard: str) -> int:
    """The least number of words that were put in, left out or taken for another."""
    row = list(range(len(tokens(heard)) + 1))
    for word in tokens(said):
        diagonal, row[0] = row[0], row[0] + 1
        for place, other in enumerate(tokens(heard), start=1):
            diagonal, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, diagonal + (word != other))
    return row[-1]


async def through_calls(codec: Codec, wide: Sequence[Samples]) -> dict[str, list[Samples]]:
    """What is heard of each sentence at 16 kHz: of the phone in the room, of the room on the phone, room to room."""
    found: dict[str, list[Samples]] = {"room → room": [], "phone → room": [], "room → phone": []}
    rates = {"room → room": RATE, "phone → room": RATE, "room → phone": codec.sample_rate}
    with exchange(most_calls=2) as service:
        async with telephones(codec) as phones, service.api() as livekit:
            for first in range(0, len(wide), IN_A_CALL):
                some, room = wide[first : first + IN_A_CALL], f"speech-{first}"
                voice = Script(some, RATE, 0.01)
                telephone = Script([resampled(each, RATE, codec.sample_rate) for each in some], codec.sample_rate, 0.02)
                heard = {"room → room": voice.ear(), "phone → room": telephone.ear(), "room → phone": voice.ear()}
                phones.say, phones.on_audio = telephone, heard["room → phone"][1]
                ears: dict[str, Callable[[Samples], None]] = {
                    "speaker": heard["room → room"][1],
                    "phone": heard["phone → room"][1],
                }
                speaker, listener = Somebody(lambda who: None), Somebody(ears.get)
                await listener.join(service.url, service.token(room, "listener"))
                await speaker.join(service.url, service.token(room, "speaker"))
                await speaker.speak(voice, RATE)
                await dial(livekit, phones, room, "phone")
                await asyncio.sleep(2)  # buffers settle
                voice.begin()
                telephone.begin()
                async with asyncio.timeout(60 + sum(map(len, some)) / RATE):
                    await asyncio.gather(voice.done.wait(), telephone.done.wait())
                for name, (sentences, _) in heard.items():
                    found[name] += [resampled(np.concatenate(each), rates[name], RATE) for each in sentences]
                await livekit.room.delete_room(api.DeleteRoomRequest(room=room))
                await speaker.leave()
                await listener.leave()
    return found


def coded(sound: Samples, codec: Codec) -> Samples:
    """Encoded and decoded, at 16 kHz before and after: what the codec alone does to speech."""
    coder = make_coder(codec)
    narrow = resampled(sound, RATE, codec.sample_rate)
    frames = np.pad(narrow, (0, -len(narrow) % codec.frame_samples)).reshape(-1, codec.frame_samples)
    again = np.concatenate([coder.decode(coder.encode(frame)) for frame in frames])
    return resampled(again, codec.sample_rate, RATE)


async def understood(codec: Codec, wide: Sequence[Samples]) -> dict[str, list[str]]:
    """For each path the text of each sentence, by a recogniser that has just been started."""
    clean = [np.pad(each, (int(RATE * BEFORE), int(RATE * AFTER))) for each in wide]
    calls = await through_calls(codec, wide)
    sounds = {
        "clean": clean,
        f"{codec.name} alone": [coded(each, codec) for each in clean],
        f"room → room, {codec.name}": [coded(each, codec) for each in calls["room → room"]],
        **calls,
    }
    recognisers = Recognisers(1)
    await recognisers.warm(1, [load_flite().speak(sentence) for sentence in VOICE_SAMPLE])
    try:
        return {name: await recognised(each, recognisers) for name, each in sounds.items()}
    finally:
        recognisers.close()


async def intelligibility(codec: Codec, passes: int) -> dict[str, Any]:
    """For each path what was understood of each sentence, and how many of its words are wrong.

    Every pass says all sentences again: the recogniser's errors on one sound differ by a few from start to start.
    """
    wide = await spoken(SENTENCES)
    found: dict[str, Any] = {}
    for _ in range(passes):
        for name, texts in (await understood(codec, wide)).items():
            path = found.setdefault(name, {"wrong": [], "words": 0, "texts": []})
            path["texts"] += texts
            path["wrong"] += [word_errors(said, heard) for said, heard in zip(SENTENCES, texts, strict=True)]
            path["words"] += sum(len(tokens(said)) for said in SENTENCES)
    return found
