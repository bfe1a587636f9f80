"""dial decisions: why a call was allowed or not, who agreed to be called, and what calls out have used"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

WALL = """
alter table {table} enable row level security;
create policy of_project on {table} using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""

# Each statement of a volatile function has a snapshot of its own: the second sees what the lock was waited for. It runs
# with the rights of whoever calls it, so that the wall of each table holds. A call counts a minute as soon as there is
# one, and every minute that it has begun, as carriers bill it; while it goes on, every minute that it may take. How
# long two talk whom a carrier has connected nobody tells us: a transfer counts what was left of its call.
LOCK_DIALLING = """
create function lock_dialling(
    own_project bigint, own_key text, wanted text, replaced bigint, at_time timestamptz, day timestamptz,
    recent timestamptz
) returns jsonb
language plpgsql set search_path = public as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('dialling', own_project));
    return jsonb_build_object(
        'plan', (
            select account.plan from project join account on account.id = project.account_id
            where project.id = own_project),
        'policy', (
            select to_jsonb(policy) - 'do_not_call' from dial_policy policy where policy.project_id = own_project),
        'listed', (
            select policy.do_not_call ? wanted from dial_policy policy where policy.project_id = own_project),
        'consent', (
            select given from consent
            where consent.project_id = own_project and number = wanted and kind = 'calls' order by id desc limit 1),
        'used', (
            select coalesce(jsonb_agg(to_jsonb(by_carrier)), '[]') from (
                select coalesce(trunk.address, '') as address,
                    count(*) filter (where going_on) as concurrent,
                    count(*) filter (where at >= day) as calls,
                    coalesce(sum(minutes) filter (where at >= day), 0)::bigint as minutes,
                    count(*) filter (where at >= day and key_id = own_key) as key_calls,
                    coalesce(sum(minutes) filter (where at >= day and key_id = own_key), 0)::bigint as key_minutes,
                    count(*) filter (where at >= day and destination = wanted) as destination_calls,
                    coalesce(sum(minutes) filter (where at >= day and destination = wanted), 0)::bigint
                        as destination_minutes
                from (
                    select trunk_id, key_id, coalesce(destination, phone_number) as destination, started_at as at,
                        ended_at is null and id is distinct from replaced as going_on,
                        coalesce(case
                            when ended_at is null and id is distinct from replaced then greatest(
                                ceil((coalesce(longest_seconds, 3600) + 60) / 60.0),
                                ceil(extract(epoch from at_time - answered_at) / 60))
                            else ceil(extract(epoch from coalesce(ended_at, at_time) - answered_at) / 60)
                        end, 0) as minutes
                    from call
                    where call.project_id = own_project and direction = 'outbound'
                        and (started_at >= day or ended_at is null)
                    union all
                    select trunk_id, key_id, regexp_replace(address, '^tel:', ''), at, status = 'asked' and at > recent,
                        case when status = 'refused' then 0 else ceil(longest_seconds / 60.0) end
                    from transfer where transfer.project_id = own_project and at >= least(day, recent)
                ) used
                left join sip_trunk trunk on trunk.id = used.trunk_id and trunk.project_id = own_project
                group by 1
            ) by_carrier));
end $$;
"""
FUNCTION = "lock_dialling(bigint, text, text, bigint, timestamptz, timestamptz, timestamptz)"


def upgrade() -> None:
    op.create_table(
        "dial_decision",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("project.id"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("destination", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("call_id", sa.BigInteger(), nullable=True),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("rule", sa.String(), nullable=True),
        sa.Column("steps", JSONB(), nullable=False, server_default=sa.text("'[]'")),
        sa.Column("longest_seconds", sa.Integer(), nullable=False),
    )
    op.create_index("dial_decision_by_project", "dial_decision", ["project_id", "id"])
    op.create_table(
        "consent",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("project.id"), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("project_id", "session_id"),
    )
    op.create_index("consent_by_project", "consent", ["project_id", "id"])
    op.create_index("consent_of_number", "consent", ["project_id", "number", "kind", "id"])
    for table in ("dial_decision", "consent"):
        op.execute(WALL.format(table=table))
    op.execute("revoke update, truncate on consent from parley_app")
    op.add_column(
        "dial_policy", sa.Column("consent_required", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    op.add_column("call", sa.Column("key_id", sa.String(), nullable=True))
    op.add_column("call", sa.Column("destination", sa.String(), nullable=True))
    op.add_column("transfer", sa.Column("key_id", sa.String(), nullable=True))
    op.execute(LOCK_DIALLING)
    op.execute(f"revoke all on function {FUNCTION} from public")
    op.execute(f"grant execute on function {FUNCTION} to parley_app")


def downgrade() -> None:
    op.execute(f"drop function {FUNCTION}")
    op.drop_column("transfer", "key_id")
    op.drop_column("call", "destination")
    op.drop_column("call", "key_id")
    op.drop_column("dial_policy", "consent_required")
    op.drop_table("consent")
    op.drop_table("dial_decision")
