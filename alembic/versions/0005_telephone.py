"""telephone: calls are placed by a queue, at the pace of their trunk"""

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sip_trunk", sa.Column("calls_per_second", sa.Float(), nullable=False, server_default="1"))
    op.add_column("sip_trunk", sa.Column("last_placed_at", sa.DateTime(timezone=True)))
    op.add_column("sip_trunk", sa.Column("synced_at", sa.DateTime(timezone=True)))
    op.add_column("sip_trunk", sa.Column("deleted_at", sa.DateTime(timezone=True)))
    op.add_column("call", sa.Column("trunk_id", sa.BigInteger()))
    op.add_column("call", sa.Column("identity", sa.String(), nullable=False, server_default=""))
    op.add_column("call", sa.Column("placed_at", sa.DateTime(timezone=True)))
    op.add_column("call", sa.Column("watched_until", sa.DateTime(timezone=True)))
    op.create_index("call_queued", "call", ["trunk_id", "id"], postgresql_where="status = 'queued'")
    op.create_index("call_open", "call", ["room_name"], postgresql_where="ended_at is null")


def downgrade() -> None:
    op.drop_index("call_open", "call")
    op.drop_index("call_queued", "call")
    for column in ("watched_until", "placed_at", "identity", "trunk_id"):
        op.drop_column("call", column)
    for column in ("deleted_at", "synced_at", "last_placed_at", "calls_per_second"):
        op.drop_column("sip_trunk", column)
