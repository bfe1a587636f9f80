"""partitions: the log, transcripts and usage in parts that are made ahead, and dropped when nobody keeps them

The tables that are there become the first parts. Nothing is copied: what bounds them is checked beside the work, and
the rest waits for nobody longer than `PATIENCE` at a time. Decision 0034.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from time import sleep

import sqlalchemy as sa

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

EVENTS = 20_000_000
"""Ids of a part of the log: some ten gigabytes, a third of a day where a million calls come a day."""
SESSIONS = 250_000
"""Sessions of a part of what was said in them: about as long. Thirty days of such a day are 120 parts."""
LATE = 1_000_000
"""`seq` of an event is never further above its `id`: `control_plane.events.models`."""
PATIENCE, TRIES = "2s", 60
"""How long locks are waited for, which others then wait behind, and how often."""

PLANS = {
    "event": ("id", EVENTS, "event", "add unique (seq)"),
    "transcript_line": ("session_id", SESSIONS, "session", "add primary key (id)"),
    "turn": ("session_id", SESSIONS, "session", "add primary key (id)"),
    "session_trace": ("session_id", SESSIONS, "session", "add primary key (id)"),
    "usage_entry": ("at", None, None, "add primary key (id), add unique (project_id, source)"),
}
"""Of each table the key of its parts, how many of its values a part has (none: a month), the table whose ids they are,
and the constraints that each part has by itself, as they cannot hold over all."""
OF_SESSION = (
    "alter table {table} add unique (session_id, epoch, sequence)",
    "alter table {table} add foreign key (project_id, session_id) references session (project_id, id)"
    " on delete cascade",
    "create index ix_{table}_session_id on {table} (session_id)",
)
SHARED = {
    "event": (
        "alter table event add primary key (id)",
        "create index event_by_project on event (project_id, seq)",
        "create index event_unstamped on event (id) where seq is null",
    ),
    "transcript_line": OF_SESSION,
    "turn": (
        *OF_SESSION,
        "create index turn_by_answer on turn (project_id, audio_started_at) include (speech_ended_at)"
        " where speech_ended_at is not null",
    ),
    "session_trace": OF_SESSION,
    "usage_entry": (
        "alter table usage_entry add foreign key (project_id) references project (id)",
        "create index usage_entry_by_session on usage_entry (project_id, session_id)",
        "create index usage_entry_by_time on usage_entry (project_id, at) include (cost_usd)",
    ),
}
"""What each table has as a whole, in parts or not."""
NUMBERED = f"check (seq <= id + {LATE})"
# The same wall as that of 0002.
WALL = """
alter table {table} enable row level security;
create policy of_project on {table} using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
grant select, insert, update, delete on {table} to parley_app;
grant usage on sequence {table}_id_seq to parley_app;
"""

# Nobody but the owner has any right in this schema: whoever goes through the table in parts needs none.
SCHEMA = """
create schema partitions;
create table partitions.plan (
    parent text primary key,
    key text not null,
    width bigint,
    counted text,
    own text not null
);
comment on table partitions.plan is 'how wide the parts of each table are; null: a month, and none is dropped';
create function partitions.month_of(moment timestamptz) returns bigint language sql stable as $$
    select (extract(year from moment at time zone 'utc') * 12 + extract(month from moment at time zone 'utc')
        - 1)::bigint
$$;
"""

# Keys are compared as numbers: an id, or a month counted from the year 0.
RANGES = """
create function partitions.ranges() returns table (parent text, part text, low bigint, high bigint)
language sql stable set search_path = public, pg_temp as $$
    select plan.parent, child.relname::text,
        case when low = 'MINVALUE' then null
            when width is null then partitions.month_of(low::timestamptz) else low::bigint end,
        case when width is null then partitions.month_of(high::timestamptz) else high::bigint end
    from partitions.plan
    join pg_inherits on inhparent = format('public.%I', plan.parent)::regclass
    join pg_class child on child.oid = inhrelid,
    lateral pg_get_expr(child.relpartbound, child.oid) as said,
    lateral substring(said from 'FROM [(]''?([^'')]+)') as low,
    lateral substring(said from 'TO [(]''?([^'')]+)') as high
    where said <> 'DEFAULT'
