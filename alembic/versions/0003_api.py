"""api: webhooks, usage, audit, idempotency, versions, members, recordings, calls"""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


TENANT_TABLES = (
    "audit_entry",
    "budget_notice",
    "call",
    "idempotent_request",
    "persona_version",
    "recording",
    "sip_config",
    "sip_trunk",
    "usage_day",
    "webhook_attempt",
    "webhook_delivery",
    "webhook_endpoint",
)

# The same wall as that of 0002.
WALL = """
alter table {table} enable row level security;
create policy of_project on {table} using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""

# Usage is no longer a part of its session: bills outlive conversations, and calls and recordings are billed too.
USAGE_BY_SOURCE = """
alter table usage_entry
    add column source varchar,
    add column cost_usd numeric(20, 10) not null default 0,
    add column unpriced boolean not null default true;
update usage_entry set source = format('report:%s:%s:%s', session_id, epoch, sequence);
alter table usage_entry
    alter column source set not null,
    alter column session_id drop not null,
    alter column cost_usd drop default,
    alter column unpriced drop default,
    drop column epoch, drop column sequence,
    drop constraint usage_entry_project_id_session_id_fkey,
    add foreign key (project_id) references project (id),
    add unique (project_id, source);
drop index ix_usage_entry_session_id;
create index usage_entry_by_session on usage_entry (project_id, session_id);
insert into usage_day (project_id, day, persona_id, service, provider, model, input_tokens, output_tokens,
    audio_seconds, characters, requests, cost_usd, unpriced)
select project_id, (at at time zone 'utc')::date, coalesce(persona_id, 0), service, provider, model, sum(input_tokens),
    sum(output_tokens), sum(audio_seconds), sum(characters), sum(requests), sum(cost_usd), bool_or(unpriced)
from usage_entry group by 1, 2, 3, 4, 5, 6;
"""
USAGE_BY_REPORT = """
delete from usage_entry where source not like 'report:%' or (project_id, session_id) not in (
    select project_id, id from session);
drop index usage_entry_by_session;
alter table usage_entry add column epoch integer, add column sequence integer;
update usage_entry set epoch = split_part(source, ':', 3)::integer, sequence = split_part(source, ':', 4)::integer;
alter table usage_entry
    alter column epoch set not null, alter column sequence set not null, alter column session_id set not null,
    drop constraint usage_entry_project_id_fkey,
    drop column source, drop column cost_usd, drop column unpriced,
    add foreign key (project_id, session_id) references session (project_id, id) on delete cascade,
    add unique (session_id, epoch, sequence);
create index ix_usage_entry_session_id on usage_entry (session_id);
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
KNOWN_BEFORE = "'persona', 'room', 'session', 'knowledge_base', 'knowledge_chunk'"
KNOWN_NOW = KNOWN_BEFORE + ", 'webhook_endpoint', 'webhook_delivery', 'recording', 'sip_trunk', 'sip_config', 'call'"

COUNTS = {
    "projects": "project where account_id = wanted_account",
    "agents": "persona join project on project.id = persona.project_id "
    "where account_id = wanted_account and deleted_at is null",
    "rooms": "room join project on project.id = room.project_id where account_id = wanted_account and status = 'open'",
    "knowledge_bases": "knowledge_base base join project on project.id = base.project_id "
    "where account_id = wanted_account",
    "sessions": "slot where account_id = wanted_account and (session_id is not null or expires_at > at_time)",
    "sip_configs": "sip_config config join project on project.id = config.project_id where account_id = wanted_account",
    "webhook_configs": "webhook_endpoint hook join project on project.id = hook.project_id "
    "where account_id = wanted_account",
    "team_members": "member where account_id = wanted_account",
    "recordings": "recording join project on project.id = recording.project_id "
    "where account_id = wanted_account and recording.status = 'recording'",
    "sip_calls": "call join project on project.id = call.project_id "
    "where account_id = wanted_account and ended_at is null",
}
KNOWN_TO_0002 = ("projects", "agents", "rooms", "knowledge_bases", "sessions")


def arms(resources: Iterable[str]) -> str:
    """The branches of a count by resource."""
    return "\n".join(
        f"        when '{resource}' then (select count(*) from {COUNTS[resource]})"  # noqa: S608 - our own text
        for resource in resources
    )


