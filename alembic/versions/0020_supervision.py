"""supervision: who listens to a room, and speaks in it"""

import sqlalchemy as sa

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

WALL = """
alter table supervision enable row level security;
create policy of_project on supervision using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""


def upgrade() -> None:
    op.create_table(
        "supervision",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("room_id", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["project_id", "room_id"], ["room.project_id", "room.id"], name="supervision_room", ondelete="CASCADE"
        ),
    )
    op.create_index("supervision_running", "supervision", ["room_id"], postgresql_where=sa.text("ended_at is null"))
    op.create_index(
        "one_supervisor_speaks",
        "supervision",
        ["room_id"],
        unique=True,
        postgresql_where=sa.text("ended_at is null and mode <> 'listen'"),
    )
    op.execute(WALL)


def downgrade() -> None:
    op.drop_table("supervision")
