"""`/realtime.json`: every event of the sockets, for the page `/docs/realtime`.

What can be read from the code is read from it; the sentences stand here, and a test finds an event without one.
"""

from typing import Any, Final

from pydantic import BaseModel

from control_plane.dialects.onepizza.messages import (
    ChatLine,
    JoinMeeting,
    Microphone,
    Nothing,
    Reaction,
    WaitingRoom,
    Whom,
)
from control_plane.events.facts import MONITOR

Json = dict[str, Any]

SENT: Final[dict[str, tuple[type[BaseModel], str]]] = {
    "join-meeting": (JoinMeeting, "Come into a meeting. Answered by `joined`, `waiting` or `join-error`."),
    "chat:message": (ChatLine, "Say something in the chat. The acknowledgement has `sentAt`."),
    "reaction": (Reaction, "Show an emoji to all; words are refused."),
    "hand:raise": (Nothing, "Raise your hand."),
    "hand:lower": (Nothing, "Lower it."),
    "leave-meeting": (Nothing, "Leave; the socket may join again."),
    "microphone": (Microphone, "Say that your own microphone is muted, or is not."),
    "participant:mute": (Whom, "Hosts: mute somebody's microphone."),
    "participant:kick": (Whom, "Hosts: send somebody away, from the waiting room too."),
    "participant:admit": (Whom, "Hosts: let somebody in who waits."),
    "meeting:lock": (Nothing, "Hosts: let nobody new in."),
    "meeting:unlock": (Nothing, "Hosts: let people in again."),
    "meeting:waiting-room": (WaitingRoom, "Hosts: have whoever comes wait, or let all in; who waits then is let in."),
    "meeting:end": (Nothing, "Hosts: end the meeting for all."),
}
"""What clients of Socket.IO send: its shape, and what it does."""

HEARD: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "joined": (
        ("participantId", "participants", "meeting", "livekit"),
        "You are in. `livekit` has `url` and `token` for sound and picture.",
    ),
    "join-error": (("code", "message"), "You are not, or no longer: such as `INVALID_ADMIN_TOKEN`, `REMOVED`."),
    "waiting": (
        ("participantId", "name", "token"),
        "You wait until a host lets you in. Hosts hear it of everybody who waits, without the token.",
    ),
    "waiting:left": (("participantId",), "Hosts: somebody waits no longer."),
    "participant:joined": (
        ("participantId", "name", "isAdmin", "isBot", "muted", "handRaised"),
        "Somebody came in, by this socket or by LiveKit.",
    ),
    "participant:left": (("participantId",), "Somebody left."),
    "participant:updated": (("participantId", "muted"), "Somebody was muted."),
    "chat:message": (
        ("participantId", "name", "text", "sentAt"),
        "Somebody else wrote in the chat; your own lines are acknowledged and do not come back.",
    ),
    "reaction": (("participantId", "emoji"), "Somebody showed an emoji."),
    "hand:raised": (("participantId",), "Somebody raised a hand."),
    "hand:lowered": (("participantId",), "Somebody lowered it."),
    "transcript": (("speaker", "text", "final"), "Something was said, where the meeting has captions."),
    "recording": (("status",), "A recording began, stopped or failed."),
    "meeting:updated": (
        ("meetingId", "locked", "waitingRoom"),
        "The meeting was locked or unlocked, or its waiting room switched.",
    ),
    "meeting:warning": (("secondsLeft",), "The meeting's time is nearly over."),
    "meeting:ended": ((), "The meeting is over."),
}
"""What clients of Socket.IO hear: its fields, and what it means."""

TOLD: Final[dict[str, str]] = {
    "room.created": "A room is there.",
    "room.closed": "A room is gone.",
    "participant.joined": "Somebody came into a room.",
    "participant.left": "Somebody left it.",
    "session.started": "A conversation began.",
    "session.ended": "It ended, and how.",
    "session.failed": "It failed; `session.ended` comes too.",
    "transcript.new": "A line was said. Interim lines have `is_final: false` and no `id`.",
    "call.status": "A telephone call went on to another status.",
    "recording.status": "A recording began, or stopped.",
    "tool.used": "A persona used a tool: which, for how long, and whether that failed.",
    "persona.state": "A persona listens, thinks, speaks, or is silent, as a supervisor has the call. Not kept.",
    "knowledge.document_uploaded": "A document is in a knowledge base.",
    "knowledge.reindexed": "A knowledge base was indexed anew.",
    "webhook.disabled": "An endpoint was switched off, because its receiver is gone or fails.",
    "meeting.started": "The first person is in a meeting.",
    "meeting.ending": "A meeting's time is nearly over.",
    "meeting.ended": "A meeting is over.",
    "meeting.waiting": "Somebody waits to be let in.",
    "analysis.ready": "A conversation was analysed.",
    "calendar.sync_events": "A calendar was read, and events in it were made, changed or removed.",
    "calendar.revoked": "A calendar's credentials are refused: it needs new ones.",
    "bot.status_change": "A bot that attends a meeting came a step further.",
    "bot.completed": "A bot has brought back what there is.",
    "bot.failed": "A bot has failed, and why.",
    "supervision.changed": "Somebody supervises a call: `listen`, `whisper`, `barge`, `takeover`; or `ended` it.",
    "turn.measured": "A persona answered: the heard gap and its parts in milliseconds, and how many passages it read.",
    "budget.warning": "A budget's share for the warning is spent.",
    "budget.exceeded": "A budget is used up.",
}
"""What the monitor's types mean."""

INTERIM: Final[dict[str, tuple[str, ...]]] = {"persona.state": ("session_id", "state")}
"""What the monitor shows and nobody keeps, by its fields."""

_OF_ALL: Final = ("room_name", "full_room_name")


def describe_realtime() -> Json:
    """All events by socket, each with its fields and what it means."""
    return {
        "socket": {
            "sent": [{"event": event, "fields": _fields(shape), "what": what} for event, (shape, what) in SENT.items()],
            "heard": [
                {"event": event, "fields": [{"name": name} for name in fields], "what": what}
                for event, (fields, what) in HEARD.items()
            ],
        },
        "monitor": [
            {
                "event": name.type,
                "fields": [{"name": field} for field in (*_OF_ALL, *name.fields)],
                "what": TOLD[name.type],
            }
            for name in dict.fromkeys(MONITOR.values())
        ]
        + [
            {"event": event, "fields": [{"name": field} for field in (*_OF_ALL, *fields)], "what": TOLD[event]}
            for event, fields in INTERIM.items()
        ],
    }


def _fields(shape: type[BaseModel]) -> list[Json]:
    fields = []
    for name, field in shape.model_fields.items():
        told: Json = {"name": name, "optional": not field.is_required()}
        fields.append(told | ({"what": field.description} if field.description else {}))
    return fields
