"""The models of a persona. One protocol, OpenAI's; which server speaks it is a setting."""

from typing import Any

import httpx2
import openai
from livekit.agents import llm, stt, tts
from livekit.agents.types import NOT_GIVEN, APIConnectOptions
from livekit.plugins import openai as plugin

from agents.contract import PersonaJob
from agents.settings import WorkerSettings

TRIES = APIConnectOptions(max_retry=1, retry_interval=0.3, timeout=5.0)
"""The framework's own default, four tries of ten seconds, would be 44 s of dead air on a dead model."""


MIN_SILENCE = 0.12
"""Seconds of silence that recognition needs to call a phrase finished."""


def build_client(settings: WorkerSettings) -> openai.AsyncOpenAI:
    """One HTTP client for all models of a process: connections and TLS are set up once."""
    limits = httpx2.Limits(max_connections=50, max_keepalive_connections=8, keepalive_expiry=600)
    return openai.AsyncOpenAI(
        api_key=settings.models_api_key.get_secret_value() or "unset",
        base_url=settings.models_url,
        max_retries=0,
        http_client=httpx2.AsyncClient(timeout=30, limits=limits),
    )


class Models:
    """Recognition, answers and speech for one persona."""

    def __init__(self, settings: WorkerSettings, job: PersonaJob, client: openai.AsyncOpenAI) -> None:
        silence = round(max(MIN_SILENCE, job.turn_taking.vad_min_silence) * 1000)
        self.stt: stt.STT[Any] = plugin.STT(
            model=job.stt.model or settings.stt_model,
            language=job.language.split("-")[0],
            client=client,
            use_realtime=settings.stt_realtime,
            # The realtime socket finds the end of speech by itself; what it waits for is lost to the answer.
            turn_detection={
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": silence,
            },
        )
        self.llm: llm.LLM[Any] = plugin.LLM(
            model=job.llm.model or settings.llm_model,
            client=client,
            temperature=NOT_GIVEN if job.llm.temperature is None else job.llm.temperature,
        )
        self.tts: tts.TTS[Any] = plugin.TTS(
            model=job.tts.model or settings.tts_model,
            voice=job.tts.voice or settings.tts_voice,
            response_format=settings.tts_format,
            client=client,
        )
