"""Which models and powers a conversation has; a part of the contract. Pydantic and the standard library only."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Provider = Literal["azure", "cartesia", "deepgram", "elevenlabs", "openai"]
"""Providers that are reached by name. `openai`: the models server, or with a project's own key OpenAI's."""
VoiceProvider = Literal["azure", "cartesia", "elevenlabs", "openai"]
"""Those of them that have voices."""
Effort = Literal["minimal", "low", "medium", "high"]
"""How hard a model thinks that can be told."""


class Message(BaseModel):
    """Base of everything on the wire."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ModelChoice(Message):
    """One model of a persona. `None` means the worker's default of that kind."""

    provider: str | None = None
    model: str | None = None
    voice: str | None = None
    temperature: float | None = None


class Fallbacks(Message):
    """Further models of each kind, in the order in which they are tried."""

    llm: list[ModelChoice] = []
    stt: list[ModelChoice] = []
    tts: list[ModelChoice] = []


class ProviderKey(Message):
    """What opens a provider for one call. Where the provider is, the worker's settings say."""

    api_key: str = Field(repr=False)
    region: str = ""


class Redaction(Message):
    """Personal data is taken out of all that leaves the job, but for what the model and people in the room are told."""

    names: list[str] = Field(default_factory=list, repr=False, description="Of the project's list.")


class Powers(Message):
    """What a persona does besides, in one conversation. A worker that cannot leaves it out."""

    deep_thinking: bool = False
    live_vision: bool = Field(False, description="Its own model is shown what the speaker shows.")
    gpt_vision: bool = Field(False, description="Turns with a picture are answered by the model for pictures.")
    web_search: bool = False


class TurnTaking(Message):
    """When a pause is the end of a turn, and when speech interrupts. Durations in seconds."""

    detection: Literal["model", "vad"] = "model"
    min_endpointing_delay: float = Field(0.2, ge=0, le=5)
    max_endpointing_delay: float = Field(0.9, ge=0, le=10)
    vad_min_silence: float = Field(0.25, ge=0.05, le=2)
    interruption_min_duration: float = Field(0.25, ge=0.05, le=2)
    allow_interruptions: bool = True
