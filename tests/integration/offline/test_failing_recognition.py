"""Real recognition whose first house is away: nothing that was said is lost."""

import asyncio
import socket
import time
from pathlib import Path

import httpx2
import numpy as np
import pytest
from livekit import rtc
from livekit.agents import stt
from livekit.agents.utils import http_context

from agents.calling import Fallbacks, ModelChoice, ProviderKey
from agents.contract import ProviderChanged
from agents.models import Models, build_client
from agents.settings import WorkerSettings
from guard.outbound import Outbound
from tests.support.virtual_calls import virtual_job

RATE = 24_000
FRAME = RATE // 50
LINE = "What time does the kitchen close in the evening?"


@pytest.mark.anyio
@pytest.mark.parametrize("fault", ["refuses", "hangs"])
async def test_what_was_said_meanwhile_is_recognised_by_the_next(models_url: str, tmp_path: Path, fault: str) -> None:
    body = {"model": "flite-rms", "input": LINE, "voice": "rms", "response_format": "pcm"}
    sound = np.frombuffer(
        httpx2.post(f"{models_url}/audio/speech", json=body, timeout=30).raise_for_status().content, "<i2"
    )
    padded = np.concatenate([np.zeros(RATE // 5, np.int16), sound, np.zeros(RATE, np.int16)])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if fault == "hangs" else 1
        settings = WorkerSettings.model_validate(
            {
                "environment": "development",
                "worker_token": "t",
                "livekit_api_key": "k",
                "livekit_api_secret": "s",
                "spool_dir": tmp_path,
                "models_url": models_url,
                "stt_model": "pocketsphinx-en",
                "provider_urls": {"openai": f"http://127.0.0.1:{port}"},
            }
        )
        job = virtual_job(
            keys={"openai": ProviderKey(api_key="own")},
            fallbacks=Fallbacks(stt=[ModelChoice(provider="here", model="pocketsphinx-en")]),
        )
        client = build_client(settings)
        told: list[object] = []
        async with http_context.open():
            models = Models(settings, job, client, Outbound())
            models.on_change(told.append)
            async with models.stt.stream() as stream, asyncio.timeout(120):
                reading = asyncio.create_task(_first_line(stream))
                began = time.monotonic()
                for index in range(0, len(padded) - FRAME + 1, FRAME):
                    stream.push_frame(rtc.AudioFrame(padded[index : index + FRAME].tobytes(), RATE, 1, FRAME))
                    await asyncio.sleep(max(0.0, began + (index + FRAME) / RATE - time.monotonic()))
                models.stt.unheard()  # as the call does where speech had no word
                assert await reading == LINE.lower().rstrip("?")
            await models.stt.aclose()
            await models.close()
        await client.close()
    assert [(each.service, each.used) for each in told if isinstance(each, ProviderChanged)] == [("stt", "here")]


async def _first_line(stream: stt.RecognizeStream) -> str:
    async for event in stream:
        if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT and event.alternatives[0].text:
            return event.alternatives[0].text
    return ""
