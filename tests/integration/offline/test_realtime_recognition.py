"""The realtime socket, through the LiveKit plugin that the workers use and through the bare protocol."""

import asyncio
import base64
import json
import time

import httpx2
import numpy as np
import pytest
from livekit import rtc
from livekit.agents import stt
from livekit.agents.utils import http_context
from livekit.plugins import openai
from websockets.asyncio.client import connect

RATE = 24_000
FRAME = RATE // 50


def spoken(models_url: str, text: str) -> np.ndarray:
    body = {"model": "flite-rms", "input": text, "voice": "rms", "response_format": "pcm"}
    audio = httpx2.post(f"{models_url}/audio/speech", json=body, timeout=30).raise_for_status().content
    return np.frombuffer(audio, "<i2")


def changed(sound: np.ndarray, source: int, target: int) -> np.ndarray:
    resampler = rtc.AudioResampler(source, target)
    frames = [*resampler.push(rtc.AudioFrame(sound.tobytes(), source, 1, len(sound))), *resampler.flush()]
    return np.concatenate([np.frombuffer(frame.data, np.int16) for frame in frames])


class Listening:
    """Feeds a plugin stream in real time and notes when each event came."""

    def __init__(self, stream: stt.SpeechStream) -> None:
        self.stream = stream
        self.events: list[tuple[float, stt.SpeechEvent]] = []

    async def say(self, speech: np.ndarray, *, silence: float) -> float:
        """Plays the speech and then silence; returns the moment at which the speech was over."""
        padded = np.concatenate([np.zeros(RATE // 5, np.int16), speech, np.zeros(int(silence * RATE), np.int16)])
        started = time.monotonic()
        for index in range(0, len(padded) - FRAME + 1, FRAME):
            self.stream.push_frame(rtc.AudioFrame(padded[index : index + FRAME].tobytes(), RATE, 1, FRAME))
            await asyncio.sleep(max(0.0, started + (index + FRAME) / RATE - time.monotonic()))
        loud = np.flatnonzero(np.abs(padded.astype(np.int32)) > 150)
        return started + float(loud[-1]) / RATE

    async def note(self) -> None:
        async for event in self.stream:
            self.events.append((time.monotonic(), event))

    async def until(self, *kinds: stt.SpeechEventType) -> None:
        async with asyncio.timeout(60):
            while not set(kinds) <= {event.type for _, event in self.events}:
                await asyncio.sleep(0.01)

    def texts(self, kind: stt.SpeechEventType) -> list[str]:
        return [event.alternatives[0].text for _, event in self.events if event.type == kind]


@pytest.mark.anyio
async def test_the_livekit_plugin_hears_interim_and_final_text_soon_after_the_speech_ended(models_url: str) -> None:
    sentences = ["What time does the kitchen close in the evening?", "Where is the swimming pool?"]
    delays = []
    async with http_context.open():
        recogniser = openai.STT(model="pocketsphinx-en", use_realtime=True, base_url=models_url, api_key="any")
        async with recogniser.stream() as stream:
            listening = Listening(stream)
            noting = asyncio.create_task(listening.note())
            for sentence in sentences:
                listening.events.clear()
                over = await listening.say(spoken(models_url, sentence), silence=0.8)
                await listening.until(stt.SpeechEventType.FINAL_TRANSCRIPT, stt.SpeechEventType.END_OF_SPEECH)
                finals = [(at, e) for at, e in listening.events if e.type == stt.SpeechEventType.FINAL_TRANSCRIPT]
                assert [e.alternatives[0].text for _, e in finals] == [sentence.lower().rstrip("?")]
                interim = listening.texts(stt.SpeechEventType.INTERIM_TRANSCRIPT)
                assert interim
                assert sentence.lower().startswith(interim[0])
                kinds = [event.type for _, event in listening.events]
                assert kinds[0] == stt.SpeechEventType.START_OF_SPEECH
                assert stt.SpeechEventType.END_OF_SPEECH in kinds
                delays.append(finals[0][0] - over)
            noting.cancel()
        await recogniser.aclose()
    print("end of speech to final text:", ", ".join(f"{delay * 1000:.0f} ms" for delay in delays))  # noqa: T201
    assert min(delays) < 0.5


async def exchange(models_url: str, messages: list[dict], until: str, path: str = "intent=transcription") -> list[dict]:
    """Sends messages and collects events up to the one that is waited for."""
    events = []
    async with connect(f"{models_url.replace('http', 'ws')}/realtime?{path}") as socket:
        for message in messages:
            await socket.send(json.dumps(message))
        async with asyncio.timeout(60):
            async for text in socket:
                events.append(json.loads(text))
                if events[-1]["type"] == until:
                    break
    return events


def append(samples: np.ndarray) -> dict:
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(samples.tobytes()).decode()}


@pytest.mark.anyio
async def test_a_commit_ends_the_utterance_at_once(models_url: str) -> None:
    speech = spoken(models_url, "The museum is closed on Monday.")
    completed = "conversation.item.input_audio_transcription.completed"

    events = await exchange(models_url, [append(speech), {"type": "input_audio_buffer.commit"}], completed)

    assert events[0]["type"] == "session.created"
    assert events[-1]["transcript"] == "the museum is closed on monday"


@pytest.mark.anyio
async def test_the_first_words_of_a_telephone_are_understood(models_url: str) -> None:
    sentences = {
        "We need a bigger table for the people from the company.": 10,
        "You can pay the bill with cash or by bank transfer.": 10,
        "Could you tell me the price of a new battery?": 9,
    }
    completed = "conversation.item.input_audio_transcription.completed"
    known = 0
    for sentence in sentences:
        wide = spoken(models_url, sentence)
        narrow = changed(changed(wide, RATE, 8000), 8000, RATE)
        events = await exchange(models_url, [append(narrow), {"type": "input_audio_buffer.commit"}], completed)
        heard = " ".join(event["transcript"] for event in events if event["type"] == completed).split()
        known += len(set(sentence.lower().rstrip(".?").split()) & set(heard))

    assert known / sum(sentences.values()) > 0.75


@pytest.mark.anyio
async def test_a_message_that_cannot_be_understood_is_answered_and_the_socket_stays_open(models_url: str) -> None:
    session = {
        "type": "transcription",
        "audio": {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 90}}},
    }

    events = await exchange(
        models_url,
        [
            {"type": "nonsense"},
            {"type": "input_audio_buffer.append", "audio": "*"},
            {"type": "session.update", "session": session},
        ],
        "session.updated",
    )

    assert {event["error"]["type"] for event in events if event["type"] == "error"} == {"invalid_request_error"}
    assert events[-1]["session"]["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 90


@pytest.mark.anyio
async def test_a_conversation_or_an_unknown_model_is_refused_with_the_reason(models_url: str) -> None:
    for path, word in (("intent=conversation", "transcription"), ("intent=transcription&model=whisper-1", "whisper-1")):
        events = await exchange(models_url, [], "error", path)
        assert word in events[-1]["error"]["message"]
