"""Analyses on the wire."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from control_plane.analysis.models import Analysis
from control_plane.analysis.reading import ActionItem, Judged, Objective
from control_plane.wire import Instant


class Speaker(BaseModel):
    """Somebody who spoke in a meeting."""

    name: str
    ms: int = Field(description="Milliseconds of their speech.")


class AnalysisRead(BaseModel):
    """What a conversation came to. Evidence are ids of transcript lines; times are milliseconds."""

    session_id: int | None = Field(description="Null for a meeting in which nobody has spoken.")
    status: Literal["pending", "ready", "failed"]
    error: str | None = Field(None, description="Why it failed; it is tried again for some minutes.")
    summary: str | None = Field(None, description="Null, as all that a model finds, where there is no model.")
    topics: list[str] | None = None
    sentiment: Literal["positive", "neutral", "negative", "mixed"] | None = None
    action_items: list[ActionItem] | None = None
    objectives: list[Objective] | None = None
    criteria: list[Judged] | None = None
    talk_ratio: float | None = Field(None, description="The people's part of all speech, 0 to 1.")
    agent_ms: int = Field(0, description="Speech of agents.")
    people_ms: int = Field(0, description="Speech of people.")
    lines: int = 0
    interruptions: int = Field(0, description="How often people cut the agent off.")
    barge_ins: int = Field(0, description="How often the agent spoke into somebody's words.")
    longest_silence_ms: int = 0
    speakers: list[Speaker] = Field([], description="People whose names are known, who spoke longest first.")
    model: str | None = None
    extractive: bool = Field(False, description="Made of pieces of what was said, by no language model.")
    finished_at: Instant | None = None


class AnalysisAsked(BaseModel):
    """An analysis is made anew."""

    session_id: int
    status: Literal["pending"] = "pending"


def show_analysis(session_id: int, analysis: Analysis | None) -> dict[str, Any]:
    """An analysis on the wire; one that has no row yet is pending."""
    if analysis is None:
        return {"session_id": session_id, "status": "pending"}
    about = analysis.model_dump(include={"status", "error", "model", "extractive", "finished_at"})
    return {"session_id": session_id, **about, **analysis.figures, **analysis.findings}


def silent(*, over: bool) -> AnalysisRead:
    """The analysis of a meeting in which nobody has spoken, or not yet."""
    return AnalysisRead(
        session_id=None, status="failed" if over else "pending", error="nobody has spoken" if over else None
    )
