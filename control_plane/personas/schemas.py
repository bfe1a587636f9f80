"""Agents on the wire."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agents.contract import TurnTaking
from control_plane.wire import MAX_ID, Clean, Instant, Storable

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Clean]
Text = Annotated[str, StringConstraints(max_length=50_000), Clean]
Model = Annotated[str, StringConstraints(min_length=1, max_length=200), Clean]
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)]
BaseId = Annotated[int, Field(ge=1, le=MAX_ID)]
Seconds = Annotated[int, Field(ge=10, le=24 * 3600)]


class AgentSettings(BaseModel):
    """What can be set on an agent; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    agent_type: Literal["voice", "text"] = "voice"
    instructions: Text = Field("", description="What the persona is and does; `{{name}}` is filled from variables.")
    greeting: Annotated[str, StringConstraints(max_length=2000), Clean] = Field(
        "", description="Spoken first; same variables."
    )
    language: Language = "en"
    llm_provider: Model = "openai"
    llm_model: Model | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    stt_provider: Model = "openai"
    stt_model: Model | None = None
    tts_provider: Model = "openai"
    tts_model: Model | None = None
    voice_id: Model | None = None
    fallbacks: Annotated[dict[str, list[dict[str, Any]]], Storable] = Field(default_factory=dict)
    knowledge_base_ids: Annotated[list[BaseId], Field(max_length=20)] = Field(default_factory=list)
    turn_taking: TurnTaking = Field(default_factory=TurnTaking)
    voicemail: Annotated[dict[str, Any], Storable] = Field(default_factory=dict)
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