$$;
create function partitions.reached(planned partitions.plan) returns bigint
language sql stable set search_path = public, pg_temp as $$
    select case when planned.width is null then partitions.month_of(now())
        else coalesce(pg_sequence_last_value(pg_get_serial_sequence('public.' || planned.counted, 'id')), 0) end
$$;
create function partitions.bound(planned partitions.plan, number bigint) returns text
language sql stable set search_path = public, pg_temp as $$
    select case when planned.width is null then format('%s-%s-01 00:00:00+00', lpad((number / 12)::text, 4, '0'),
        lpad((number % 12 + 1)::text, 2, '0')) else number::text end
$$;
"""

MAKE = """
create function partitions.make(planned partitions.plan, name text) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
    execute format('create table partitions.%I (like public.%I including defaults including constraints
        including storage)', name, planned.parent);
    execute format('alter table partitions.%I %s', name, planned.own);
    execute format('alter table partitions.%I enable row level security', name);
    execute format('revoke all on partitions.%I from public, parley_app, parley_knowledge', name);
end $$;
create function partitions.make_for(planned partitions.plan, number bigint) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
    wide bigint := coalesce(planned.width, 1);
    begins bigint := floor(number::numeric / wide) * wide;
    ends bigint := begins + wide;
    name text;
begin
    select greatest(begins, max(near.high) filter (where near.high <= number)),
        least(ends, min(near.low) filter (where near.low > number))
    into begins, ends from partitions.ranges() as near where near.parent = planned.parent;
    name := planned.parent || '_' || case when planned.width is null
        then replace(left(partitions.bound(planned, begins), 7), '-', '_') else begins::text end;
    perform partitions.make(planned, name);
    -- What came before there was a place for it goes there, and nothing comes between.
    execute format('lock table partitions.%I in access exclusive mode', planned.parent || '_default');
    execute format('with moved as (delete from partitions.%1$I where %2$I >= %3$L and %2$I < %4$L returning *)
        insert into partitions.%5$I select * from moved', planned.parent || '_default', planned.key,
        partitions.bound(planned, begins), partitions.bound(planned, ends), name);
    execute format('alter table public.%I attach partition partitions.%I for values from (%L) to (%L)',
        planned.parent, name, partitions.bound(planned, begins), partitions.bound(planned, ends));
end $$;
"""

# Two parts ahead of the one that is written; then places for what lies in the part for the rest, a few at a time.
TEND = """
create function tend_partitions() returns table (tended text, made bigint, strays bigint)
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '500ms' as $$
declare planned partitions.plan; had bigint; reached bigint; stray bigint;
begin
    for planned in select * from partitions.plan order by plan.parent loop
        select count(*) into had from partitions.ranges() where parent = planned.parent;
        begin
            reached := partitions.reached(planned);
            for ahead in 0..2 loop
                stray := reached + ahead * coalesce(planned.width, 1);
                if not exists (
                    select from partitions.ranges()
                    where parent = planned.parent and coalesce(low <= stray, true) and stray < high) then
                    perform partitions.make_for(planned, stray);
                end if;
            end loop;
            for round in 1..10 loop
                execute format('select min(%s) from partitions.%I', case when planned.width is null
                    then format('partitions.month_of(%I)', planned.key) else format('%I', planned.key) end,
                    planned.parent || '_default') into stray;
                exit when stray is null;
                perform partitions.make_for(planned, stray);
            end loop;
        exception when lock_not_available then
            null;  -- the next pass tries again
        end;
        tended := planned.parent;
        select count(*) - had into made from partitions.ranges() where parent = planned.parent;
        execute format('select count(*) from (select from partitions.%I limit 10000) rest',
            planned.parent || '_default') into strays;
        return next;
    end loop;
