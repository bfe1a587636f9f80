"""videosdk: rooms that outlive their sessions, webhooks of one room, recordings of every kind"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = ("video_room", "video_transcription")
WALL = """
alter table {table} enable row level security;
create policy of_project on {table} using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""

COUNT_USED = """
create or replace function count_used(wanted_account bigint, resource text, at_time timestamptz) returns integer
language plpgsql stable security definer set search_path = public as $$
declare used integer;
begin
    select case resource
        when 'projects' then (select count(*) from project where account_id = wanted_account)
        when 'agents' then (select count(*) from persona join project on project.id = persona.project_id
            where account_id = wanted_account and deleted_at is null)
        when 'rooms' then (select count(*) from room join project on project.id = room.project_id
            where account_id = wanted_account and status = 'open')
        when 'knowledge_bases' then (select count(*) from knowledge_base base
            join project on project.id = base.project_id where account_id = wanted_account)
        when 'sessions' then (select count(*) from slot
            where account_id = wanted_account and (session_id is not null or expires_at > at_time))
        when 'sip_configs' then (select count(*) from sip_config config
            join project on project.id = config.project_id where account_id = wanted_account)
        when 'webhook_configs' then (select count(*) from webhook_endpoint hook
            join project on project.id = hook.project_id where account_id = wanted_account{own})
        when 'team_members' then (select count(*) from member where account_id = wanted_account)
        when 'recordings' then (select count(*) from recording join project on project.id = recording.project_id
            where account_id = wanted_account and recording.status = 'recording')
        when 'sip_calls' then (select count(*) from call join project on project.id = call.project_id
            where account_id = wanted_account and ended_at is null)
    end into used;
    if used is null then
        raise exception 'no such resource: %', resource;
    end if;
    return used;
end $$;
"""


def upgrade() -> None:
    op.create_table(
        "video_room",
        *_own(),
        sa.Column("room_id", sa.String(), nullable=False),
        sa.Column("full_name", sa.String(), nullable=False, unique=True),
        sa.Column("custom_room_id", sa.String()),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("geo_fence", sa.String()),
        sa.Column("webhook", postgresql.JSONB()),
        sa.Column("auto_close", postgresql.JSONB()),
        sa.Column("auto_start", postgresql.JSONB()),
        sa.Column("multi_composition", postgresql.JSONB()),
        _created(),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("project_id", "room_id"),
        sa.UniqueConstraint("project_id", "custom_room_id"),
    )
    op.create_index("video_room_by_project", "video_room", ["project_id", "id"])
    op.create_table(
        "video_transcription",
        *_own(),
        sa.Column("recording_id", sa.BigInteger(), nullable=False),
        sa.Column("room_name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("error", sa.String()),
        sa.Column("lines", postgresql.JSONB(), nullable=False, server_default=sa.text("'[]'")),
        sa.Column("summary", sa.String()),
        _created(),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("project_id", "recording_id"),
    )
    op.create_table(
        "signing_key",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
    )
    for table in TABLES:
        op.execute(WALL.format(table=table))
    op.add_column("webhook_endpoint", sa.Column("dialect", sa.String(), nullable=False, server_default=""))
    op.add_column("webhook_endpoint", sa.Column("room_name", sa.String()))
    op.create_index("ix_webhook_endpoint_room_name", "webhook_endpoint", ["room_name"])
    op.add_column("recording", sa.Column("kind", sa.String(), nullable=False, server_default="room"))
    op.add_column("recording", sa.Column("details", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")))
    op.add_column("recording", sa.Column("sealed_urls", sa.LargeBinary()))
    op.add_column("recording", sa.Column("playable_at", sa.DateTime(timezone=True)))
    op.execute(COUNT_USED.replace("{own}", " and hook.dialect = ''"))


def downgrade() -> None:
    op.execute(COUNT_USED.replace("{own}", ""))
    for column in ("playable_at", "sealed_urls", "details", "kind"):
        op.drop_column("recording", column)
    op.execute("delete from webhook_endpoint where dialect <> ''")
    op.drop_index("ix_webhook_endpoint_room_name", table_name="webhook_endpoint")
    for column in ("room_name", "dialect"):
        op.drop_column("webhook_endpoint", column)
    for table in ("signing_key", *reversed(TABLES)):
        op.drop_table(table)


def _own() -> tuple[sa.Column[int], ...]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True), _owner()


def _owner() -> sa.Column[int]:
    return sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("project.id"), nullable=False)


def _created() -> sa.Column[object]:
    return sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())