COUNT_USED = """
create function count_used(wanted_account bigint, resource text, at_time timestamptz) returns integer
language plpgsql stable security definer set search_path = public as $$
declare used integer;
begin
    select case resource
{arms}
    end into used;
    if used is null then
        raise exception 'no such resource: %', resource;
    end if;
    return used;
end $$;
"""
LOCK_AND_COUNT = """
create or replace function lock_and_count(wanted_account bigint, resource text, at_time timestamptz) returns integer
language plpgsql security definer set search_path = public as $$
begin
    perform from account where id = wanted_account for no key update;
    -- Each statement of a volatile function has a snapshot of its own, so this one sees what the lock waited for.
    return count_used(wanted_account, resource, at_time);
end $$;
"""
LOCK_AND_COUNT_OF_0002 = """
create or replace function lock_and_count(wanted_account bigint, resource text, at_time timestamptz) returns integer
language plpgsql security definer set search_path = public as $$
declare used integer;
begin
    perform from account where id = wanted_account for no key update;
    select case resource
{arms}
    end into used;
    if used is null then
        raise exception 'no such resource: %', resource;
    end if;
    return used;
end $$;
"""

# What a budget is compared with: the roll-up's sum over the calendar month (UTC) of a moment; 0: the whole project.
MONTH_SPENT = """
create function month_spent(own_project bigint, wanted_persona bigint, at_time timestamptz) returns numeric
language sql stable set search_path = public as $$
    select coalesce(sum(cost_usd), 0) from usage_day
    where project_id = own_project
        and day >= date_trunc('month', at_time at time zone 'utc')
        and day < date_trunc('month', at_time at time zone 'utc') + interval '1 month'
        and (wanted_persona = 0 or persona_id = wanted_persona)
$$;
"""
# Whose budget is used up: 0 for the project's own, else an agent's id; null while there is money left.
USED_UP_BUDGET = """
create function used_up_budget(own_project bigint, wanted bigint[], at_time timestamptz) returns bigint
language plpgsql stable set search_path = public as $$
declare budgeted record;
begin
    for budgeted in
        select 0::bigint as persona, (budget ->> 'limit_usd')::numeric as amount
        from project where id = own_project and budget is not null
        union all
        select id, (budget ->> 'limit_usd')::numeric
        from persona where project_id = own_project and id = any (wanted) and budget is not null
    loop
        if month_spent(own_project, budgeted.persona, at_time) >= budgeted.amount then
            return budgeted.persona;
        end if;
    end loop;
    return null;
end $$;
"""
BUDGET_FUNCTIONS = ("used_up_budget(bigint, bigint[], timestamptz)", "month_spent(bigint, bigint, timestamptz)")

AUDITED_ADMISSION = """
create function admit_call(
    own_project bigint, own_account bigint, session_limit integer, full_name text, foreign_slug text,
    wanted bigint[], hash bytea, given_variables jsonb, identity text, at_time timestamptz, until timestamptz,
    by_key text,
    out status text, out culprit bigint, out personas bigint[], out names text[], out room_live boolean
)
language plpgsql security definer set search_path = public as $$
declare used_up bigint;
begin
    select call.status, call.culprit, call.personas, call.names, call.room_live
    into status, culprit, personas, names, room_live
    from admit_call(own_project, own_account, session_limit, full_name, foreign_slug, wanted, hash, given_variables,
        identity, at_time, until) as call;
    used_up := case when status = 'admitted' and cardinality(personas) > 0
        then used_up_budget(own_project, personas, at_time) end;
    if used_up is not null then
        status := 'over_budget'; culprit := used_up;
        delete from slot where ticket_hash = hash;
        return;
    end if;
    if status = 'admitted' then
        -- Callers see the name that was published, as everything else of the agent in a call.
        select coalesce(array_agg(coalesce(version.settings ->> 'name', persona.name) order by place), '{}') into names
        from unnest(personas) with ordinality as chosen(id, place) join persona on persona.id = chosen.id
        left join persona_version version
            on version.persona_id = persona.id and version.version = persona.published_version;
        insert into audit_entry (project_id, key_id, action, target, status, at) values (
            own_project, by_key, 'POST /token', jsonb_build_object('room', full_name, 'agents', personas),
            200, at_time);
    end if;
end $$;
"""
ADMISSION = (
    "admit_call(bigint, bigint, integer, text, text, bigint[], bytea, jsonb, text, timestamptz, timestamptz, text)"
)


