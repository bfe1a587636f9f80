"""announcements: people are told before they are recorded, and a key by which whoever is called opts out"""

import sqlalchemy as sa

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

COLUMNS = (
    ("project", sa.Column("announce_recordings", sa.Boolean(), nullable=False, server_default=sa.text("false"))),
    ("recording", sa.Column("waits_for_notice", sa.Boolean(), nullable=False, server_default=sa.text("false"))),
    ("session", sa.Column("recording_announced_at", sa.DateTime(timezone=True), nullable=True)),
    ("dial_policy", sa.Column("opt_out_key", sa.String(), nullable=True)),
)


def upgrade() -> None:
    for table, column in COLUMNS:
        op.add_column(table, column)


def downgrade() -> None:
    for table, column in reversed(COLUMNS):
        op.drop_column(table, column.name)
