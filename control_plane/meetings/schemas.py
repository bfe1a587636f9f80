"""Scenarios, end users and meetings on the wire."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from agents.calling import VoiceProvider
from control_plane.accounts.schemas import Email
from control_plane.meetings.languages import Language
from control_plane.personas.schemas import AgentCreate
from control_plane.wire import Change, Clean, Exactly, GivenId, Instant, Paged, Sent, Storable

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Clean]
Text = Annotated[str, StringConstraints(max_length=20_000), Clean]
Short = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True), Clean]
Minutes = Annotated[int, Field(ge=1, le=24 * 60)]
Row = ConfigDict(from_attributes=True)

LONGEST: Final = 30
"""Minutes of a meeting where neither it nor its scenario says."""


class Controls(Exactly):
    """What people in a meeting may do, and which powers its persona has."""

    enable_recording: bool = True
    enable_transcription: bool = Field(False, description="Show people what is being said.")
    enable_chat: bool = False
    enable_screen_sharing: bool = False
    enable_video: bool = False
    enable_audio: bool = True
    max_participants: Annotated[int, Field(ge=1, le=1000)] | None = Field(None, description="People; null: any number.")
    enable_waiting_room: bool = False
    auto_admit: bool = False
    deep_thinking: bool = Field(False, description="Answered by the model that thinks, or with more effort.")
    live_vision: bool = Field(False, description="The persona's model is shown what the speaker shows.")
    gpt_vision: bool = Field(False, description="Turns with a picture are answered by the model for pictures.")
    web_search: bool = Field(False, description="The persona may search the web; it names its sources.")
    use_own_keys: bool = Field(False, description="With the project's stored keys of providers, where it has any.")


class Criterion(Exactly):
    """Something that a meeting is judged by, from 0 to 100."""

    name: Name
    description: Annotated[str, StringConstraints(max_length=2000), Clean] = ""


class ScenarioSettings(Exactly):
    """What can be set on a scenario; unknown fields are refused."""

    briefing: Text = Field("", description="What the persona is told about the situation; `{{name}}` from `metadata`.")
    objectives: Annotated[list[Short], Field(max_length=50)] = Field(default_factory=list)
    criteria: Annotated[list[Criterion], Field(max_length=50)] = Field(default_factory=list)
    call_duration: Minutes | None = Field(None, description=f"Longest meeting, in minutes; null: {LONGEST}.")
    controls: Controls = Field(default_factory=Controls, description="Where a meeting does not say.")


class ScenarioCreate(ScenarioSettings):
    """`POST /scenarios`: exactly one of `agent_id` and `persona`."""

    name: Name
    agent_id: GivenId | None = Field(None, description="Who holds the meetings.")
    persona: AgentCreate | None = Field(None, description="Instead of `agent_id`: an agent that is made for it.")

    @model_validator(mode="after")
    def _one_persona(self) -> Self:
        if (self.agent_id is None) == (self.persona is None):
            raise ValueError("needs agent_id or persona, and not both")
        return self


class ScenarioUpdate(ScenarioSettings, Change):
    """`PATCH /scenarios/{id}`: a field that is not sent stays as it is, of `controls` each of its own."""

    name: Name = ""
    agent_id: GivenId = 1


class ScenarioRead(BaseModel):
    """A scenario as it is listed."""

    model_config = Row

    id: int
    name: str
    agent_id: int = Field(validation_alias="persona_id")
    briefing: str
    objectives: list[str]
    criteria: list[Criterion]
    call_duration: int | None
    controls: Controls
    created_at: Instant
    updated_at: Instant | None


class ScenarioAnswer(BaseModel):
    """One scenario."""

    scenario: ScenarioRead


class ScenarioList(Paged):
    """Scenarios of the project, newest first."""

    scenarios: list[ScenarioRead]


class EndUserCreate(Exactly):
    """`POST /end-users`."""

    name: Name
    email: Email | None = None


class EndUserRead(BaseModel):
    """An end user."""

    model_config = Row

    id: int
    name: str
    email: str | None
    created_at: Instant


class EndUserAnswer(BaseModel):
    """One end user."""

    end_user: EndUserRead


class EndUserList(Paged):
    """End users of the project, newest first."""

    end_users: list[EndUserRead]


class MeetingSettings(Controls, Sent):
    """What both ways to create a meeting take. Controls that are not sent are the scenario's."""

    scenario_id: GivenId
    voice_id: Annotated[str, StringConstraints(min_length=1, max_length=200), Clean] | None = None
    voice_provider: VoiceProvider = "azure"
    language: Language = Field("English", validate_default=True, description="Its name, or a BCP 47 tag.")
    welcome_message: Annotated[str, StringConstraints(max_length=2000), Clean] = Field(
        "", description="Said first, instead of the agent's greeting."
    )
    metadata: Annotated[dict[str, Any], Field(max_length=100), Storable] = Field(
        default_factory=dict, description="Variables of briefing, instructions and welcome message."
    )
    max_duration: Minutes | None = Field(None, description="Minutes; null: the scenario's `call_duration`.")

    def controls(self) -> dict[str, Any]:
        """The controls that were sent."""
        return self.model_dump(include=self.model_fields_set & Controls.model_fields.keys())


