"""recordings whose file is not in the store are found quickly"""

import sqlalchemy as sa

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

AT_WORK = "status = 'recording' or deleted_at is not null"


def upgrade() -> None:
    op.drop_index("recording_at_work", table_name="recording")
    late = f"{AT_WORK} or (duration is not null and size_bytes is null)"
    op.create_index("recording_at_work", "recording", ["id"], unique=False, postgresql_where=sa.text(late))


def downgrade() -> None:
    op.drop_index("recording_at_work", table_name="recording")
    op.create_index("recording_at_work", "recording", ["id"], unique=False, postgresql_where=sa.text(AT_WORK))
