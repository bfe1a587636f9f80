"""recordings: what is asked of a recorder, when, and what transcripts count from"""

import sqlalchemy as sa

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENTS = ("ordered_at", "heard_at", "stop_asked_at", "zero_at", "speech_at", "deleted_at")


def upgrade() -> None:
    op.add_column("recording", sa.Column("origin", sa.String(), nullable=False, server_default="api"))
    op.add_column("recording", sa.Column("channels", sa.String(), nullable=False, server_default="mixed"))
    op.add_column("recording", sa.Column("consent", sa.Boolean(), nullable=True))
    for name in MOMENTS:
        op.add_column("recording", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("persona", sa.Column("record_notice", sa.String(), nullable=False, server_default=""))
    op.create_index(
        "recording_at_work",
        "recording",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status = 'recording' or deleted_at is not null"),
    )


def downgrade() -> None:
    op.drop_index("recording_at_work", table_name="recording")
    op.drop_column("persona", "record_notice")
    for name in ("origin", "channels", "consent", *MOMENTS):
        op.drop_column("recording", name)
