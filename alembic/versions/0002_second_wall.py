"""Rights of the roles, row-level security, and the functions that look across projects.

The roles `parley_app` and `parley_knowledge` are made here where the owner may; their passwords are the operator's
business. A transaction sees the rows of the project it has named in `parley.project`, everything under `all`, and
nothing where it has named none.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TENANT_TABLES = (
    "event",
    "participant",
    "persona",
    "room",
    "session",
    "session_job",
    "slot",
    "transcript_line",
    "turn",
    "usage_entry",
    "knowledge_base",
    "knowledge_document",
    "knowledge_chunk",
    "knowledge_vector",
    "knowledge_posting",
)

ROLES = """
do $$
declare wanted text;
begin
    foreach wanted in array array['parley_app', 'parley_knowledge'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            execute format('create role %I nologin', wanted);
        end if;
    end loop;
end $$;
grant usage on schema public to parley_app, parley_knowledge;
grant select, insert, update, delete on all tables in schema public to parley_app;
grant usage on all sequences in schema public to parley_app;
grant select on knowledge_base, knowledge_document, knowledge_chunk, knowledge_vector, knowledge_posting
    to parley_knowledge;
alter default privileges in schema public grant select, insert, update, delete on tables to parley_app;
alter default privileges in schema public grant usage on sequences to parley_app;
"""

# Read once per statement (a scalar subquery), not once per row. It is '' after a transaction that set it.
WALL = """
alter table {table} enable row level security;
create policy of_project on {table} using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""

EXISTS_ELSEWHERE = """
create function exists_elsewhere(wanted_table text, wanted_id bigint) returns boolean
language plpgsql stable security definer set search_path = public as $$
declare found_it boolean;
begin
    if wanted_table not in ('persona', 'room', 'session', 'knowledge_base', 'knowledge_chunk') then
        raise exception 'no such table: %', wanted_table;
    end if;
    execute format(
        'select exists (select from %I where id = $1 and project_id <> '
        'nullif(nullif(current_setting(''parley.project'', true), ''''), ''all'')::bigint)', wanted_table
    ) into found_it using wanted_id;
    return found_it;
end $$;
"""

LOCK_AND_COUNT = """
create function lock_and_count(wanted_account bigint, resource text, at_time timestamptz) returns integer
language plpgsql security definer set search_path = public as $$
declare used integer;
begin
    perform from account where id = wanted_account for no key update;
    -- Each statement of a volatile function has a snapshot of its own, so this one sees what the lock waited for.
    select case resource
        when 'projects' then (select count(*) from project where account_id = wanted_account)
        when 'agents' then (
            select count(*) from persona join project on project.id = persona.project_id
            where account_id = wanted_account and deleted_at is null)
        when 'rooms' then (
            select count(*) from room join project on project.id = room.project_id
            where account_id = wanted_account and status = 'open')
        when 'knowledge_bases' then (
            select count(*) from knowledge_base base join project on project.id = base.project_id
            where account_id = wanted_account)
        when 'sessions' then (
            select count(*) from slot
            where account_id = wanted_account and (session_id is not null or expires_at > at_time))
    end into used;
    if used is null then
        raise exception 'no such resource: %', resource;
    end if;
    return used;
end $$;
"""

ADMIT_CALL = """
create function admit_call(
    own_project bigint, own_account bigint, session_limit integer, full_name text, foreign_slug text,
    wanted bigint[], hash bytea, given_variables jsonb, identity text, at_time timestamptz, until timestamptz,
    out status text, out culprit bigint, out personas bigint[], out names text[], out room_live boolean
)
language plpgsql security definer set search_path = public as $$
declare persona_row record; candidate bigint;
begin
    personas := '{}'; names := '{}'; room_live := false;
    if foreign_slug is not null and exists (select from project where slug = foreign_slug) then
        status := 'foreign_room'; return;
    end if;
    if wanted is null then
        select array_agg(id) into wanted from (
            select id from persona where project_id = own_project and is_active order by id limit 1) first_active;
    else
        foreach candidate in array wanted loop
            select project_id, is_active, deleted_at into persona_row from persona where id = candidate;
            status := case
                when not found then 'unknown_agent'
                when persona_row.project_id <> own_project then 'foreign_agent'
                when persona_row.deleted_at is not null then 'unknown_agent'
                when not persona_row.is_active then 'inactive_agent' end;
            if status is not null then
                culprit := candidate; return;
            end if;
        end loop;
    end if;
    status := 'admitted';
    if coalesce(cardinality(wanted), 0) = 0 then
        return;
    end if;
    -- The account's lock makes the count exact, and keeps two callers from asking for the same persona at once.
    culprit := lock_and_count(own_account, 'sessions', at_time);
    select coalesce(array_agg(id order by place), '{}') into personas
    from unnest(wanted) with ordinality as asked(id, place)
    where not exists (
        select from slot where slot.room_name = full_name and id = any (slot.persona_ids)
            and (slot.session_id is not null or slot.expires_at > at_time));
    if cardinality(personas) = 0 then
        return;
    end if;
    if session_limit >= 0 and culprit >= session_limit then
        status := 'full'; return;
    end if;
    -- A worker that was heard of a minute ago is coming back; the supervisor dispatches again when it does.
    if (select coalesce(sum(capacity), 0) from worker where seen_at > at_time - interval '60 seconds')
        < cardinality(personas)
        + (select count(*) from session_job where ended_at is null)
        + (select coalesce(sum(cardinality(persona_ids)), 0) from slot
            where session_id is null and expires_at > at_time)
    then
        status := 'no_worker'; return;
    end if;
    select array_agg(persona.name order by place) into names
    from unnest(personas) with ordinality as chosen(id, place) join persona on persona.id = chosen.id;
    room_live := exists (select from room where room.full_name = admit_call.full_name and room.status = 'open');
    insert into slot (project_id, account_id, room_name, persona_ids, ticket_hash, variables, caller_identity,
        dispatched_at, expires_at)
    values (own_project, own_account, full_name, personas, hash, given_variables, identity, at_time, until);
end $$;
"""

FUNCTIONS = (
    "exists_elsewhere(text, bigint)",
    "lock_and_count(bigint, text, timestamptz)",
    "admit_call(bigint, bigint, integer, text, text, bigint[], bytea, jsonb, text, timestamptz, timestamptz)",
)


def upgrade() -> None:
    op.execute(ROLES)
    for table in TENANT_TABLES:
        op.execute(WALL.format(table=table))
    for statement in (EXISTS_ELSEWHERE, LOCK_AND_COUNT, ADMIT_CALL):
        op.execute(statement)
    for function in FUNCTIONS:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to parley_app")


def downgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"drop function {function}")
    for table in TENANT_TABLES:
        op.execute(f"drop policy of_project on {table}")
        op.execute(f"alter table {table} disable row level security")
    op.execute(
        "alter default privileges in schema public revoke select, insert, update, delete on tables from parley_app"
    )
    op.execute("alter default privileges in schema public revoke usage on sequences from parley_app")
    op.execute("revoke all on all tables in schema public from parley_app, parley_knowledge")
    op.execute("revoke all on all sequences in schema public from parley_app")
    op.execute("revoke usage on schema public from parley_app, parley_knowledge")
