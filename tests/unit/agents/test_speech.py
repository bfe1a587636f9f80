"""Speech is found where the framework's own detector finds it."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import inference, vad

from agents.calling import ModelChoice, PersonaJob
from agents.models import Models
from agents.prepared import Sounds
from agents.settings import WorkerSettings
from agents.speech import FRAME_MS, RATE, SpeechFinder
from agents.turns import room_options
from tests.support.jobs import persona_job

pytestmark = pytest.mark.anyio

BOUNDS = (vad.VADEventType.START_OF_SPEECH, vad.VADEventType.END_OF_SPEECH)


def spoken(rate: int, *, noise: int = 0) -> Any:
    """Sentences that come with us, with pauses of half a second and longer between them."""
    pieces: list[Any] = [np.zeros(rate, np.int16)]
    for name, pause in (("patience", 0.5), ("apology", 1.5), ("bridge", 0.8)):
        frames = Sounds(Path(), "none", rate).frames(name)  # type: ignore[arg-type]
        pieces += [np.frombuffer(each.data, np.int16) for each in frames] + [np.zeros(round(pause * rate), np.int16)]
    whole = np.concatenate(pieces)
    added = np.random.default_rng(1).integers(-noise, noise + 1, len(whole)).astype(np.int16)
    return np.clip(whole.astype(np.int32) + added, -32768, 32767).astype(np.int16)


def cut(samples: Any, rate: int, milliseconds: int) -> list[rtc.AudioFrame]:
    size = rate * milliseconds // 1000
    count = len(samples) // size
    return [rtc.AudioFrame(samples[n * size :][:size].tobytes(), rate, 1, size) for n in range(count)]


async def heard(finder: vad.VAD, frames: Sequence[rtc.AudioFrame]) -> list[vad.VADEvent]:
    stream = finder.stream()
    for frame in frames:
        stream.push_frame(frame)
    stream._input_ch.close()  # `end_input` forgets what was said last
    try:
        return [event async for event in stream]
    finally:
        await stream.aclose()


def bounds(events: Sequence[vad.VADEvent]) -> list[tuple[Any, float, float]]:
    return [
        (event.type, round(event.timestamp, 3), round(event.speech_duration, 3))
        for event in events
        if event.type in BOUNDS
    ]


@pytest.mark.parametrize("noise", [0, 40, 400])
@pytest.mark.parametrize(("rate", "milliseconds"), [(RATE, FRAME_MS), (RATE, 10), (24_000, 20), (48_000, 10)])
async def test_speech_begins_and_ends_where_the_frameworks_detector_finds_it(
    rate: int, milliseconds: int, noise: int
) -> None:
    frames = cut(spoken(rate, noise=noise), rate, milliseconds)
    theirs = await heard(inference.VAD(min_silence_duration=0.25), frames)
    ours = await heard(SpeechFinder(min_silence=0.25), frames)
    assert len(bounds(theirs)) >= 6
    assert bounds(ours) == bounds(theirs)
    for kind in BOUNDS:
        lengths = [[sum(frame.duration for frame in event.frames) for event in events if event.type == kind]
                   for events in (ours, theirs)]  # fmt: skip
        assert lengths[0] == pytest.approx(lengths[1], abs=0.05), "what was said comes with half a second before it"


async def test_a_session_is_told_of_speech_while_it_lasts_and_not_of_a_silence_that_goes_on() -> None:
    frames = cut(spoken(RATE), RATE, FRAME_MS)
    theirs = await heard(inference.VAD(min_silence_duration=0.25), frames)
    ours = await heard(SpeechFinder(min_silence=0.25), frames)

    def matters(events: Sequence[vad.VADEvent]) -> list[tuple[Any, ...]]:
        return [
            (
                event.samples_index,
                event.speaking,
                round(event.speech_duration, 3),
                round(event.raw_accumulated_speech, 3),
            )
            for event in events
            if event.type == vad.VADEventType.INFERENCE_DONE and (event.speaking or event.raw_accumulated_speech)
        ]

    assert matters(ours) == matters(theirs)
    assert len(ours) < 0.8 * len(theirs)
    quiet = [event.speaking for event in ours if event.type not in BOUNDS]
    assert quiet[-1] is False, "the end of speech is told once more, when it is silent"


def test_sound_comes_as_the_model_takes_it_unless_recognition_takes_more(tmp_path: Path) -> None:
    told = {
        "worker_token": "x" * 32,
        "livekit_api_key": "key",
        "livekit_api_secret": "s" * 32,
        "environment": "development",
    }

    def microphone(realtime: bool, **asked: Any) -> Any:
        settings = WorkerSettings.model_validate(told | {"spool_dir": tmp_path, "stt_realtime": realtime})
        job: PersonaJob = persona_job(**asked)
        client: Any = SimpleNamespace(_base_url="http://x")
        models = Models(settings, job, client, outbound=None)  # type: ignore[arg-type]
        return room_options(job, wide=models.stt.is_wide).audio_input

    assert (microphone(True).sample_rate, microphone(True).frame_size_ms) == (24_000, 20)
    assert (microphone(False).sample_rate, microphone(False).frame_size_ms) == (16_000, 32)
    assert microphone(False, stt=ModelChoice(provider="nobody")).sample_rate == 16_000
