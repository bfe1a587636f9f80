"""trials: calls with settings that are not published; headers of what endpoints of webhooks answered"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("slot", sa.Column("draft", postgresql.JSONB()))
    headers = sa.Column("response_headers", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'"))
    op.add_column("webhook_attempt", headers)


def downgrade() -> None:
    op.drop_column("webhook_attempt", "response_headers")
    op.drop_column("slot", "draft")
