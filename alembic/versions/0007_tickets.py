"""tickets: from a nonce, so that every token for a room brings those who are waited for; names no room has again"""

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ADMISSION = (
    "admit(bigint, bigint, integer, text, text, bigint[], bytea, jsonb, text, timestamptz, timestamptz, text, text)"
)

# Beside the one without a nonce, which stays for processes of the version before.
ADMIT = """
create function admit(
    own_project bigint, own_account bigint, session_limit integer, full_name text, foreign_slug text,
    wanted bigint[], hash bytea, given_variables jsonb, identity text, at_time timestamptz, until timestamptz,
    by_key text, own_nonce text,
    out status text, out culprit bigint, out personas bigint[], out names text[], out nonces text[],
    out room_live boolean
)
-- Planned once, when the tables may still be empty: it must not be a plan that reads them through.
language plpgsql security definer set search_path = public
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare chosen record; candidate bigint; used integer; coming bigint[] := '{}'; held bigint[];
    fresh bigint[] := '{}'; budgeted boolean := false;
begin
    personas := '{}'; names := '{}'; nonces := '{}'; room_live := false;
    if foreign_slug is not null and exists (select from project where slug = foreign_slug) then
        status := 'foreign_room'; return;
    end if;
    if exists (select from retired_room where retired_room.full_name = admit.full_name) then
        status := 'retired_room'; return;
    end if;
    if wanted is null then
        wanted := array(select id from persona where project_id = own_project and is_active order by id limit 1);
    end if;
    if cardinality(wanted) > 0 then
        -- The room's lock keeps two callers from asking for the same persona at once; the account's, where there is a
        -- limit, makes the count exact. Everybody takes them in this order.
        perform pg_advisory_xact_lock(hashtextextended(full_name, 0));
        if session_limit >= 0 then
            used := lock_and_count(own_account, 'sessions', at_time);
        end if;
        held := array(
            select slot.id from slot
            where slot.room_name = full_name and (slot.session_id is not null or slot.expires_at > at_time));
    end if;
    if cardinality(held) > 0 then
        -- LiveKit heeds the configuration of whoever makes the room: every token brings those who are waited for. A
        -- place that is being claimed is waited for here, and counted as claimed by the next statement. The coalesce
        -- keeps the index of all places that wait out of it.
        with renewed as (
            update slot set expires_at = greatest(slot.expires_at, until)
            where slot.id = any (held) and coalesce(slot.session_id, 0) = 0 and slot.nonce is not null
            returning slot.id, slot.persona_ids, slot.nonce
        )
        select coalesce(array_agg(persona.id order by renewed.id, asked.place), '{}'),
            coalesce(array_agg(
                coalesce(version.settings ->> 'name', persona.name) order by renewed.id, asked.place), '{}'),
            coalesce(array_agg(renewed.nonce order by renewed.id, asked.place), '{}')
        into personas, names, nonces
        from renewed cross join unnest(renewed.persona_ids) with ordinality as asked(id, place)
        join persona on persona.id = asked.id and persona.is_active
        left join persona_version version
            on version.persona_id = persona.id and version.version = persona.published_version;
        coming := array(select unnest(slot.persona_ids) from slot where slot.id = any (held));
    end if;
    foreach candidate in array wanted loop
        -- Callers see the name that was published, as everything else of the agent in a call.
        select persona.project_id, is_active, deleted_at, coalesce(version.settings ->> 'name', persona.name) as name,
            budget
        into chosen
        from persona left join persona_version version
            on version.persona_id = persona.id and version.version = persona.published_version
        where persona.id = candidate;
        status := case
            when not found then 'unknown_agent'
            when chosen.project_id <> own_project then 'foreign_agent'
            when chosen.deleted_at is not null then 'unknown_agent'
            when not chosen.is_active then 'inactive_agent' end;
        if status is not null then
            culprit := candidate; return;
        end if;
        budgeted := budgeted or chosen.budget is not null;
        if candidate <> all (coming) then
            fresh := fresh || candidate; personas := personas || candidate;
            names := names || chosen.name; nonces := nonces || own_nonce;
        end if;
    end loop;
    status := 'admitted';
    if cardinality(fresh) > 0 then
        if session_limit >= 0 and used >= session_limit then
            status := 'full'; culprit := used; return;
        end if;
        -- A worker that was heard of a minute ago is coming back; the supervisor dispatches again when it does.
        if (select coalesce(sum(capacity), 0) from worker where seen_at > at_time - interval '60 seconds')
            < cardinality(fresh)
            + (select count(*) from session_job where ended_at is null)
            + (select coalesce(sum(cardinality(persona_ids)), 0) from slot
                where session_id is null and expires_at > at_time)
        then
            status := 'no_worker'; return;
        end if;
    end if;
    if cardinality(personas) > 0 then
        -- Most have no budget; of those who are waited for it was not looked up.
        select exists (select from room where room.full_name = admit.full_name and room.status = 'open'),
            budgeted or cardinality(personas) > cardinality(fresh)
            or exists (select from project where id = own_project and budget is not null)
        into room_live, budgeted;
        if budgeted then
            culprit := used_up_budget(own_project, personas, at_time);
        end if;
        if culprit is not null then
            status := 'over_budget'; return;
        end if;
    end if;
    if cardinality(fresh) > 0 then
        insert into slot (project_id, account_id, room_name, persona_ids, ticket_hash, nonce, variables,
            caller_identity, dispatched_at, expires_at)
        values (own_project, own_account, full_name, fresh, hash, own_nonce, given_variables, identity, at_time, until);
    end if;
    insert into audit_entry (project_id, key_id, action, target, status, at) values (
        own_project, by_key, 'POST /token', jsonb_build_object('room', full_name, 'agents', personas), 200, at_time);
end $$;
"""

WALL = """
alter table retired_room enable row level security;
create policy of_project on retired_room using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""


def upgrade() -> None:
    op.add_column("slot", sa.Column("nonce", sa.String()))
    op.create_table(
        "retired_room",
        sa.Column("full_name", sa.String(), primary_key=True),
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("project.id"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.execute(WALL)
    op.execute(ADMIT)
    op.execute(f"revoke all on function {ADMISSION} from public")
    op.execute(f"grant execute on function {ADMISSION} to parley_app")


def downgrade() -> None:
    op.execute(f"drop function {ADMISSION}")
    op.drop_table("retired_room")
    op.drop_column("slot", "nonce")
