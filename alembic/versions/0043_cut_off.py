"""cut off: what a persona was saying as its worker was lost, and recordings found by their session"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0043"
down_revision = "0041"
branch_labels = None
depends_on = None

INDEX = "recording_of_session"


def upgrade() -> None:
    op.add_column("session_job", sa.Column("begun", JSONB(), nullable=True))
    with op.get_context().autocommit_block():
        # One that was broken off is there, and good for nothing.
        op.drop_index(INDEX, table_name="recording", if_exists=True, postgresql_concurrently=True)
        only = sa.text("session_id is not null")
        op.create_index(INDEX, "recording", ["session_id"], postgresql_where=only, postgresql_concurrently=True)


def downgrade() -> None:
    op.drop_index(INDEX, table_name="recording", if_exists=True)
    op.drop_column("session_job", "begun")
