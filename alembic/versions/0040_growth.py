"""growth: indexes for what is asked again and again, so that nothing reads a whole table"""

import sqlalchemy as sa

from alembic import op

revision = "0040"
down_revision = "0037"
branch_labels = None
depends_on = None

INDEXES = {
    "bot_ending": ("bot", ["exited_at"], "state = 'ending'"),
    "bot_writing": ("bot", ["writing_since"], "writing_since is not null"),
    "bot_with_keys": (
        "bot",
        ["ended_at"],
        "sealed_secrets is not null and state in ('completed', 'failed', 'cancelled')",
    ),
    "call_by_room": ("call", ["room_name"], None),
    "egress_ended": ("egress", ["ended_at"], "ended_at is not null"),
    "ix_calendar_event_ends_at": ("calendar_event", ["ends_at"], None),
    "ix_monitor_ticket_expires_at": ("monitor_ticket", ["expires_at"], None),
    "job_by_state": ("job", ["state", "run_at"], None),
    "knowledge_upload_by_base": ("knowledge_upload", ["project_id", "base_id"], None),
    "livekit_hook_by_age": ("livekit_hook", ["received_at"], None),
    "meeting_by_session": ("meeting", ["session_id"], "session_id is not null"),
    "meeting_going_on": ("meeting", ["room_name"], "status = 'active'"),
    "participant_by_project": ("participant", ["project_id", "left_at"], None),
    "persona_version_by_project": ("persona_version", ["project_id"], None),
    "recording_over": ("recording", ["project_id", "ended_at"], "deleted_at is null"),
    "session_job_going_on": ("session_job", ["id"], "ended_at is null"),
    "session_job_untold": ("session_job", ["session_id"], "told_at is null and identity like 'bot-%'"),
    "supervision_by_project": ("supervision", ["project_id", "ended_at"], None),
    "webhook_delivery_of_bots": (
        "webhook_delivery",
        ["endpoint_id", "room_name"],
        "event_type in ('complete', 'transcript.line')",
    ),
    "webhook_endpoint_active": ("webhook_endpoint", ["id"], "is_active"),
}
"""Of each: its table, its columns, and which rows are in it."""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, (table, columns, where) in INDEXES.items():
            # One that was broken off is there, and good for nothing.
            op.drop_index(name, table_name=table, if_exists=True, postgresql_concurrently=True)
            only = None if where is None else sa.text(where)
            op.create_index(name, table, columns, postgresql_where=only, postgresql_concurrently=True)
        # With this one gone no index has the leases, and with room in its page a row is renewed where it stands.
        op.drop_index("session_job_running", table_name="session_job", if_exists=True, postgresql_concurrently=True)
    op.execute("alter table session_job set (fillfactor = 70)")


def downgrade() -> None:
    op.execute("alter table session_job reset (fillfactor)")
    going_on = sa.text("ended_at is null")
    op.create_index("session_job_running", "session_job", ["lease_until"], postgresql_where=going_on)
    for name, (table, _, _) in INDEXES.items():
        op.drop_index(name, table_name=table, if_exists=True)
