"""What the models of a call were asked for, counted where they are called."""

from typing import Any, Literal

from livekit.agents.metrics import LLMMetrics, STTMetrics, TTSMetrics

from agents.contract import UsageCounted
from agents.listening import Listener
from agents.timing import moment

Service = Literal["llm", "stt", "tts"]


class UsageMeter:
    """Adds up every request of these models, also of those that were made in vain, until it is read.

    An answer that was cut off tells no tokens, but is billed: its prompt counts as long as the one before it.
    """

    def __init__(self, *models: Any) -> None:
        self._counted: dict[tuple[Service, str, str], UsageCounted] = {}
        self._last_prompt = 0
        for model in models:
            model.on("metrics_collected", Listener(self._count))

    def read(self) -> list[UsageCounted]:
        """What was used since it was last read, one report for each model."""
        counted, self._counted = self._counted, {}
        return list(counted.values())

    def _count(self, metrics: object) -> None:
        match metrics:
            case LLMMetrics():
                self._last_prompt = metrics.prompt_tokens or self._last_prompt
                self._add("llm", metrics, input_tokens=self._last_prompt, output_tokens=metrics.completion_tokens)
            case TTSMetrics():
                self._add(
                    "tts",
                    metrics,
                    input_tokens=metrics.input_tokens,
                    output_tokens=metrics.output_tokens,
                    audio_seconds=metrics.audio_duration,
                    characters=metrics.characters_count,
                )
            case STTMetrics() if metrics.audio_duration or metrics.total_tokens:  # others tell of a connection only
                self._add(
                    "stt",
                    metrics,
                    input_tokens=metrics.input_tokens,
                    output_tokens=metrics.output_tokens,
                    audio_seconds=metrics.audio_duration,
                )

    def _add(self, service: Service, metrics: LLMMetrics | STTMetrics | TTSMetrics, **amounts: float) -> None:
        named = metrics.metadata
        provider, model = (named.model_provider or "", named.model_name or "") if named else ("", "")
        key = service, provider, model
        before = self._counted.get(key) or UsageCounted(at=moment(), service=service, provider=provider, model=model)
        sums = {name: getattr(before, name) + amount for name, amount in amounts.items()}
        self._counted[key] = before.model_copy(update={**sums, "requests": before.requests + 1, "at": moment()})
