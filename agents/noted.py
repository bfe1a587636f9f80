"""Reports of what happens in a call besides words; a part of the contract. Pydantic and the standard library only."""

from typing import Literal

from pydantic import AwareDatetime, Field

from agents.calling import Message

LONGEST_NOTE = 4000
"""Characters that are kept of what a tool was given, and of what it gave."""


class Report(Message):
    """Something that happened in a call. `at` is the worker's clock."""

    at: AwareDatetime


class ToolUsed(Report):
    """A persona used a tool, with what it was given and what came of it; both are cut where they are long."""

    type: Literal["tool.used.v1"] = "tool.used.v1"
    name: str = Field(max_length=200)
    arguments: str = Field("", max_length=LONGEST_NOTE, description="JSON, as the model wrote it.")
    result: str = Field("", max_length=LONGEST_NOTE, description="What the model was told of it.")
    failed: bool = False
    began_at: AwareDatetime
    ms: float = Field(ge=0, description="Milliseconds from its beginning to its end.")


class FaultSeen(Report):
    """Something that a call needs did not do its work this once. Whether another took over, `ProviderChanged` says."""

    type: Literal["fault.seen.v1"] = "fault.seen.v1"
    service: Literal["llm", "stt", "tts", "knowledge"]
    source: str = Field("", max_length=200, description="Which of them.")
    reason: str = Field(max_length=500, description="For people to read; nothing that was said.")
    recovered: bool = Field(False, description="Whether it was tried again.")
