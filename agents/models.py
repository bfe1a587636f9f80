"""The models of a persona. One protocol, OpenAI's; which server speaks it is a setting."""

from typing import Any

import httpx2
import openai
from livekit.agents import llm, stt, tts
from livekit.agents.types import APIConnectOptions
from livekit.plugins import openai as plugin

from agents.contract import PersonaJob
from agents.settings import WorkerSettings

TRIES = APIConnectOptions(max_retry=1, retry_interval=0.3, timeout=5.0)
"""The framework's own default, four tries of ten seconds, would be 44 s of dead air on a dead model."""


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
        recognition: dict[str, Any] = {"client": client}
        if settings.stt_realtime:
            # The realtime socket is opened by address and key, not through the client.
            recognition = {
                "use_realtime": True,
                "base_url": settings.models_url,
                "api_key": settings.models_api_key.get_secret_value() or "unset",
            }
        self.stt: stt.STT[Any] = plugin.STT(
            model=job.stt.model or settings.stt_model, language=job.language.split("-")[0], **recognition
        )
        temperature = {} if job.llm.temperature is None else {"temperature": job.llm.temperature}
        self.llm: llm.LLM[Any] = plugin.LLM(model=job.llm.model or settings.llm_model, client=client, **temperature)
        self.tts: tts.TTS[Any] = plugin.TTS(
            model=job.tts.model or settings.tts_model,
            voice=job.tts.voice or settings.tts_voice,
            response_format=settings.tts_format,
            client=client,
        )
