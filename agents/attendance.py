"""What a bot host is told of a bot: where it sits, how it behaves there, when it leaves. Durations are seconds."""

from typing import Literal

from pydantic import AwareDatetime, Field

from agents.calling import Message, ModelChoice, Redaction

HOST_PREFIX = "bot-"
"""How the identities of bots begin in a room, and those of nobody else."""


class Word(Message):
    """One word of a line. Milliseconds from the start of the session."""

    text: str
    start_ms: int = Field(ge=0)
    end_ms: int = Field(ge=0)


class Streaming(Message):
    """Sockets of the customer that hear the meeting, and speak in it: 16 bit, little endian, one channel."""

    output: str = Field("", repr=False, description="A `ws:` or `wss:` address that is sent what the meeting says.")
    input: str = Field("", repr=False, description="One whose audio is said in the meeting.")
    sample_rate: Literal[16_000, 24_000] = 16_000


class Patience(Message):
    """When a bot leaves by itself."""

    waiting_room: float = Field(600, gt=0, description="In a waiting room.")
    nobody: float = Field(600, gt=0, description="In a meeting to which nobody comes.")
    silence: float = Field(600, gt=0, description="Where somebody came, and no sound is heard any more.")
    longest: float = Field(4 * 3600, gt=0, description="In all.")


class BotJob(Message):
    """Everything one bot needs. A bot that sits in a meeting asks for nothing more."""

    version: Literal[1] = 1
    job_id: str = Field(description="Stands in heartbeats and commands where a call has LiveKit's job id.")
    session_id: int
    epoch: int
    project_id: int
    capability: str = Field(repr=False, description="Accompanies every report of this bot.")
    bot_id: str = Field(description="A UUID.")
    identity: str = Field(description="Its own in the room: `bot-<uuid>`.")
    token: str = Field(repr=False, description="LiveKit's, for the room it sits in, or for the one it waits in.")
    waits: bool = Field(
        False, description="Whether it enters by a waiting room, where it is sent the meeting's token as it is let in."
    )
    line: str = Field("", description="Identity of the telephone line behind which the meeting is; empty: it is here.")
    transcribe: bool = False
    language: str = "en"
    stt: ModelChoice = ModelChoice()
    patience: Patience = Patience()
    streaming: Streaming = Streaming()
    redaction: Redaction | None = Field(None, description="As a call's.")
    keeps_words: bool = Field(True, description="As a call's.")
    started_at: AwareDatetime = Field(description="The session's start: zero of all its times.")
