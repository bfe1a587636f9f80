"""What models did for a call is reported turn by turn, and the rest as it ends."""

import pytest
from livekit.agents.metrics import LLMMetrics, STTMetrics, TTSMetrics
from livekit.agents.metrics.base import Metadata

from agents.contract import CallEnded
from tests.support.call_doubles import Call

pytestmark = pytest.mark.anyio


def llm(tokens: int) -> LLMMetrics:
    return LLMMetrics(
        label="l",
        request_id="r",
        timestamp=0,
        duration=0,
        ttft=0,
        cancelled=False,
        completion_tokens=1,
        prompt_tokens=tokens,
        prompt_cached_tokens=0,
        total_tokens=tokens,
        tokens_per_second=0,
        metadata=Metadata(model_name="gpt-4o", model_provider="api.openai.com"),
    )


def stt(seconds: float) -> STTMetrics:
    named = Metadata(model_name="whisper-1", model_provider="api.openai.com")
    return STTMetrics(
        label="l",
        request_id="r",
        timestamp=0,
        duration=0,
        audio_duration=seconds,
        streamed=True,
        metadata=named,
    )


def tts(characters: int) -> TTSMetrics:
    return TTSMetrics(
        label="l",
        request_id="r",
        timestamp=0,
        ttfb=0,
        duration=0,
        audio_duration=1.5,
        cancelled=False,
        characters_count=characters,
        streamed=False,
        metadata=Metadata(model_name="tts-1", model_provider="api.openai.com"),
    )


async def test_each_turn_reports_what_it_used_and_the_end_reports_the_rest(call: Call) -> None:
    call.models.stt.emit("metrics_collected", stt(0.0))  # only tells of a connection
    call.models.stt.emit("metrics_collected", stt(2.5))
    call.models.llm.emit("metrics_collected", llm(100))
    call.models.llm.emit("metrics_collected", llm(0))  # cut off by the caller, who spoke on
    call.models.tts.emit("metrics_collected", tts(40))
    call.agent_goes("speaking", "listening")
    turn = {used.service: used for used in call.reporter.used()}
    assert (turn["llm"].input_tokens, turn["llm"].output_tokens, turn["llm"].requests) == (200, 2, 2)
    assert (turn["stt"].audio_seconds, turn["stt"].requests, turn["stt"].model) == (2.5, 1, "whisper-1")
    assert (turn["tts"].characters, turn["tts"].audio_seconds, turn["tts"].provider) == (40, 1.5, "api.openai.com")

    call.agent_goes("speaking", "listening")
    assert len(call.reporter.used()) == 3, "a turn that used nothing reports nothing"

    call.models.llm.emit("metrics_collected", llm(7))
    call.reporter.end("api")
    await call.ended()
    assert sum(used.input_tokens for used in call.reporter.used()) == 207
    assert isinstance(call.reporter.reports[-1], CallEnded), "nothing is reported after the end"
