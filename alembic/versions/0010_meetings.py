"""meetings: scenarios, end users, meetings"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = ("scenario", "end_user", "membership", "meeting", "attendee", "analysis")
EMPTY_OBJECT, EMPTY_LIST = sa.text("'{}'"), sa.text("'[]'")


def upgrade() -> None:
    op.create_table(
        "scenario",
        *_own(),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("persona_id", sa.BigInteger(), nullable=False),
        sa.Column("briefing", sa.String(), nullable=False),
        _json("objectives", EMPTY_LIST),
        _json("criteria", EMPTY_LIST),
        sa.Column("call_duration", sa.Integer()),
        _json("controls", EMPTY_OBJECT),
        _created(),
        _moment("updated_at"),
        _moment("deleted_at"),
        sa.ForeignKeyConstraint(["project_id", "persona_id"], ["persona.project_id", "persona.id"]),
        sa.UniqueConstraint("project_id", "id"),
    )
    op.create_table(
        "end_user",
        *_own(),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String()),
        _created(),
        sa.UniqueConstraint("project_id", "id"),
        sa.UniqueConstraint("project_id", "email"),
    )
    op.create_table(
        "membership",
        *_own(),
        sa.Column("end_user_id", sa.BigInteger(), nullable=False),
        sa.Column("scenario_id", sa.BigInteger(), nullable=False),
        _created(),
        sa.ForeignKeyConstraint(
            ["project_id", "end_user_id"], ["end_user.project_id", "end_user.id"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["project_id", "scenario_id"], ["scenario.project_id", "scenario.id"]),
        sa.UniqueConstraint("end_user_id", "scenario_id"),
    )
    op.create_table(
        "meeting",
        *_own(),
        sa.Column("code", sa.String(), nullable=False, unique=True),
        sa.Column("room_name", sa.String(), nullable=False),
        sa.Column("scenario_id", sa.BigInteger()),
        sa.Column("persona_id", sa.BigInteger()),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("admin_hash", sa.LargeBinary()),
        sa.Column("session_id", sa.BigInteger()),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("meeting_type", sa.String(), nullable=False),
        sa.Column("end_user_id", sa.BigInteger()),
        sa.Column("membership_id", sa.BigInteger()),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("voice_id", sa.String()),
        sa.Column("voice_provider", sa.String(), nullable=False),
        sa.Column("voice_provider_used", sa.String(), nullable=False),
        sa.Column("welcome_message", sa.String(), nullable=False),
        _json("variables", EMPTY_OBJECT),
        _json("controls", EMPTY_OBJECT),
        sa.Column("max_duration", sa.Integer(), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        _created(),
        _moment("started_at"),
        _moment("ended_at"),
        sa.ForeignKeyConstraint(["project_id", "scenario_id"], ["scenario.project_id", "scenario.id"]),
        sa.UniqueConstraint("project_id", "id"),
    )
    op.create_index("meeting_by_project", "meeting", ["project_id", "id"])
    op.create_index("meeting_by_room", "meeting", ["room_name"])
    op.create_table(
        "attendee",
        *_own(),
        sa.Column("meeting_id", sa.BigInteger(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in ("is_admin", "is_bot", "muted", "hand_raised")),
        sa.Column("state", sa.String(), nullable=False),
        _moment("since"),
        _moment("seen_at"),
        _created(),
        sa.ForeignKeyConstraint(["project_id", "meeting_id"], ["meeting.project_id", "meeting.id"], ondelete="CASCADE"),
        sa.UniqueConstraint("meeting_id", "identity"),
    )
    op.create_table(
        "analysis",
        *_own(),
        sa.Column("session_id", sa.BigInteger(), nullable=False, unique=True),
        sa.Column("status", sa.String(), nullable=False),
        _json("figures", EMPTY_OBJECT),
        _json("findings", EMPTY_OBJECT),
        sa.Column("model", sa.String()),
        sa.Column("extractive", sa.Boolean(), nullable=False),
        sa.Column("error", sa.String()),
        _created(),
        _moment("finished_at"),
        sa.ForeignKeyConstraint(["project_id", "session_id"], ["session.project_id", "session.id"], ondelete="CASCADE"),
    )
    op.add_column("transcript_line", sa.Column("duration_ms", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("transcript_line", sa.Column("name", sa.String(), nullable=False, server_default=""))
    for table in TABLES:
        op.execute(WALL.format(table=table))
    op.execute(EXISTS_ELSEWHERE.format(tables=f"{KNOWN_BEFORE}, 'scenario', 'end_user', 'meeting'"))


def downgrade() -> None:
    op.execute(EXISTS_ELSEWHERE.format(tables=KNOWN_BEFORE))
    op.drop_column("transcript_line", "name")
    op.drop_column("transcript_line", "duration_ms")
    for table in reversed(TABLES):
        op.drop_table(table)


def _own() -> tuple[sa.Column[int], ...]:
    return (
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("project.id"), nullable=False),
    )


def _json(name: str, empty: sa.TextClause) -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(), nullable=False, server_default=empty)


def _created() -> sa.Column[object]:
    return sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True))


WALL = """
alter table {table} enable row level security;
create policy of_project on {table} using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""
EXISTS_ELSEWHERE = """
create or replace function exists_elsewhere(wanted_table text, wanted_id bigint) returns boolean
language plpgsql stable security definer set search_path = public as $$
declare found_it boolean;
begin
    if wanted_table <> all (array[{tables}]) then
        raise exception 'no such table: %', wanted_table;
    end if;
    execute format(
        'select exists (select from %I where id = $1 and project_id <> '
        'nullif(nullif(current_setting(''parley.project'', true), ''''), ''all'')::bigint)', wanted_table
    ) into found_it using wanted_id;
    return found_it;
end $$;
"""
KNOWN_BEFORE = (
    "'persona', 'room', 'session', 'knowledge_base', 'knowledge_chunk', "
    "'webhook_endpoint', 'webhook_delivery', 'recording', 'sip_trunk', 'sip_config', 'call'"
)
