"""audit checks: how far each project's audit trail has been verified, and what was wrong with it"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

WALL = """
alter table audit_check enable row level security;
create policy of_project on audit_check using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""


def upgrade() -> None:
    op.create_table(
        "audit_check",
        sa.Column("project_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.Column("found", JSONB(), nullable=True),
        sa.Column("broken", JSONB(), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
    )
    broken = sa.text("broken is not null")
    op.create_index("audit_check_broken", "audit_check", ["project_id"], postgresql_where=broken)
    op.create_index("audit_check_by_round", "audit_check", ["finished_at"])
    op.execute(WALL)


def downgrade() -> None:
    op.drop_table("audit_check")