def upgrade() -> None:
    op.create_table(
        "monitor_ticket",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "event_cursor",
        sa.Column("reader", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reader"),
    )
    op.create_table(
        "member",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account_id", "email"),
    )
    op.create_index(op.f("ix_member_account_id"), "member", ["account_id"], unique=False)
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("target", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_entry_by_project", "audit_entry", ["project_id", "id"], unique=False)
    op.create_table(
        "call",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=True),
        sa.Column("room_name", sa.String(), nullable=False),
        sa.Column("phone_number", sa.String(), nullable=False),
        sa.Column("caller_id", sa.String(), nullable=True),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("sip_status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "id"),
    )
    op.create_index("call_by_project", "call", ["project_id", "id"], unique=False)
    op.create_index(op.f("ix_call_session_id"), "call", ["session_id"], unique=False)
    op.create_table(
        "idempotent_request",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("sealed_body", sa.LargeBinary(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("project_id", "key"),
    )
    op.create_index("idempotent_request_by_age", "idempotent_request", ["created_at"], unique=False)
    op.create_table(
        "recording",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("room_name", sa.String(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=True),
        sa.Column("egress_id", sa.String(), nullable=True),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("storage_key", sa.String(), nullable=True),
        sa.Column("duration", sa.Float(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("egress_id"),
        sa.UniqueConstraint("project_id", "id"),
    )
    op.create_index("recording_by_project", "recording", ["project_id", "id"], unique=False)
    op.create_table(
        "sip_trunk",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("phone_number", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("transport", sa.String(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("sealed_password", sa.LargeBinary(), nullable=True),
        sa.Column(
            "allowed_addresses", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
        sa.Column("inbound_trunk_id", sa.String(), nullable=True),
        sa.Column("outbound_trunk_id", sa.String(), nullable=True),
        sa.Column("dispatch_rule_id", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "id"),
    )
    op.create_table(
        "usage_day",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("persona_id", sa.BigInteger(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("audio_seconds", sa.Float(), nullable=False),
        sa.Column("characters", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=20, scale=10), nullable=False),
        sa.Column("unpriced", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("project_id", "day", "persona_id", "service", "provider", "model"),
    )
    op.create_table(
        "budget_notice",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("persona_id", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("fact", sa.String(), nullable=False),
        sa.Column("threshold_usd", sa.Numeric(precision=20, scale=10), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("project_id", "persona_id", "month", "fact", "threshold_usd"),
    )
    op.create_table(
        "webhook_endpoint",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.TEXT()), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_previous", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_reason", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "id"),
    )
    op.create_table(
        "persona_version",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("persona_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["project_id", "persona_id"], ["persona.project_id", "persona.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("persona_id", "version"),
    )
    op.create_table(
        "sip_config",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("phone_number", sa.String(), nullable=False),
        sa.Column("agent_config_id", sa.BigInteger(), nullable=False),
        sa.Column("dtmf_enabled", sa.Boolean(), nullable=False),
        sa.Column("max_call_duration", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "agent_config_id"],
            ["persona.project_id", "persona.id"],
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("phone_number"),
        sa.UniqueConstraint("project_id", "id"),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("endpoint_id", sa.BigInteger(), nullable=False),
        sa.Column("event_seq", sa.BigInteger(), nullable=True),
        sa.Column("event_type", sa.String(), nullable=False),
        sa.Column("room_name", sa.String(), nullable=True),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("in_order", sa.Boolean(), nullable=False),
        sa.Column("redelivery_of", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id", "endpoint_id"], ["webhook_endpoint.project_id", "webhook_endpoint.id"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "id"),
    )
    op.create_index(
        "one_delivery_per_event",
        "webhook_delivery",
        ["endpoint_id", "event_seq"],
        unique=True,
        postgresql_where=sa.text("in_order"),
    )
    op.create_index("webhook_delivery_by_endpoint", "webhook_delivery", ["endpoint_id", "id"], unique=False)
    op.create_index(
        "webhook_delivery_first",
        "webhook_delivery",
        ["endpoint_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting' and attempts = 0 and in_order"),
    )
    op.create_index(
        "webhook_delivery_later",
        "webhook_delivery",
        ["endpoint_id", "next_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting' and (attempts > 0 or not in_order)"),
    )
    op.create_table(
        "webhook_attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("latency_ms", sa.Float(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("response", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "delivery_id"], ["webhook_delivery.project_id", "webhook_delivery.id"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("delivery_id", "number"),
    )
    op.add_column("account", sa.Column("requests_per_minute", sa.Integer(), nullable=True))
    op.add_column("account", sa.Column("password_hash", sa.String(), nullable=True))
    op.add_column(
        "persona", sa.Column("budget", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True)
    )
    op.add_column("persona", sa.Column("published_version", sa.Integer(), nullable=True))
    op.add_column("session_job", sa.Column("wind_up_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("room", sa.Column("request_key", sa.String(), nullable=True))
    op.add_column(
        "session",
        sa.Column(
            "persona_versions", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
    )
    op.add_column("project", sa.Column("retention_days", sa.Integer(), nullable=True))
    op.add_column("project", sa.Column("redact", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column(
        "project",
        sa.Column(
            "allowed_origins", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
    )
    op.add_column(
        "project", sa.Column("budget", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True)
    )
    op.execute(USAGE_BY_SOURCE)
    for table in TENANT_TABLES:
        op.execute(WALL.format(table=table))
    op.execute(EXISTS_ELSEWHERE.format(tables=KNOWN_NOW))
    op.execute(COUNT_USED.format(arms=arms(COUNTS)))
    op.execute("revoke all on function count_used(bigint, text, timestamptz) from public")
    op.execute("grant execute on function count_used(bigint, text, timestamptz) to parley_app")
    op.execute(LOCK_AND_COUNT)
    op.execute(MONTH_SPENT)
    op.execute(USED_UP_BUDGET)
    op.execute(AUDITED_ADMISSION)
    op.execute(f"revoke all on function {ADMISSION} from public")
    op.execute(f"grant execute on function {ADMISSION} to parley_app")
    op.execute("insert into member (account_id, email, name, role) select id, email, name, 'owner' from account")


def downgrade() -> None:
    op.execute(f"drop function {ADMISSION}")
    for function in BUDGET_FUNCTIONS:
        op.execute(f"drop function {function}")
    op.execute(LOCK_AND_COUNT_OF_0002.format(arms=arms(KNOWN_TO_0002)))
    op.execute("drop function count_used(bigint, text, timestamptz)")
    op.execute(EXISTS_ELSEWHERE.format(tables=KNOWN_BEFORE))
    op.execute(USAGE_BY_REPORT)
    op.drop_column("project", "budget")
    op.drop_column("project", "allowed_origins")
    op.drop_column("project", "redact")
    op.drop_column("project", "retention_days")
    op.drop_column("room", "request_key")
    op.drop_column("session_job", "wind_up_at")
    op.drop_column("session", "persona_versions")
    op.drop_column("persona", "published_version")
    op.drop_column("persona", "budget")
    op.drop_column("account", "password_hash")
    op.drop_column("account", "requests_per_minute")
    op.drop_table("webhook_attempt")
    op.drop_index("webhook_delivery_later", table_name="webhook_delivery")
    op.drop_index("webhook_delivery_first", table_name="webhook_delivery")
    op.drop_index("webhook_delivery_by_endpoint", table_name="webhook_delivery")
    op.drop_index("one_delivery_per_event", table_name="webhook_delivery", postgresql_where=sa.text("in_order"))
    op.drop_table("webhook_delivery")
    op.drop_table("sip_config")
    op.drop_table("persona_version")
    op.drop_table("webhook_endpoint")
    op.drop_table("budget_notice")
    op.drop_table("usage_day")
    op.drop_table("sip_trunk")
    op.drop_index("recording_by_project", table_name="recording")
    op.drop_table("recording")
    op.drop_index("idempotent_request_by_age", table_name="idempotent_request")
    op.drop_table("idempotent_request")
    op.drop_index(op.f("ix_call_session_id"), table_name="call")
    op.drop_index("call_by_project", table_name="call")
    op.drop_table("call")
    op.drop_index("audit_entry_by_project", table_name="audit_entry")
    op.drop_table("audit_entry")
    op.drop_index(op.f("ix_member_account_id"), table_name="member")
    op.drop_table("member")
    op.drop_table("event_cursor")
    op.drop_table("monitor_ticket")
