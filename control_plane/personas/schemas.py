"""Agents on the wire."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from agents.calling import TurnTaking
from control_plane.metering.budget import Budget
from control_plane.personas.tools import Tools
from control_plane.phones import PhoneNumber
from control_plane.wire import Change, Clean, Exactly, GivenId, Instant, Paged, formed

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Clean]
Text = Annotated[str, StringConstraints(max_length=50_000), Clean]
Model = Annotated[str, StringConstraints(min_length=1, max_length=200), Clean]
Language = Annotated[
    str, formed(r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", "must be a language tag, such as en or de-CH", max_length=35)
]
Seconds = Annotated[int, Field(ge=10, le=24 * 3600)]

MERGED: Final = ("fallbacks", "turn_taking", "voicemail")
"""Objects of which a PATCH changes the parts it names."""


class Fallback(Exactly):
    """A model that is tried when those before it fail."""

    provider: Model
    model: Model | None = None


class VoiceFallback(Fallback):
    """A voice that is tried when those before it fail."""

    voice_id: Model | None = None


class Fallbacks(Exactly):
    """Further models of each kind, in the order in which they are tried."""

    llm: Annotated[list[Fallback], Field(max_length=5)] = Field(default_factory=list)
    stt: Annotated[list[Fallback], Field(max_length=5)] = Field(default_factory=list)
    tts: Annotated[list[VoiceFallback], Field(max_length=5)] = Field(default_factory=list)


class TurnTakingSettings(TurnTaking):
    """When a pause ends a turn, and when speech interrupts; durations in seconds."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Voicemail(Exactly):
    """What happens when an answering machine takes an outbound call."""

    detect: bool = Field(False, description="Whether to listen for one.")
    message: Annotated[str, StringConstraints(max_length=2000), Clean] = Field(
        "", description="Left on the machine; empty: hang up without a word."
    )


class TransferNumber(Exactly):
    """Somebody whom an agent may transfer its caller to."""

    number: PhoneNumber
    name: Annotated[str, StringConstraints(max_length=100, strip_whitespace=True), Clean] = Field(
        "", description="How the model knows them: `Sales`."
    )


def _listed_once(numbers: list[TransferNumber]) -> list[TransferNumber]:
    for given in ([each.number for each in numbers], [each.name.casefold() for each in numbers if each.name]):
        if len(given) > len(set(given)):
            raise ValueError("a number, and a name, may be there once")
    return numbers


class VersionedSettings(Exactly):
    """What a version of an agent holds; unknown fields are refused."""

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
    fallbacks: Fallbacks = Field(default_factory=Fallbacks)
    knowledge_base_ids: Annotated[list[GivenId], Field(max_length=20)] = Field(default_factory=list)
    tools: Tools = Field(default_factory=list)
    turn_taking: TurnTakingSettings = Field(default_factory=TurnTakingSettings)
    voicemail: Voicemail = Field(default_factory=Voicemail)
    max_call_duration: Seconds = 3600
    silence_timeout: Seconds = 120
    record: bool = Field(False, description="Record conversations from the first word: the agent left, people right.")
    record_notice: Annotated[str, StringConstraints(max_length=500), Clean] = Field(
        "", description="Said before the greeting where a recording runs: `This call is recorded.`"
    )
    store_transcripts: bool = True
    fallback_number: PhoneNumber | None = Field(
        None, description="Where a telephone call is transferred when nothing answers any more."
    )
    transfer_numbers: Annotated[list[TransferNumber], Field(max_length=50), AfterValidator(_listed_once)] = Field(
        default_factory=list, description="The only numbers that the tool `transfer_call` takes, beside the fallback."
    )


class AgentSettings(VersionedSettings):
    """What can be set on an agent: beside what its versions hold, what acts at once."""

    is_active: bool = True
    budget: Budget | None = Field(None, description="What the agent may cost in a month; null: no limit.")


class AgentCreate(AgentSettings):
    """`POST /agents`."""

    name: Name


class DraftUpdate(VersionedSettings, Change):
    """Changes of what a version holds: a field that is not sent stays as it is."""

    name: Name = ""

    def changes(self) -> dict[str, Any]:
        """The fields that were sent; of `MERGED` objects, their parts that were sent."""
        sent = self.model_dump(include=self.model_fields_set)
        for name in self.model_fields_set.intersection(MERGED):
            sent[name] = {part: sent[name][part] for part in getattr(self, name).model_fields_set}
        return sent


class AgentUpdate(AgentSettings, DraftUpdate):
    """`PATCH /agents/{id}`: a field that is not sent stays as it is."""


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
    record_notice: str
    store_transcripts: bool
    fallback_number: str | None
    transfer_numbers: list[dict[str, Any]]
    is_active: bool
    budget: Budget | None
    published_version: int | None = Field(description="What calls use; null: the settings shown here.")
    has_unpublished_changes: bool = Field(description="Whether calls use other settings than those shown here.")
    created_at: Instant


class AgentList(BaseModel):
    """All agents of the project."""

    agents: list[AgentRead]


class AgentAnswer(BaseModel):
    """One agent."""

    agent: AgentRead


class Publish(Exactly):
    """`POST /agents/{id}/publish`."""

    note: Annotated[str, StringConstraints(max_length=500, strip_whitespace=True), Clean] = Field(
        "", description="What is different about this version."
    )


class Rollback(Exactly):
    """`POST /agents/{id}/rollback`."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        None, description="Default: the version before the one that is published."
    )


class Published(BaseModel):
    """Which version calls use from now on."""

    success: bool = True
    version: int
    agent: AgentRead


class VersionRead(BaseModel):
    """An agent's settings as they were published."""

    version: int
    note: str
    created_at: Instant
    is_published: bool = Field(description="Whether calls use this one.")
    settings: dict[str, Any]


class VersionList(Paged):
    """`GET /agents/{id}/versions`, newest first."""

    versions: list[VersionRead]
    published_version: int | None
