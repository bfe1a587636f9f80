"""places: those of workers are counted by worker and taken exactly; whose queued call is next; who was removed"""

import sqlalchemy as sa

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# What workers have beside the calls they hold. One whose uplink was seen to close, or that is being stopped, has none;
# one that was heard of a moment ago may be between two connections.
WORKER_PLACES = """
create function worker_places(heard_since timestamptz) returns bigint
language plpgsql stable security definer set search_path = public as $$
begin
    return coalesce((
        select sum(greatest(0, worker.capacity - coalesce(held.calls, 0)))
        from worker left join (
            select worker_id, count(*) as calls from session_job
            where ended_at is null and not starts_with(identity, 'bot-') group by worker_id
        ) held on held.worker_id = worker.id
        where worker.connected and worker.seen_at > heard_since
    ), 0);
end $$;
"""

# What of it is promised: to callers who have a token and have not come, to phones that are being called, to people
# whose persona was lost.
PROMISED_PLACES = """
create function promised_places(at_time timestamptz) returns bigint
language plpgsql stable security definer set search_path = public as $$
begin
    return coalesce((
            select sum(cardinality(persona_ids)) from slot where session_id is null and expires_at > at_time), 0)
        + (select count(*) from slot where promised_until > at_time);
end $$;
"""

# Whoever gives a place away holds a lock until the commit, so that nobody counts without what they gave. Each statement
# of a volatile function has a snapshot of its own: the count after the lock sees what the lock waited for.
FREE_PLACES = """
create function lock_places(at_time timestamptz) returns bigint
language plpgsql security definer set search_path = public as $$
begin
    perform pg_advisory_xact_lock(7270010);
    return worker_places(at_time - interval '20 seconds') - promised_places(at_time);
end $$;
"""

# Where there are more places than all connections together could give away at once, the lock is shared: nobody waits
# for anybody's commit, and nothing is given twice all the same. A count that finds fewer lets go of it, with what was
# begun, and waits for the others.
TAKE_PLACES = """
create function take_places(wanted integer, at_time timestamptz) returns boolean
language plpgsql security definer set search_path = public as $$
declare plenty bigint := current_setting('max_connections')::bigint * 16;
begin
    if wanted <= 16 and (
        select sum(capacity) from worker where connected and seen_at > at_time - interval '20 seconds'
    ) > plenty then
        begin
            perform pg_advisory_xact_lock_shared(7270010);
            if worker_places(at_time - interval '20 seconds') - promised_places(at_time) < plenty then
                raise sqlstate 'PL001';
            end if;
            return true;
        exception when sqlstate 'PL001' then
            null;
        end;
    end if;
    return lock_places(at_time) >= wanted;
end $$;
"""

# A worker offers the place for a call that nobody was promised one for: it has it, unless that is somebody else's.
TAKE_OFFERED = """
create function take_offered_place(at_time timestamptz) returns boolean
language plpgsql security definer set search_path = public as $$
declare free bigint := lock_places(at_time);
begin
    return free > 0 or promised_places(at_time) = 0;
end $$;
"""

FUNCTIONS = {
    "worker_places(timestamptz)": WORKER_PLACES,
    "promised_places(timestamptz)": PROMISED_PLACES,
    "lock_places(timestamptz)": FREE_PLACES,
    "take_places(integer, timestamptz)": TAKE_PLACES,
    "take_offered_place(timestamptz)": TAKE_OFFERED,
}

COUNTED = """\
        -- A worker that was heard of a minute ago is coming back; the supervisor dispatches again when it does.
        if (select coalesce(sum(capacity), 0) from worker where seen_at > at_time - interval '60 seconds')
            < cardinality(fresh)
            + (select count(*) from session_job
               where ended_at is null and not starts_with(session_job.identity, 'bot-'))
            + (select coalesce(sum(cardinality(persona_ids)), 0) from slot
                where session_id is null and expires_at > at_time)
        then
""".replace("session_job\n               where", "session_job where")
TAKEN = """        if not take_places(cardinality(fresh), at_time) then
"""


def _admit(before: str, after: str) -> None:
    """Have the `admit` of tokens ask otherwise whether a worker has a place."""
    quoted = [part.replace("'", "''") for part in (before, after)]
    op.execute(f"""
        do $body$
        declare source text; met boolean := false;
        begin
            for source in select pg_get_functiondef(oid) from pg_proc where proname = 'admit'
                and position('{quoted[0]}' in prosrc) > 0
            loop
                execute replace(source, '{quoted[0]}', '{quoted[1]}');
                met := true;
            end loop;
            if not met then
                raise exception 'admit is another one than this migration knows';
            end if;
        end $body$
    """)  # noqa: S608 - two constants of this file


def upgrade() -> None:
    op.add_column("slot", sa.Column("promised_until", sa.DateTime(timezone=True)))
    op.create_index("slot_promised", "slot", ["promised_until"], postgresql_where=sa.text("promised_until is not null"))
    op.add_column("sip_trunk", sa.Column("turn", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("participant", sa.Column("removed_at", sa.DateTime(timezone=True)))
    for signature, definition in FUNCTIONS.items():
        op.execute(definition)
        op.execute(f"revoke all on function {signature} from public")
        op.execute(f"grant execute on function {signature} to parley_app")
    _admit(COUNTED, TAKEN)


def downgrade() -> None:
    _admit(TAKEN, COUNTED)
    for signature in reversed(FUNCTIONS):
        op.execute(f"drop function {signature}")
    op.drop_column("participant", "removed_at")
    op.drop_column("sip_trunk", "turn")
    op.drop_index("slot_promised", table_name="slot")
    op.drop_column("slot", "promised_until")
