"""What a conversation needs: the ticket that a dispatch carries, and the job that is fetched with it, with the models
and powers that it has. A part of the contract: pydantic and the standard library only."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

TRACE = r"^([0-9a-f]{32})?$"
"""The id of a trace, or none."""
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


class DispatchMetadata(Message):
    """What a LiveKit dispatch carries. Clients can read it: a ticket and a name, nothing else."""

    ticket: str = Field(description="Good for one job, within the lifetime of its slot.")
    identity: str = Field(description="The persona's fixed identity in the room: `agent-<agent id>`.")
    name: str = Field("", description="How the room knows the persona.")


class Listed(Message):
    """Somebody whom a persona may transfer its caller to."""

    number: str = Field(description="In E.164 form.")
    name: str = ""


class Act(Message):
    """Something a persona may do besides talking."""

    name: Literal["end_call", "transfer_call", "send_dtmf"]
    description: str = Field(description="For the model: when to do it.")
    warm: bool = Field(False, description="Of `transfer_call`: the other is asked first, while the caller waits.")
    numbers: list[Listed] = Field(default_factory=list, description="Of `transfer_call`: the only ones it takes.")


class Voicemail(Message):
    """What is left on a machine that answers a call of ours."""

    message: str = Field("", description="Empty: hang up without a word.")


class Said(Message):
    """A line of a conversation."""

    by: Literal["persona", "person"]
    text: str = Field(repr=False)
    cut_off: bool = Field(False, description="Not all of it was heard.")


class Resumed(Message):
    """What a conversation has come to that goes on with another job, the one before it being lost."""

    elapsed: float = Field(ge=0, description="Seconds since its first word, by which its limits go on.")
    said: list[Said] = Field(default_factory=list, description="Its last lines, in order; none where none are kept.")


class PersonaJob(Message):
    """Everything one conversation needs, fetched once with the ticket. A running call asks for nothing more."""

    version: Literal[1] = 1
    session_id: int
    epoch: int = Field(description="Counts the jobs of a session; with the sequence it orders and identifies reports.")
    project_id: int
    persona_id: int
    persona_name: str
    room_name: str
    identity: str
    capability: str = Field(description="Accompanies every report of this job.", repr=False)
    instructions: str
    greeting: str = ""
    speaks_first: bool = Field(False, description="Without a greeting, the persona begins in words of its own.")
    language: str = "en"
    llm: ModelChoice = ModelChoice()
    stt: ModelChoice = ModelChoice()
    tts: ModelChoice = ModelChoice()
    fallbacks: Fallbacks = Fallbacks()
    powers: Powers = Powers()
    keys: dict[str, ProviderKey] = Field({}, repr=False, description="The project's own, by provider; for this call.")
    turn_taking: TurnTaking = TurnTaking()
    knowledge_capability: str | None = Field(None, repr=False, description="Opens the bases of this persona, if any.")
    max_call_duration: float = Field(3600, gt=0, description="Seconds from the start to a polite end.")
    silence_timeout: float = Field(120, gt=0, description="Seconds without a word from anyone to a polite end.")
    phone: str | None = Field(
        None, description="Identity of the phone whose answer is waited for before a word is said."
    )
    called: bool = Field(False, description="It is ours that was called: who asks not to be called again, is not.")
    acts: list[Act] = Field(default_factory=list)
    voicemail: Voicemail | None = Field(None, description="Whether to find out who answers before a word is said.")
    recorded: bool = Field(False, description="Whether a recording begins; the first word waits for it, within reason.")
    notice: str = Field("", description="What people hear of it before anything else.")
    announces: bool = Field(False, description="Nothing is recorded before they have heard of it, which is reported.")
    hears_keys: bool = Field(True, description="Whether keys that are pressed on the phone are answered.")
    opt_out_key: str = Field("", description="Pressed alone by whoever was called: they are not called again.")
    is_recording: bool = Field(False, description="Somebody else records the room already.")
    only_writes: bool = Field(False, description="No persona: writes down what everybody says, and says nothing.")
    only_text: bool = Field(False, description="Nobody listens or speaks: lines are typed, and answered in writing.")
    captions: bool = Field(True, description="Whether people in the room are sent what is being said.")
    resumed: Resumed | None = Field(None, description="Of a conversation that has begun before this job.")
    fallback_number: str | None = Field(None, description="Where the phone is sent when nothing answers any more.")
    only_apologises: bool = Field(False, description="Nothing helps any more: says so, without any model, and ends.")
    redaction: Redaction | None = Field(None, description="Whether personal data is taken out of reports.")
    keeps_words: bool = Field(True, description="Whether what is said is kept; else it is shown, and nowhere on disk.")
    started_at: AwareDatetime = Field(description="The session's start: zero of every `timestamp_ms`.")
    trace: str = Field("", pattern=TRACE, description="Of this call, across all processes; empty: none is made.")
