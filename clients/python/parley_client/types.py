"""Answers, as far as the API's document shows them; there may be more fields."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class Token(TypedDict):
    token: str
    room: str
    wsUrl: str
    agents_dispatched: list[int]


class Room(TypedDict, total=False):
    name: str
    fullName: str
    sid: str
    status: Literal["active", "closed"]
    numParticipants: int
    maxParticipants: int
    emptyTimeout: int
    creationTime: int
    createdAt: int
    participants: list[Participant]


class Participant(TypedDict, total=False):
    identity: str
    name: str
    state: str
    joinedAt: int
    tracks: list[dict[str, Any]]


class Agent(TypedDict, total=False):
    id: int
    name: str
    agent_type: str
    instructions: str
    greeting: str
    language: str
    llm_provider: str
    llm_model: str | None
    knowledge_base_ids: list[int]
    is_active: bool


class Session(TypedDict, total=False):
    id: int
    room_name: str
    agent_name: str | None
    status: Literal["active", "completed"]
    session_type: Literal["voice", "sip"]
    duration: int | None
    message_count: int
    started_at: str
    ended_at: str | None
    outcome: str | None


class Line(TypedDict):
    speaker: Literal["agent", "user", "system"]
    content: str
    timestamp_ms: int
    created_at: str


class Recording(TypedDict, total=False):
    id: int
    egress_id: str
    room_name: str
    format: str
    status: Literal["recording", "completed", "error"]
    duration: float | None
    size_bytes: int | None


class Call(TypedDict, total=False):
    id: int
    status: str
    room_name: str
    full_room_name: str
    phone_number: str
    caller_id: str
    session_id: int
    sip_participant_id: str | None
    sip_status: int | None
    reason: str | None


class KnowledgeBase(TypedDict, total=False):
    id: int
    name: str
    description: str
    chunk_count: int
    indexing_status: Literal["empty", "indexing", "ready", "error"]


class Passage(TypedDict):
    chunk_id: int
    content: str
    source: str
    chunk_index: int
    score: float


class Webhook(TypedDict, total=False):
    id: int
    url: str
    events: list[str] | None
    is_active: bool
    secret: str
