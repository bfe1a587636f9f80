"""overview: sessions by their start, answers and costs by their moment; tickets of one of several projects"""

import sqlalchemy as sa

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("session_by_start", "session", ["project_id", "started_at"])
    op.create_index("session_going_on", "session", ["project_id"], postgresql_where=sa.text("status = 'active'"))
    op.create_index(
        "turn_by_answer",
        "turn",
        ["project_id", "audio_started_at"],
        postgresql_include=["speech_ended_at"],
        postgresql_where=sa.text("speech_ended_at is not null"),
    )
    op.create_index("usage_entry_by_time", "usage_entry", ["project_id", "at"], postgresql_include=["cost_usd"])
    op.add_column("monitor_ticket", sa.Column("project_id", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("monitor_ticket", "project_id")
    op.drop_index("usage_entry_by_time", table_name="usage_entry")
    op.drop_index("turn_by_answer", table_name="turn")
    op.drop_index("session_going_on", table_name="session")
    op.drop_index("session_by_start", table_name="session")
