"""What bots and pages say on the socket, and how people and meetings look there."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Self
from unicodedata import category

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from control_plane.clock import iso_ms
from control_plane.events.facts import Fact
from control_plane.events.models import Event
from control_plane.meetings.attending import Person, is_machine
from control_plane.meetings.models import Attendee, Meeting
from control_plane.tokens.identities import BY_SOCKET
from control_plane.wire import Clean

Emission = tuple[str, dict[str, Any]]
"""An event of the socket, with its data."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Clean]


def _is_emoji(text: str) -> str:
    """A reaction is no line of a chat that the meeting may not have."""
    if not all(part in KEYCAPS or category(part) in SIGNS or part in JOINED for part in PARTS.findall(text)):
        raise ValueError("must be an emoji")
    return text


SIGNS: Final = ("So", "Sk", "Sm", "Mn", "Me")
"""What emoji are made of, as Unicode sorts its characters."""
JOINED: Final = frozenset("\u200d\u2139\u203c\u2049\u3030") | {chr(tag) for tag in range(0xE0020, 0xE0080)}
"""What else occurs in them: the joiner of families, tags of flags, and signs that are sorted with letters."""
KEYCAPS: Final = frozenset(f"{key}{more}\u20e3" for key in "0123456789#*" for more in ("", "\ufe0f"))
PARTS: Final = re.compile("[0-9#*]\ufe0f?\u20e3|.", re.DOTALL)

Emoji = Annotated[str, StringConstraints(min_length=1, max_length=16), Clean, AfterValidator(_is_emoji)]
ParticipantId = Annotated[str, StringConstraints(min_length=1, max_length=256), Clean]


class Said(BaseModel):
    """Base of what clients send; what they add is ignored."""

    model_config = ConfigDict(strict=True, frozen=True)


class JoinMeeting(Said):
    """`join-meeting`."""

    meetingId: Annotated[str, StringConstraints(min_length=1, max_length=64), Clean]
    name: Name | None = Field(None, description="Not needed with a token, which says who it is.")
    token: Annotated[str, StringConstraints(min_length=1, max_length=8000), Clean] | None = Field(
        None,
        description="Of LiveKit, for the meeting: `room_token`, or that of an earlier `joined` or `waiting`.",
    )
    isAdmin: bool = False
    adminToken: Annotated[str, StringConstraints(max_length=200), Clean] | None = None
    isBot: bool = Field(True, description="The page of a person says false.")

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.name is None and self.token is None:
            raise ValueError("needs name or token")
        return self


class ChatLine(Said):
    """`chat:message`."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=4000), Clean]


class Reaction(Said):
    """`reaction`."""

    emoji: Emoji


class Microphone(Said):
    """`microphone`: one's own, as it is now."""

    muted: bool


class Nothing(Said):
    """`hand:raise`, `hand:lower`, `leave-meeting`, `meeting:lock|unlock|end`."""


class WaitingRoom(Said):
    """`meeting:waiting-room`."""

    on: bool


class Whom(Said):
    """`participant:mute|kick|admit`."""

    participantId: ParticipantId


def show_person(person: Person) -> dict[str, Any]:
    """A participant on the socket."""
    return {
        "participantId": person.identity,
        "name": person.name,
        "isAdmin": person.is_admin,
        "isBot": person.is_bot,
        "muted": person.muted,
        "handRaised": person.hand_raised,
    }


def show_waiting(attendee: Attendee) -> dict[str, Any]:
    """Somebody who waits, as hosts see them."""
    return {"participantId": attendee.identity, "name": attendee.name}


def show_meeting(meeting: Meeting, *, title: str, recording: bool) -> dict[str, Any]:
    """A meeting on the socket."""
    return {
        "meetingId": meeting.code,
        "title": title,
        "locked": meeting.locked,
        "controls": meeting.controls,
        "recording": recording,
    }


def show_fact(event: Event) -> list[Emission]:
    """A fact as the socket tells it: in one event, or two, or not at all."""
    data = event.data
    if event.type == Fact.TRANSCRIPT_LINE:
        return show_line(data, sent_at=event.created_at)
    if str(data.get("identity", "")).startswith(BY_SOCKET):
        return []
    match event.type:
        case Fact.PARTICIPANT_JOINED:
            identity = data["identity"]
            is_bot = is_machine(data.get("kind", ""), identity)
            return [("participant:joined", show_person(Person(identity, data.get("name") or identity, is_bot=is_bot)))]
        case Fact.PARTICIPANT_LEFT:
            return [("participant:left", {"participantId": data["identity"]})]
        case Fact.RECORDING_STARTED | Fact.RECORDING_STOPPED | Fact.RECORDING_FAILED:
            return [("recording", {"status": data.get("status")})]
        case Fact.MEETING_WAITING:
            return [("waiting", {"participantId": data["identity"], "name": data["name"]})]
        case Fact.MEETING_WAITING_LEFT:
            return [("waiting:left", {"participantId": data["identity"]})]
        case Fact.MEETING_ENDING:
            return [("meeting:warning", {"secondsLeft": data["seconds_left"]})]
        case Fact.MEETING_ENDED:
            return [("meeting:ended", {})]
    return []


def show_line(line: dict[str, Any], *, sent_at: datetime) -> list[Emission]:
    """What is said, or is being said; and where it belongs to the chat, what is written."""
    who = line.get("name") or line["speaker"]
    told: list[Emission] = [("transcript", {"speaker": who, "text": line["content"], "final": line["is_final"]})]
    if line.get("in_chat"):
        written = {"participantId": line["identity"], "name": who, "text": line["content"]}
        told.append(("chat:message", written | {"sentAt": iso_ms(sent_at)}))
    return told
