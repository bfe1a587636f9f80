"""Agents on the wire."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agents.contract import TurnTaking
from control_plane.wire import Clean, Instant

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Clean]
Text = Annotated[str, StringConstraints(max_length=50_000), Clean]
Seconds = Annotated[int, Field(ge=10, le=24 * 3600)]


class AgentSettings(BaseModel):
    """What can be set on an agent; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    agent_type: Literal["voice", "text"] = "voice"
    instructions: Text = Field("", description="What the persona is and does; `{{name}}` is filled from variables.")
    greeting: Annotated[str, StringConstraints(max_length=2000)] = Field(
        "", description="Spoken first; same variables."
    )
    language: Annotated[str, StringConstraints(min_length=2, max_length=35)] = "en"
    llm_provider: str = "openai"
    llm_model: str | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    stt_provider: str = "openai"
    stt_model: str | None = None
    tts_provider: str = "openai"
    tts_model: str | None = None
    voice_id: str | None = None
    fallbacks: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    knowledge_base_ids: Annotated[list[int], Field(max_length=20)] = Field(default_factory=list)
    turn_taking: TurnTaking = Field(default_factory=TurnTaking)
    voicemail: dict[str, Any] = Field(default_factory=dict)
    max_call_duration: Seconds = 3600
    silence_timeout: Seconds = 120
    record: bool = False
    store_transcripts: bool = True
    is_active: bool = True


class AgentCreate(AgentSettings):
    """`POST /agents`."""

    name: Name


class AgentUpdate(AgentSettings):
    """`PATCH /agents/{id}`: a field that is not sent stays as it is."""

    name: Name = ""


class AgentRead(BaseModel):
    """An agent as it is listed."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    agent_type: str
    instructions: str
    greeting: str
    language: str
    llm_provider: str
    llm_model: str | None
    temperature: float | None
    stt_provider: str
    stt_model: str | None
    tts_provider: str
    tts_model: str | None
    voice_id: str | None
    fallbacks: dict[str, Any]
    knowledge_base_ids: list[int]
    tools: list[dict[str, Any]]
    turn_taking: dict[str, Any]
    voicemail: dict[str, Any]
    max_call_duration: int
    silence_timeout: int
    record: bool
    store_transcripts: bool
    is_active: bool
    created_at: Instant


class AgentList(BaseModel):
    """All agents of the project."""

    agents: list[AgentRead]


class AgentAnswer(BaseModel):
    """One agent."""

    agent: AgentRead


class ToolList(BaseModel):
    """The tools an agent has."""

    tools: list[dict[str, Any]]
