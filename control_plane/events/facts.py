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
    RECORDING_ANNOUNCED = "recording.announced"
    RECORDING_STARTING = "recording.starting"
    RECORDING_STARTED = "recording.started"
    RECORDING_STOPPING = "recording.stopping"
    RECORDING_STOPPED = "recording.stopped"
    RECORDING_FAILED = "recording.failed"
    STREAM_STARTING = "stream.starting"
    STREAM_STARTED = "stream.started"
    STREAM_PLAYABLE = "stream.playable"
    STREAM_STOPPING = "stream.stopping"
    STREAM_STOPPED = "stream.stopped"
    STREAM_FAILED = "stream.failed"
    TRANSCRIPTION_COMPLETED = "transcription.completed"
    EGRESS_STARTED = "egress.started"
    EGRESS_ENDED = "egress.ended"
    CALL_INITIATED = "sip.call_initiated"
    CALL_RECEIVED = "sip.inbound_call"
    CALL_STATUS = "call.status"
    DOCUMENT_UPLOADED = "knowledge.document_uploaded"
    REINDEXED = "knowledge.reindexed"
    WEBHOOK_DISABLED = "webhook.disabled"
    MEETING_STARTED = "meeting.started"
    MEETING_ENDING = "meeting.ending"
    MEETING_ENDED = "meeting.ended"
    MEETING_WAITING = "meeting.waiting"
    MEETING_WAITING_LEFT = "meeting.waiting_left"
    MEETING_CHAT = "meeting.chat"
    ANALYSIS_READY = "analysis.ready"
    BOT_STATUS = "bot.status_change"
    BOT_COMPLETED = "bot.completed"
    BOT_FAILED = "bot.failed"
    BOT_TRANSCRIBED = "bot.transcribed"
    CALENDAR_SYNCED = "calendar.sync_events"
    CALENDAR_REVOKED = "calendar.revoked"
    SUPERVISION_CHANGED = "supervision.changed"
    TURN_MEASURED = "turn.measured"
    TOOL_USED = "tool.used"
    BUDGET_WARNING = "budget.warning"
    BUDGET_EXCEEDED = "budget.exceeded"


@dataclass(frozen=True)
class MonitorName:
    """How the monitor socket calls a fact, and which fields of it are shown there."""

    type: str
    fields: tuple[str, ...]


BUDGET_FIELDS = ("agent_config_id", "month", "limit_usd", "soft_at", "spent_usd")
MEETING_FIELDS = ("meeting_id", "scenario_id", "session_id", "end_user_id")
RECORDING_FIELDS = ("recording_id", "session_id", "egress_id", "status", "error")

MONITOR: dict[str, MonitorName] = {
    Fact.ROOM_CREATED: MonitorName("room.created", ("created_at",)),
    Fact.ROOM_FINISHED: MonitorName("room.closed", ()),
    Fact.PARTICIPANT_JOINED: MonitorName("participant.joined", ("identity", "name", "joined_at")),
    Fact.PARTICIPANT_LEFT: MonitorName("participant.left", ("identity", "reason", "cause")),
    Fact.SESSION_STARTED: MonitorName("session.started", ("session_id", "agent_config_id")),
    Fact.SESSION_ENDED: MonitorName("session.ended", ("session_id", "outcome", "end_reason", "duration")),
    Fact.SESSION_FAILED: MonitorName("session.failed", ("session_id", "end_reason")),
    Fact.TRANSCRIPT_LINE: MonitorName(
        "transcript.new", ("session_id", "speaker", "content", "timestamp_ms", "is_final", "final_at")
    ),
    Fact.CALL_STATUS: MonitorName(
        "call.status", ("call_id", "session_id", "phone_number", "direction", "status", "sip_status", "reason")
    ),
    Fact.RECORDING_STARTED: MonitorName("recording.status", RECORDING_FIELDS),
    Fact.RECORDING_STOPPED: MonitorName("recording.status", RECORDING_FIELDS),
    Fact.DOCUMENT_UPLOADED: MonitorName(
        "knowledge.document_uploaded", ("knowledge_base_id", "source_file", "chunks_created")
    ),
    Fact.REINDEXED: MonitorName("knowledge.reindexed", ("knowledge_base_id", "chunks_reindexed")),
    Fact.WEBHOOK_DISABLED: MonitorName("webhook.disabled", ("endpoint_id", "reason")),
    Fact.MEETING_STARTED: MonitorName("meeting.started", (*MEETING_FIELDS, "started_at")),
    Fact.MEETING_ENDING: MonitorName("meeting.ending", (*MEETING_FIELDS, "seconds_left")),
    Fact.MEETING_ENDED: MonitorName("meeting.ended", (*MEETING_FIELDS, "duration")),
    Fact.MEETING_WAITING: MonitorName("meeting.waiting", ("meeting_id", "identity", "name")),
    Fact.ANALYSIS_READY: MonitorName("analysis.ready", ("session_id", "meeting_id")),
    Fact.BOT_STATUS: MonitorName("bot.status_change", ("bot_id", "session_id", "status")),
    Fact.BOT_COMPLETED: MonitorName("bot.completed", ("bot_id", "session_id")),
    Fact.BOT_FAILED: MonitorName("bot.failed", ("bot_id", "session_id", "error", "message")),
    Fact.CALENDAR_SYNCED: MonitorName("calendar.sync_events", ("calendar_id", "last_updated_ts")),
    Fact.CALENDAR_REVOKED: MonitorName("calendar.revoked", ("calendar_id", "reason")),
    Fact.SUPERVISION_CHANGED: MonitorName("supervision.changed", ("session_id", "supervisor", "name", "mode")),
    Fact.TURN_MEASURED: MonitorName("turn.measured", ("session_id", "heard_gap_ms", "parts", "passages")),
    Fact.TOOL_USED: MonitorName("tool.used", ("session_id", "name", "failed", "ms")),
    Fact.BUDGET_WARNING: MonitorName("budget.warning", BUDGET_FIELDS),
    Fact.BUDGET_EXCEEDED: MonitorName("budget.exceeded", BUDGET_FIELDS),
}
"""Facts without a name here do not appear on the monitor."""

WEBHOOKS: frozenset[str] = frozenset(Fact) - {
    Fact.ROOM_CREATED,
    Fact.TRANSCRIPT_LINE,
    Fact.TURN_MEASURED,
    Fact.TOOL_USED,
}
"""Facts that webhooks carry, under their own names and with all their data."""

TEST_WEBHOOK = "test"
"""What `POST /webhooks/test` sends where nothing else is asked for; no fact."""

DOCUMENTED_WEBHOOKS: frozenset[str] = frozenset(
    {
        Fact.ROOM_STARTED,
        Fact.ROOM_FINISHED,
        Fact.PARTICIPANT_JOINED,
        Fact.PARTICIPANT_LEFT,
        Fact.TRACK_PUBLISHED,
        Fact.TRACK_UNPUBLISHED,
        Fact.SESSION_STARTED,
        Fact.SESSION_ENDED,
        Fact.RECORDING_STARTED,
        Fact.RECORDING_STOPPED,
        Fact.CALL_INITIATED,
        Fact.CALL_RECEIVED,
        Fact.DOCUMENT_UPLOADED,
        Fact.REINDEXED,
        Fact.EGRESS_STARTED,
        Fact.EGRESS_ENDED,
        TEST_WEBHOOK,
    }
)
"""What an endpoint without a filter is sent; other webhooks go only to endpoints that name them."""
