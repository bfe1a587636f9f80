"""tries: what a request under a key has made before it had an answer"""

import sqlalchemy as sa

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("idempotent_request", sa.Column("made", sa.String()))


def downgrade() -> None:
    op.drop_column("idempotent_request", "made")
