"""replays: what happens in a session besides words, and links that show a session to others"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TABLES = ("session_trace", "replay_share")
WALL = """
alter table {table} enable row level security;
create policy of_project on {table} using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""


def upgrade() -> None:
    op.create_table(
        "session_trace",
        *_of_session(),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("session_id", "epoch", "sequence"),
    )
    op.create_table(
        "replay_share",
        *_of_session(),
        sa.Column("hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    for table in TABLES:
        op.create_index(op.f(f"ix_{table}_session_id"), table, ["session_id"])
        op.execute(WALL.format(table=table))


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def _of_session() -> tuple[sa.Column[int] | sa.ForeignKeyConstraint, ...]:
    return (
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id", "session_id"], ["session.project_id", "session.id"], ondelete="CASCADE"),
    )
