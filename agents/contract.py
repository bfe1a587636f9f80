"""The wire between the planes: what a worker is told and what it reports. Pydantic and the standard library only.

Everything here travels as JSON over the uplink, one WebSocket per worker:

worker → control plane   Hello · Exchange · Submission · Heartbeat · TransferAsked
control plane → worker   Welcome · Exchanged · Verdict · Command · Transferred · Forget

Receivers ignore unknown fields, so that a control plane one version ahead understands an older worker. A new
meaning is a new `type` with a higher version suffix, never a changed field.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, TypeAdapter

from agents.attendance import BotJob, Word
from agents.audience import PersonaStated
from agents.calling import TRACE, Message, PersonaJob
from agents.figures import Figures
from agents.noted import FaultSeen, ToolUsed
from agents.noted import Report as Report

PROTOCOL_VERSION = 1
"""Raised when a message changes its meaning; the control plane accepts this one and the one before."""

PERSONA_PREFIX = "agent-"
"""How the identities of personas begin in a room, and those of nobody else."""
DIGITS = r"^[0-9*#A-Dw]{0,64}$"
"""Keys of a telephone; `w` is half a second of nothing."""
AGENT_NAME = "parley"
"""The name under which workers register with LiveKit; dispatch is always explicit."""
NOTICE = "parley.notice"
"""Topic of data by which pages are asked to say `{"say": "sorry", "language": …}`, where no worker is left to do it."""
APART = "parley.apart"
"""A phone that joins with this attribute and the other phones do not hear each other until it is taken away."""
WITH_AGENT = "parley.with_agent"
"""Attribute of whoever came by a token that brings an agent into the room that it makes."""
AGAIN = "parley.again"
"""Attribute of a typed line that is typed once more, as whom it was typed to has died: harmless for who knows it."""


# --- reports ------------------------------------------------------------------------------------------------------


class CallStarted(Report):
    """The job runs, is in the room and will speak."""

    type: Literal["call.started.v1"] = "call.started.v1"


class CallReady(Report):
    """The job is in the room and waits for somebody to answer the phone."""

    type: Literal["call.ready.v1"] = "call.ready.v1"


class PhoneAnswered(Report):
    """Who answered the phone, where the persona listened for a machine."""

    type: Literal["phone.answered.v1"] = "phone.answered.v1"
    by: Literal["human", "machine", "screening", "unsure"]


class OptedOut(Report):
    """Whoever was called does not want to be called again: it holds from now on."""

    type: Literal["opted.out.v1"] = "opted.out.v1"
    by: Literal["words", "key"] = "words"


class RecordingAnnounced(Report):
    """People were told that the conversation is recorded, and have heard it to its end."""

    type: Literal["recording.announced.v1"] = "recording.announced.v1"
    text: str = Field(max_length=1000, description="What they were told; empty where no words are kept.")


class BotWaits(Report):
    """A bot is in the waiting room. It is in the meeting with its `CallStarted`."""

    type: Literal["bot.waits.v1"] = "bot.waits.v1"


class LineSpoken(Report):
    """One finished line. Of the persona: what was really heard, cut where it was interrupted."""

    type: Literal["line.spoken.v1"] = "line.spoken.v1"
    speaker: Literal["agent", "user", "supervisor", "system"]
    identity: str = Field("", description="The participant who spoke.")
    text: str
    timestamp_ms: int = Field(ge=0, description="From the start of the call to the start of the line.")
    duration_ms: int = Field(0, ge=0, le=24 * 3600 * 1000, description="How long it was spoken; 0: unknown.")
    interrupted: bool = False
    name: str = Field("", description="How the room knows who it was.")
    in_chat: bool = Field(False, description="It belongs to the meeting's chat as well.")
    words: list[Word] = Field([], description="Where each word's time was measured.")


class LineInterim(Report):
    """A line as it stands while it is spoken. Not spooled, may be lost."""

    type: Literal["line.interim.v1"] = "line.interim.v1"
    room_name: str
    speaker: Literal["agent", "user"]
    identity: str = ""
    name: str = ""
    text: str
    timestamp_ms: int = Field(ge=0)


class ChunkUsed(Message):
    """A passage that was put before the model."""

    chunk_id: int
    score: float
    source: str = ""
    version: str = Field("", description="Of its text: another one after an edit.")


class TurnMeasured(Report):
    """Where the time of one answer went, in milliseconds; a part that was not measured is `None`.

    The parts sum to the gap that was heard, from `speech_ended_at` to `audio_started_at`.
    """

    type: Literal["turn.measured.v1"] = "turn.measured.v1"
    speech_ended_at: AwareDatetime | None = None
    audio_started_at: AwareDatetime | None = None
    endpointing_ms: float | None = None
    recognition_ms: float | None = None
    retrieval_ms: float | None = None
    model_ms: float | None = None
    tools_ms: float | None = Field(None, description="Of tools that the model waited for.")
    speech_ms: float | None = None
    playout_ms: float | None = None
    other_ms: float | None = Field(None, description="What none of the others explains.")
    chunks: list[ChunkUsed] = Field(default_factory=list)
    unanswered: str | None = Field(None, description="What was asked, where the bases held nothing relevant about it.")


MOST = 10**9
"""More than one report can truly count of anything."""


class UsageCounted(Report):
    """What was consumed since the last report of this kind."""

    type: Literal["usage.counted.v1"] = "usage.counted.v1"
    service: Literal["llm", "stt", "tts"]
    provider: str
    model: str
    input_tokens: int = Field(0, ge=0, le=MOST)
    output_tokens: int = Field(0, ge=0, le=MOST)
    audio_seconds: float = Field(0, ge=0, le=MOST, description="Heard (`stt`) or spoken (`tts`).")
    characters: int = Field(0, ge=0, le=MOST, description="Given to be spoken.")
    requests: int = Field(0, ge=0, le=MOST, description="Calls of the provider; of recognition, phrases recognised.")


class ProviderChanged(Report):
    """A provider that was asked for cannot be had, or does not answer: another one does its work from here on."""

    type: Literal["provider.changed.v1"] = "provider.changed.v1"
    service: Literal["llm", "stt", "tts"]
    wanted: str
    used: str
    reason: str = Field(description="For people to read.")


EndReason = Literal[
    "caller_left",
    "persona_ended",
    "api",
    "max_duration",
    "silence",
    "room_closed",
    "worker_lost",
    "not_started",
    "displaced",
    "model_failed",
    "budget",
    "not_answered",
    "voicemail",
    "transferred",
    "nobody_came",
    "cannot_join",
    "denied",
    "not_admitted",
    "removed",
]


class BotLeft(Report):
    """A bot has left its meeting. What was said and is not recognised yet still comes, and `CallEnded` after it."""

    type: Literal["bot.left.v1"] = "bot.left.v1"
    reason: EndReason
    failed: bool = False


class CallEnded(Report):
    """The last report of a job."""

    type: Literal["call.ended.v1"] = "call.ended.v1"
    reason: EndReason
    failed: bool = False
    duration_ms: int = Field(ge=0)


AnyReport = Annotated[
    CallStarted
    | CallReady
    | PhoneAnswered
    | OptedOut
    | RecordingAnnounced
    | BotWaits
    | LineSpoken
    | LineInterim
    | PersonaStated
    | TurnMeasured
    | UsageCounted
    | ProviderChanged
    | ToolUsed
    | FaultSeen
    | BotLeft
    | CallEnded,
    Field(discriminator="type"),
]
REPORT: TypeAdapter[AnyReport] = TypeAdapter(AnyReport)


GONE = "there is no such session"
"""A refusal of what is told of a conversation that is kept no longer: a worker keeps it no longer either."""
NOT_OF_THIS_VERSION = "not a report of this version"
"""How a refusal begins of a report that the control plane cannot read. A worker that can keeps it for a later plane."""


# --- worker → control plane ---------------------------------------------------------------------------------------


class Hello(Message):
    """First message of a worker: who it is and which calls it still holds."""

    type: Literal["hello"] = "hello"
    protocol: int = PROTOCOL_VERSION
    worker_id: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,200}$")
    capacity: int = Field(ge=0, le=10_000, description="Calls this worker takes at once.")
    calls: list[str] = Field([], description="LiveKit job ids that are running here.")
    bots: int = Field(
        0, ge=0, le=1000, description="Bots this host takes at once; a worker that takes calls takes none."
    )


class Exchange(Message):
    """A ticket for a `PersonaJob`. Repeating it with the same job id gives the same answer."""

    type: Literal["exchange"] = "exchange"
    ticket: str = Field(repr=False)
    job_id: str = Field(description="LiveKit's job id.")
    room_name: str
    room_sid: str = ""


class Submission(Message):
    """A report with its key. The body stays a plain object, so that an unknown type can be refused by itself."""

    type: Literal["report"] = "report"
    session_id: int
    epoch: int
    sequence: int = Field(ge=0, lt=2**31, description="1, 2, 3 … within a job; 0 for reports that are not kept.")
    capability: str = Field(repr=False)
    report: dict[str, Any]
    trace: str = Field("", pattern=TRACE, description="Of the call, as its job has it.")


class Heartbeat(Message):
    """Renews the leases of the calls that run here; sent every few seconds."""

    type: Literal["heartbeat"] = "heartbeat"
    calls: list[str] = Field([], description="LiveKit job ids.")
    capacity: int | None = Field(
        None, ge=0, le=10_000, description="Calls this worker takes at once from now on; None: what its hello said."
    )
    figures: Figures | None = None


class TransferAsked(Message):
    """The persona wants the phone of its call to be transferred, or (`warm`) somebody called into its room.

    Asked once; without an answer nothing is known. `withdraw`: the phone that was called in is not wanted any more.
    """

    type: Literal["transfer_asked"] = "transfer_asked"
    job_id: str = Field(description="LiveKit's job id.")
    session_id: int
    epoch: int
    capability: str = Field(repr=False)
    to: str = Field("", description="A number in E.164 form.")
    warm: bool = False
    withdraw: bool = False
    number: int = Field(0, description="Of this question among those of its job; the answer has it too.")


AnyFromWorker = Annotated[Hello | Exchange | Submission | Heartbeat | TransferAsked, Field(discriminator="type")]
FROM_WORKER: TypeAdapter[AnyFromWorker] = TypeAdapter(AnyFromWorker)


# --- control plane → worker ---------------------------------------------------------------------------------------


class Welcome(Message):
    """The uplink stands."""

    type: Literal["welcome"] = "welcome"
    protocol: int = PROTOCOL_VERSION


class Exchanged(Message):
    """The answer to an `Exchange`: a job, or why there is none."""

    type: Literal["exchanged"] = "exchanged"
    job_id: str
    job: PersonaJob | None = None
    refused: str | None = None


class Verdict(Message):
    """The answer to a `Submission` with a sequence. A refused report is parked by the worker, not repeated."""

    type: Literal["verdict"] = "verdict"
    session_id: int
    epoch: int
    sequence: int
    refused: str | None = None


class Command(Message):
    """Something a running call must do.

    `end` at once, or `wind_up`: finish what is being said, say goodbye, end; both may come more than once. The others
    come once or, where the worker is just away, not at all: `press` keys for the phone in the room to hear, `hand_over`
    the caller to a person at the number `to`; the recording hears the room now (`recorded`), or does not; a line of the
    meeting's `chat` to answer; `whisper`: the `text` of a supervisor's hint, or the `token` of a room to hear it in.
    """

    type: Literal["command"] = "command"
    action: Literal["end", "wind_up", "press", "hand_over", "recorded", "unrecorded", "chat", "whisper"]
    job_id: str
    reason: EndReason = "api"
    digits: str = Field("", pattern=DIGITS)
    to: str = ""
    text: str = Field("", repr=False)
    identity: str = Field("", description="Who wrote the text.")
    name: str = ""
    token: str = Field("", repr=False)


class Forget(Message):
    """Reports of these sessions are nobody's any more: remove them from the disk, put aside or waiting."""

    type: Literal["forget"] = "forget"
    session_ids: list[int]


class Transferred(Message):
    """The answer to a `TransferAsked`: no problem, where the phone calls the other, or the other is being called."""

    type: Literal["transferred"] = "transferred"
    job_id: str
    number: int = 0
    problem: str | None = None
    identity: str = Field("", description="Of the phone that is being called into the room.")


class Attend(Message):
    """Send a bot into a meeting; comes once. A host that loses it does not name it in its heartbeats."""

    type: Literal["attend"] = "attend"
    job: BotJob


AnyToWorker = Annotated[
    Welcome | Exchanged | Verdict | Command | Transferred | Attend | Forget, Field(discriminator="type")
]
TO_WORKER: TypeAdapter[AnyToWorker] = TypeAdapter(AnyToWorker)


def timestamp_ms(started: datetime, at: datetime) -> int:
    """Milliseconds from the start of a call, never negative."""
    return max(0, round((at - started).total_seconds() * 1000))
