"""calls that left: a call for which nobody can have been rung does not count against the limits of its day"""

import sqlalchemy as sa

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

# As in 0034, where it says why; but for calls that do not count, by whose place another is let through at once.
LOCK_DIALLING = """
create or replace function lock_dialling(
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
                    count(*) filter (where at >= day and counts) as calls,
                    coalesce(sum(minutes) filter (where at >= day), 0)::bigint as minutes,
                    count(*) filter (where at >= day and counts and key_id = own_key) as key_calls,
                    coalesce(sum(minutes) filter (where at >= day and key_id = own_key), 0)::bigint as key_minutes,
                    count(*) filter (where at >= day and counts and destination = wanted) as destination_calls,
                    coalesce(sum(minutes) filter (where at >= day and destination = wanted), 0)::bigint
                        as destination_minutes
                from (
                    select trunk_id, key_id, coalesce(destination, phone_number) as destination, started_at as at,
                        {counts} as counts,
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
                    select trunk_id, key_id, regexp_replace(address, '^tel:', ''), at, true,
                        status = 'asked' and at > recent,
                        case when status = 'refused' then 0 else ceil(longest_seconds / 60.0) end
                    from transfer where transfer.project_id = own_project and at >= least(day, recent)
                ) used
                left join sip_trunk trunk on trunk.id = used.trunk_id and trunk.project_id = own_project
                group by 1
            ) by_carrier));
end $$;
"""


def upgrade() -> None:
    op.add_column("call", sa.Column("counts", sa.Boolean(), nullable=False, server_default=sa.text("true")))
    op.execute(LOCK_DIALLING.replace("{counts}", "counts"))


def downgrade() -> None:
    op.execute(LOCK_DIALLING.replace("{counts}", "true"))
    op.drop_column("call", "counts")
