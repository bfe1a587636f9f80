"""when nothing helps: numbers that agents transfer to, transfers that count, how long calls may last, what gives up"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

WALL = """
alter table transfer enable row level security;
create policy of_project on transfer using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""


def upgrade() -> None:
    op.add_column("persona", sa.Column("fallback_number", sa.String()))
    numbers = sa.Column("transfer_numbers", postgresql.JSONB(), nullable=False, server_default=sa.text("'[]'"))
    op.add_column("persona", numbers)
    op.add_column("session", sa.Column("giving_up", sa.String()))
    op.add_column("call", sa.Column("longest_seconds", sa.Integer()))
    op.create_table(
        "transfer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("project.id"), nullable=False),
        sa.Column("call_id", sa.BigInteger(), nullable=False),
        sa.Column("trunk_id", sa.BigInteger()),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("sip_status", sa.Integer()),
        sa.Column("longest_seconds", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id", "call_id"], ["call.project_id", "call.id"], ondelete="CASCADE"),
    )
    op.create_index("transfer_by_day", "transfer", ["project_id", "at"])
    op.create_index("transfer_of_call", "transfer", ["call_id"])
    op.execute(WALL)
    # Trunks are told to LiveKit anew, by `repair_trunks`: now with how long a call that comes in may last.
    op.execute("update sip_trunk set synced_at = null where deleted_at is null")


def downgrade() -> None:
    op.drop_table("transfer")
    op.drop_column("call", "longest_seconds")
    op.drop_column("session", "giving_up")
    op.drop_column("persona", "transfer_numbers")
    op.drop_column("persona", "fallback_number")