end $$;
"""

# The rules are those of `supervisor.retaining`. Of each project the newest row is looked at first, by an index: most
# parts are kept by somebody.
KEPT = """
create function partitions.log_is_kept(part text, at_time timestamptz) returns boolean
language plpgsql stable set search_path = public, pg_temp as $$
declare kept boolean;
begin
    execute format($q$
        with recursive owner(id) as (
            (select project_id from partitions.%1$I order by project_id limit 1)
            union all
            select (select project_id from partitions.%1$I where project_id > owner.id order by project_id limit 1)
            from owner where owner.id is not null
        )
        select exists (
            select from owner left join project on project.id = owner.id
            where owner.id is not null and (project.retention_days is null or not coalesce((
                select created_at < $1 - make_interval(days => project.retention_days) from partitions.%1$I
                where project_id = owner.id and seq is not null order by seq desc limit 1), false)))
        $q$, part) into kept using at_time;
    if kept then
        return true;
    end if;
    execute format($q$
        select exists (
            select from partitions.%I told left join project on project.id = told.project_id
            where seq is null or seq >= (select max(seq) from event) or project.retention_days is null
                or told.created_at >= $1 - make_interval(days => project.retention_days)
                or told.room_name in (select room_name from session where status = 'active'))
        $q$, part) into kept using at_time;
    return kept;
end $$;
create function partitions.sessions_are_kept(low bigint, high bigint, at_time timestamptz) returns boolean
language sql stable set search_path = public, pg_temp as $$
    select exists (
        select from session left join project on project.id = session.project_id
        where session.id >= coalesce(low, 0) and session.id < high and (
            project.retention_days is null or session.status <> 'completed'
            or coalesce(greatest(session.started_at, session.ended_at)
                >= at_time - make_interval(days => project.retention_days), true)
            or session.ended_at is null))
$$;
"""

# The name of the part that was dropped; null where there is none, or somebody is at it. What is not written any more,
# and so old that nobody keeps it, nobody adds to: it is looked through before it is locked.
DROP = """
create function drop_unkept_partition(at_time timestamptz) returns text
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '500ms' as $$
declare planned partitions.plan; aged record; moment timestamptz := least(at_time, now()); kept boolean;
begin
    for planned in select * from partitions.plan where width is not null order by plan.parent loop
        for aged in
            select * from partitions.ranges() as known
            where known.parent = planned.parent and known.high <= partitions.reached(planned) order by known.high
        loop
            kept := case when planned.parent = 'event' then partitions.log_is_kept(aged.part, moment)
                else partitions.sessions_are_kept(aged.low, aged.high, moment) end;
            if not kept then
                execute format('drop table partitions.%I', aged.part);
                return aged.part;
            end if;
        end loop;
    end loop;
    return null;
exception when lock_not_available then
    return null;
