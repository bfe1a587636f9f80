"""job project: its payload names the project, and no version that may still run reads or writes the column"""

import sqlalchemy as sa

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("job", "project_id")


def downgrade() -> None:
    op.add_column("job", sa.Column("project_id", sa.BigInteger(), nullable=True))
