"""call gate: whom a project may call, and how many a number may hear at once"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

WALL = """
alter table dial_policy enable row level security;
create policy of_project on dial_policy using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""


def upgrade() -> None:
    op.create_table(
        "dial_policy",
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("project.id"), primary_key=True),
        sa.Column("countries", postgresql.JSONB()),
        sa.Column("quiet_hours", postgresql.JSONB()),
        sa.Column("limits", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("do_not_call", postgresql.JSONB(), nullable=False, server_default=sa.text("'[]'")),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.execute(WALL)
    op.add_column("sip_config", sa.Column("max_concurrent", sa.Integer()))
    op.create_index(
        "call_out_by_day", "call", ["project_id", "started_at"], postgresql_where=sa.text("direction = 'outbound'")
    )


def downgrade() -> None:
    op.drop_index("call_out_by_day", "call")
    op.drop_column("sip_config", "max_concurrent")
    op.drop_table("dial_policy")
