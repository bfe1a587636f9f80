"""Supervision on the wire."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from agents.audience import PARTIES, REACHES, SUPERVISOR_PREFIX, Mode, Party
from control_plane.wire import Clean, Sent, formed

Asked = Literal["listen", "whisper", "barge", "takeover", "return"]

Identity = Annotated[
    str, formed(f"^{SUPERVISOR_PREFIX}[1-9][0-9]{{0,17}}$", f"must be as was answered, such as {SUPERVISOR_PREFIX}1")
]


class Supervise(Sent):
    """`POST /rooms/{roomName}/supervise`."""

    mode: Asked = Field(
        description="`listen`: hear all. `whisper`: the persona alone hears you, or takes the hint in `text`. `barge`: "
        "both hear you. `takeover`: you speak with the caller and the persona is silent. `return`: it goes on, and you "
        "listen."
    )
    supervisor: Identity | None = Field(
        None, description="Who changes the mode, as answered before. Left out: whoever came with the same key, or anew."
    )
    name: Annotated[str, StringConstraints(max_length=256), Clean] = Field(
        "", description="How the caller's side sees who speaks, and the others who supervises."
    )
    text: Annotated[str, StringConstraints(min_length=1, max_length=2000), Clean] | None = Field(
        None, description="With `whisper`: a hint for the persona's next words. It needs no microphone; the mode stays."
    )

    @model_validator(mode="after")
    def _hints_are_whispered(self) -> Self:
        if self.text is not None and self.mode != "whisper":
            raise ValueError("text: goes with mode whisper alone")
        return self


class Voice(BaseModel):
    """Where a supervisor's microphone goes: connect with this beside the connection that listens, and publish it."""

    identity: str
    room: str = Field(description="The call's, or one where the persona alone listens.")
    token: str = Field(description="Good for two minutes to join with.")


class Supervised(BaseModel):
    """`POST /rooms/{roomName}/supervise`."""

    success: bool = True
    room: str = Field(description="Full name of the room.")
    session_id: int | None = Field(description="Of the conversation that runs in it.")
    mode: Mode | None = Field(description="Null: a hint was passed on, and nobody of this key supervises.")
    supervisor: str | None
    token: str | None = Field(description="LiveKit's, to listen with: hidden, and nothing can be published.")
    voice: Voice | None = Field(description="Null where nobody hears the supervisor.")
    wsUrl: str
    hears: dict[str, list[str]] = Field(description="By speaker, who hears them.")


def shown_audience(mode: Mode | None) -> dict[str, list[str]]:
    """A row of the matrix."""
    reaches = REACHES[mode or "listen"]
    return {speaker: _in_order(reaches[speaker]) for speaker in PARTIES}


def _in_order(parties: frozenset[Party]) -> list[str]:
    return [party for party in PARTIES if party in parties]