class MeetingCreate(MeetingSettings):
    """`POST /meetings`."""

    name: Name = Field(description="Of the person who joins.")
    meeting_type: Literal["regular", "end-user"] = "regular"
    end_user_id: GivenId | None = None

    @model_validator(mode="after")
    def _whose(self) -> Self:
        if self.meeting_type == "end-user" and self.end_user_id is None:
            raise ValueError("end_user_id is needed for a meeting of the type end-user")
        return self


class DynamicMeetingCreate(MeetingSettings):
    """`POST /meetings/dynamic`."""

    name: Name | None = None
    first_name: Name | None = None
    last_name: Name | None = None
    email: Email | None = None

    def called(self) -> str:
        """The name of the person."""
        return self.name or " ".join(filter(None, (self.first_name, self.last_name))) or "Guest"


class MeetingUpdate(Change):
    """`PATCH /meetings/{id}`."""

    enable_waiting_room: bool = Field(True, description="False lets in those who wait.")


class MeetingRead(BaseModel):
    """A meeting."""

    model_config = Row

    id: int
    code: str = Field(description="Its public name, in `/join/<code>`.")
    scenario_id: int
    agent_id: int = Field(validation_alias="persona_id")
    session_id: int | None
    room_name: str = Field(description="Full name of the room.")
    name: str
    meeting_type: str
    status: str
    end_user_id: int | None
    membership_id: int | None
    language: str
    voice_id: str | None
    voice_provider: str
    voice_provider_used: str = Field(description="Another one than asked for where that has no credentials here.")
    welcome_message: str
    metadata: dict[str, Any] = Field(validation_alias="variables")
    controls: Controls
    max_duration: int = Field(description="Minutes.")
    created_at: Instant
    started_at: Instant | None
    ended_at: Instant | None


class MeetingAnswer(BaseModel):
    """One meeting."""

    meeting: MeetingRead


class MeetingList(Paged):
    """Meetings of the project, newest first."""

    meetings: list[MeetingRead]


class MeetingCreated(MeetingAnswer):
    """A meeting and how to come in."""

    room_url: str = Field(description="The meeting's page; the token is in its fragment.")
    room_token: str = Field(description="For LiveKit.")
    admin_token: str = Field(description="Whoever joins by the socket with it is a host; shown this once.")
    livekit_url: str


class DynamicMeetingCreated(MeetingCreated):
    """A meeting of an end user, and how to come in."""

    meeting_url: str = Field(description="`room_url` with `end_user_id` and `membership_id`.")
    scenario_url: str = Field(description="The page from which the same person begins another meeting.")
    end_user_id: int
    membership_id: int


class AttendeeRead(BaseModel):
    """Somebody who waits, or did."""

    model_config = Row

    identity: str
    name: str
    state: Literal["invited", "waiting", "admitted", "denied"]
    since: Instant | None


class WaitingList(BaseModel):
    """Who waits to be let in."""

    waiting: list[AttendeeRead]


class AttendeeAnswer(BaseModel):
    """What was decided of somebody."""

    attendee: AttendeeRead
