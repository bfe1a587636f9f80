"""bots: those that attend meetings, words with their times, headers of webhooks that are the receiver's own"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

WALL = """
alter table bot enable row level security;
create policy of_project on bot using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""
EXISTS_ELSEWHERE = """
create function exists_elsewhere(wanted_table text, wanted uuid) returns boolean
language plpgsql stable security definer set search_path = public as $$
declare found_it boolean;
begin
    if wanted_table <> all (array['bot', 'calendar', 'calendar_event']) then
        raise exception 'no such table: %', wanted_table;
    end if;
    execute format(
        'select exists (select from %I where uuid = $1 and project_id <> '
        'nullif(nullif(current_setting(''parley.project'', true), ''''), ''all'')::bigint)', wanted_table
    ) into found_it using wanted;
    return found_it;
end $$;
"""


def upgrade() -> None:
    op.create_table(
        "bot",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("uuid", sa.Uuid(), nullable=False, unique=True),
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("project.id"), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("sealed_secrets", sa.LargeBinary()),
        sa.Column("event_uuid", sa.Uuid()),
        sa.Column("bot_name", sa.String(), nullable=False),
        sa.Column("meeting_url", sa.String(), nullable=False),
        sa.Column("deduplication_key", sa.String()),
        sa.Column("webhook_url", sa.String()),
        sa.Column("extra", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("asked", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("told", sa.String(), nullable=False),
        sa.Column("error", sa.String()),
        sa.Column("error_message", sa.String()),
        sa.Column("room_name", sa.String(), nullable=False, unique=True),
        sa.Column("meeting_room", sa.String()),
        sa.Column("attendee_id", sa.BigInteger()),
        sa.Column("session_id", sa.BigInteger()),
        sa.Column("recording_id", sa.BigInteger()),
        sa.Column("endpoint_id", sa.BigInteger()),
        sa.Column("chat", postgresql.JSONB(), nullable=False, server_default=sa.text("'[]'")),
        _moment("writing_since"),
        sa.Column("writing_error", sa.String()),
        _moment("due_at", nullable=False),
        _moment("wanted_at"),
        _moment("leave_at"),
        _moment("claimed_at"),
        _moment("joined_at"),
        _moment("exited_at"),
        _moment("ended_at"),
        _moment("deleted_at"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint("project_id", "id"),
    )
    op.create_index("bot_by_project", "bot", ["project_id", "id"])
    op.create_index("bot_wanted", "bot", ["wanted_at"], postgresql_where=sa.text("wanted_at is not null"))
    op.create_index(
        "bot_alive",
        "bot",
        ["meeting_room"],
        postgresql_where=sa.text("state in ('joining', 'waiting', 'attending', 'ending')"),
    )
    for column in ("event_uuid", "session_id", "recording_id"):
        op.create_index(op.f(f"ix_bot_{column}"), "bot", [column])
    op.execute(WALL)
    op.execute(EXISTS_ELSEWHERE)
    op.execute("revoke all on function exists_elsewhere(text, uuid) from public")
    op.execute("grant execute on function exists_elsewhere(text, uuid) to parley_app")
    op.add_column("account", sa.Column("meeting_baas_webhook_url", sa.String()))
    op.add_column("transcript_line", sa.Column("words", postgresql.JSONB()))
    op.add_column("webhook_endpoint", sa.Column("sealed_headers", sa.LargeBinary()))


def downgrade() -> None:
    op.drop_column("webhook_endpoint", "sealed_headers")
    op.drop_column("transcript_line", "words")
    op.drop_column("account", "meeting_baas_webhook_url")
    op.execute("drop function exists_elsewhere(text, uuid)")
    op.execute("delete from webhook_endpoint where dialect = 'meeting_baas'")
    op.drop_table("bot")


def _moment(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)
