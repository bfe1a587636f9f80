"""What a worker or a bot host tells of itself with each heartbeat: for the operator to see. Nothing rests on it."""

from typing import Literal

from pydantic import Field

from agents.calling import Message

MOST_OPEN = 50
"""Models that are told of."""


class OpenModel(Message):
    """A model that is left alone because it failed."""

    service: Literal["llm", "stt", "tts"]
    model: str = Field(max_length=200)
    reason: str = Field("", max_length=500)
    seconds: float = Field(ge=0, description="For how long.")


class Figures(Message):
    """How a worker or a bot host is."""

    kind: Literal["worker", "bots"] = "worker"
    places: int = Field(0, ge=0, description="Calls or bots that it takes at once.")
    taken: int = Field(0, ge=0, description="Of those places.")
    draining: bool = Field(False, description="It takes nothing any more and ends.")
    open_models: list[OpenModel] = Field([], max_length=MOST_OPEN)
    spool_reports: int = Field(0, ge=0, description="Reports that the control plane has not acknowledged.")
    parked_reports: int = Field(0, ge=0, description="Reports that it refused, for a person to look at.")
    disk_free_bytes: int | None = Field(None, ge=0, description="Of the spool's disk; None where that does not answer.")
    knowledge: bool | None = Field(None, description="Whether the host's knowledge process answers; None: not asked.")