end $$;
"""
FUNCTIONS = ("tend_partitions()", "drop_unkept_partition(timestamptz)")


def upgrade() -> None:
    bounds = {}
    with op.get_context().autocommit_block():
        op.execute(f"set lock_timeout = '{PATIENCE}'")
        # Numbers that came long after their rows, if there ever were any.
        op.execute("""
            select setval('event_id_seq', newest) from (select max(seq) as newest from event) told
            where newest > (select last_value from event_id_seq)
        """)
        op.execute(f"update event set id = nextval('event_id_seq') where seq > id + {LATE}")  # noqa: S608 - our own text
        for table, (key, width, counted, _) in PLANS.items():
            bounds[table] = _bound(table, key, width, counted)
            checks = {f"{table}_first": f"check ({key} < '{bounds[table]}')"}
            if table == "event":
                checks["event_numbered"] = NUMBERED
            for name, check in checks.items():
                added = f"add constraint {name} {check} not valid"
                _patiently(f"alter table {table} drop constraint if exists {name}, {added}")
                _patiently(f"alter table {table} validate constraint {name}")
        op.execute("reset lock_timeout")
    for statement in (SCHEMA, RANGES, MAKE, TEND, KEPT, DROP):
        op.execute(statement)
    _lock()
    for table, (key, width, counted, own) in PLANS.items():
        row = {"parent": table, "key": key, "width": width, "counted": counted, "own": own}
        planned = sa.text("insert into partitions.plan values (:parent, :key, :width, :counted, :own)")
        op.get_bind().execute(planned, row)
        first = f"{table}_first"
        last = op.get_bind().scalar(sa.text(f"select coalesce(pg_sequence_last_value('{table}_id_seq'), 0)"))
        op.execute(f"alter table {table} alter column id drop identity")
        op.execute(f"revoke all on {table} from parley_app, parley_knowledge")
        op.execute(f"alter table {table} rename to {first}")
        op.execute(f"alter table {first} set schema partitions")
        like = f"like partitions.{first} including defaults including storage"
        op.execute(f"create table {table} ({like}) partition by range ({key})")
        if table == "event":
            op.execute(f"alter table event add constraint event_numbered {NUMBERED}")
        _complete(table, last)
        upto = f"for values from (minvalue) to ('{bounds[table]}')"
        op.execute(f"alter table {table} attach partition partitions.{first} {upto}")
        op.execute(f"alter table partitions.{first} drop constraint {first}")
        op.execute(f"select partitions.make(plan, '{table}_default') from partitions.plan where parent = '{table}'")  # noqa: S608
        op.execute(f"alter table {table} attach partition partitions.{table}_default default")
    for function in FUNCTIONS:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to parley_app")
    op.execute("select tend_partitions()")


def downgrade() -> None:
    """Puts it together again, which copies it."""
    _lock()
    for table, (_, _, _, own) in PLANS.items():
        last = op.get_bind().scalar(sa.text(f"select coalesce(pg_sequence_last_value('{table}_id_seq'), 0)"))
        op.execute(f"create table partitions.whole (like {table} including defaults including storage)")
        op.execute(f"insert into partitions.whole select * from {table}")  # noqa: S608
        op.execute(f"drop table {table}")
        op.execute("alter table partitions.whole set schema public")
        op.execute(f"alter table whole rename to {table}")
        op.execute(f"alter table {table} {own}")
        _complete(table, last)
    for function in FUNCTIONS:
        op.execute(f"drop function {function}")
    op.execute("drop schema partitions cascade")


def _bound(table: str, key: str, width: int | None, counted: str | None) -> str:
    """What is above all that is there, and all that comes before the table is in parts."""
    if width is None:  # everything of the next month at least is in the first part, whose sources are unique
        latest = f"greatest(now() + interval '1 month', (select max({key}) from {table}))"  # noqa: S608
        month = f"date_trunc('month', {latest} at time zone 'utc') + interval '1 month'"
        first = f"select to_char({month}, 'YYYY-MM-\"01 00:00:00+00\"')"
        return str(op.get_bind().scalar(sa.text(first)))
    last = op.get_bind().scalar(sa.text(f"select coalesce(pg_sequence_last_value('{counted}_id_seq'), 0)"))
    highest = op.get_bind().scalar(sa.text(f"select coalesce(max({key}), 0) from {table}"))  # noqa: S608
    return str(-(-(max(int(last or 0), int(highest or 0)) + width // 2) // width) * width)


def _lock() -> None:
    """Have the tables to ourselves, and those whose keys they have from writers: all at once, or none."""
    _patiently(
        f"set local lock_timeout = '{PATIENCE}'",
        "lock table session, project in share row exclusive mode",
        f"lock table {', '.join(PLANS)} in access exclusive mode",
        within=op.get_bind().begin_nested,
    )


def _patiently(*statements: str, within: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
    for left in reversed(range(TRIES)):
        try:
            with within():
                for statement in statements:
                    op.execute(statement)
        except sa.exc.OperationalError:  # somebody is at it
            if not left:
                raise
            sleep(1)
        else:
            return


def _complete(table: str, last: int) -> None:
    """Keys, indexes, numbers of rows, rights and wall of a table that has its columns only."""
    op.execute(f"alter table {table} alter column id add generated by default as identity")
    if last:
        op.execute(f"select setval('{table}_id_seq', {last})")
    for statement in SHARED[table]:
        op.execute(statement.format(table=table))
    op.execute(WALL.format(table=table))
