"""attendees: who is there and who waits is found without reading all who ever came"""

import sqlalchemy as sa

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("attendee_present", "attendee", ["seen_at"], postgresql_where=sa.text("seen_at is not null"))
    op.create_index("attendee_waiting", "attendee", ["meeting_id"], postgresql_where=sa.text("state = 'waiting'"))


def downgrade() -> None:
    op.drop_index("attendee_waiting", table_name="attendee")
    op.drop_index("attendee_present", table_name="attendee")
