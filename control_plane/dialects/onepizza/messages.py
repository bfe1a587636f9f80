"""What bots and pages say on the socket, and how people and meetings look there."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from control_plane.meetings.attending import Person
from control_plane.meetings.models import Meeting
from control_plane.wire import Clean

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Clean]
ParticipantId = Annotated[str, StringConstraints(min_length=1, max_length=256), Clean]


class Said(BaseModel):
    """Base of what clients send; what they add is ignored."""

    model_config = ConfigDict(strict=True, frozen=True)


class JoinMeeting(Said):
    """`join-meeting`."""

    meetingId: Annotated[str, StringConstraints(min_length=1, max_length=64), Clean]
    name: Name
    isAdmin: bool = False
    adminToken: Annotated[str, StringConstraints(max_length=200), Clean] | None = None
    isBot: bool = Field(True, description="The page of a person says false.")


class ChatLine(Said):
    """`chat:message`."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=4000), Clean]


class Reaction(Said):
    """`reaction`."""

    emoji: Annotated[str, StringConstraints(min_length=1, max_length=32), Clean]


class Nothing(Said):
    """`hand:raise`, `hand:lower`, `leave-meeting`, `meeting:lock|unlock|end`."""


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


def show_meeting(meeting: Meeting) -> dict[str, Any]:
    """A meeting on the socket."""
    return {"meetingId": meeting.code, "title": meeting.title, "locked": meeting.locked, "controls": meeting.controls}
