"""What real calls of the offline models count as: the plugins of the workers, over HTTP and the realtime socket."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import llm, stt
from livekit.agents.utils import http_context

from agents.calling import ModelChoice
from agents.models import Models, build_client
from agents.settings import WorkerSettings
from agents.usage import UsageMeter
from guard.outbound import Outbound
from tests.support.jobs import persona_job

RATE = 24_000
FRAME = RATE // 50
LINE = "What time does the kitchen close in the evening?"


@pytest.mark.anyio
async def test_every_call_of_a_model_is_counted_in_its_unit(models_url: str, tmp_path: Path) -> None:
    settings = WorkerSettings.model_validate(
        {
            "environment": "development",
            "worker_token": "t",
            "livekit_api_key": "k",
            "livekit_api_secret": "s",
            "spool_dir": tmp_path,
            "models_url": models_url,
            "stt_model": "pocketsphinx-en",
            "llm_model": "extractive-1",
            "tts_model": "flite-rms",
            "tts_voice": "rms",
        }
    )
    job = persona_job(room_name="r", llm=ModelChoice())
    client = build_client(settings)
    async with http_context.open():
        models = Models(settings, job, client, Outbound())
        meter = UsageMeter(models.stt, models.llm, models.tts)
        context = llm.ChatContext.empty()
        context.add_message(role="system", content="You are Robin.")
        context.add_message(role="user", content=LINE)
        for _ in range(2):
            async with models.llm.chat(chat_ctx=context) as answer:
                _ = [chunk async for chunk in answer]
        async with models.tts.synthesize(LINE) as speech:
            spoken = [audio.frame async for audio in speech]
        sound = np.concatenate([np.frombuffer(frame.data, "<i2") for frame in spoken])
        await _listen(models.stt, sound)
        counted = {used.service: used for used in meter.read()}
        await models.stt.aclose()
    await client.close()

    seconds = len(sound) / RATE
    assert counted["llm"].requests == 2
    assert counted["llm"].input_tokens > len(LINE) / 4
    assert counted["llm"].output_tokens > 0
    assert (counted["tts"].characters, counted["tts"].requests) == (len(LINE), 1)
    assert counted["tts"].audio_seconds == pytest.approx(seconds, abs=0.1)
    assert counted["stt"].requests >= 1
    assert counted["stt"].audio_seconds == pytest.approx(seconds, abs=1.2)
    assert {used.model for used in counted.values()} == {"extractive-1", "flite-rms", "pocketsphinx-en"}
    assert all(used.provider.startswith("127.0.0.1") for used in counted.values())
    assert meter.read() == []


async def _listen(recogniser: stt.STT, sound: np.ndarray) -> None:
    """Say it into the recogniser, in real time, until it is understood and counted."""
    padded = np.concatenate([np.zeros(RATE // 5, np.int16), sound, np.zeros(RATE, np.int16)])
    async with recogniser.stream() as stream, asyncio.timeout(120):
        understood = asyncio.create_task(_until(stream, stt.SpeechEventType.RECOGNITION_USAGE))
        for index in range(0, len(padded) - FRAME + 1, FRAME):
            stream.push_frame(rtc.AudioFrame(padded[index : index + FRAME].tobytes(), RATE, 1, FRAME))
            await asyncio.sleep(0.02)
        await understood


async def _until(stream: stt.SpeechStream, wanted: stt.SpeechEventType) -> None:
    async for event in stream:
        if event.type == wanted:
            return
