"""The catalogue of facts and the names by which each sink knows them; `docs/reference/events.md` agrees with it."""

from dataclasses import dataclass
from enum import StrEnum


class Fact(StrEnum):
    """Something that happened, named once."""

    ROOM_CREATED = "room.created"
    ROOM_STARTED = "room.started"
    ROOM_FINISHED = "room.finished"
    PARTICIPANT_JOINED = "participant.joined"
    PARTICIPANT_LEFT = "participant.left"
    TRACK_PUBLISHED = "track.published"
    TRACK_UNPUBLISHED = "track.unpublished"
    SESSION_STARTED = "session.started"
    SESSION_ENDED = "session.ended"
    SESSION_FAILED = "session.failed"
    TRANSCRIPT_LINE = "transcript.line"
    DOCUMENT_UPLOADED = "knowledge.document_uploaded"


@dataclass(frozen=True)
class MonitorName:
    """How the monitor socket calls a fact, and which fields of it are shown there."""

    type: str
    fields: tuple[str, ...]


MONITOR: dict[str, MonitorName] = {
    Fact.ROOM_CREATED: MonitorName("room.created", ("created_at",)),
    Fact.ROOM_FINISHED: MonitorName("room.closed", ()),
    Fact.PARTICIPANT_JOINED: MonitorName("participant.joined", ("identity", "name", "joined_at")),
    Fact.PARTICIPANT_LEFT: MonitorName("participant.left", ("identity", "reason")),
    Fact.SESSION_STARTED: MonitorName("session.started", ("session_id", "agent_config_id")),
    Fact.SESSION_ENDED: MonitorName("session.ended", ("session_id", "outcome", "end_reason", "duration")),
    Fact.SESSION_FAILED: MonitorName("session.failed", ("session_id", "end_reason")),
    Fact.TRANSCRIPT_LINE: MonitorName(
        "transcript.new", ("session_id", "speaker", "content", "timestamp_ms", "is_final", "final_at")
    ),
}
"""Facts without a name here do not appear on the monitor."""

WEBHOOKS: frozenset[str] = frozenset(Fact) - {Fact.ROOM_CREATED, Fact.TRANSCRIPT_LINE}
"""Facts that webhooks carry, under their own names."""
