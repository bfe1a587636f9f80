"""calendars: what stands in them, and which series have bots"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLES = ("calendar", "calendar_event", "calendar_series")
WALL = """
alter table {table} enable row level security;
create policy of_project on {table} using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""


def upgrade() -> None:
    op.create_table(
        "calendar",
        *_own(),
        sa.Column("uuid", sa.Uuid(), nullable=False, unique=True),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("remote_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("sealed_credentials", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_access", sa.LargeBinary()),
        _moment("access_until"),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("status_reason", sa.String()),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("quiet", sa.Integer(), nullable=False),
        sa.Column("sync_token", sa.String()),
        _moment("full_at"),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("claim", sa.Integer(), nullable=False),
        _moment("lease_until"),
        _moment("synced_at"),
        _moment("next_sync_at"),
        sa.Column("channel_id", sa.String(), unique=True),
        sa.Column("channel_resource", sa.String()),
        _moment("channel_until"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint("project_id", "id"),
    )
    op.create_index("calendar_due", "calendar", ["next_sync_at"], postgresql_where=sa.text("next_sync_at is not null"))
    op.create_table(
        "calendar_event",
        *_own(),
        sa.Column("calendar_id", sa.BigInteger(), nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False, unique=True),
        sa.Column("remote_id", sa.String(), nullable=False),
        sa.Column("series_id", sa.String()),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("meeting_url", sa.String(), nullable=False),
        sa.Column("dial_in", postgresql.JSONB()),
        _moment("starts_at", nullable=False),
        _moment("ends_at", nullable=False),
        sa.Column("is_organizer", sa.Boolean(), nullable=False),
        sa.Column("is_recurring", sa.Boolean(), nullable=False),
        sa.Column("organizer_email", sa.String()),
        sa.Column("attendees", postgresql.JSONB(), nullable=False, server_default=sa.text("'[]'")),
        sa.Column("raw", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("bot", postgresql.JSONB()),
        _moment("updated_at", nullable=False),
        _of_calendar(),
        sa.UniqueConstraint("calendar_id", "remote_id"),
    )
    op.create_index("calendar_event_by_start", "calendar_event", ["calendar_id", "starts_at", "id"])
    op.create_index("calendar_event_by_series", "calendar_event", ["calendar_id", "series_id"])
    op.create_table(
        "calendar_series",
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("project.id"), nullable=False),
        sa.Column("calendar_id", sa.BigInteger(), primary_key=True),
        sa.Column("series_id", sa.String(), primary_key=True),
        sa.Column("bot", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        _of_calendar(),
    )
    for table in TABLES:
        op.execute(WALL.format(table=table))


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def _own() -> tuple[sa.Column[int], ...]:
    return (
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("project.id"), nullable=False),
    )


def _moment(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _of_calendar() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["project_id", "calendar_id"], ["calendar.project_id", "calendar.id"], ondelete="CASCADE"
    )
