"""wishes: an analysis says which wish it met, so that a job that is repeated meets none twice"""

import sqlalchemy as sa

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("analysis", sa.Column("wish", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("analysis", "wish")
