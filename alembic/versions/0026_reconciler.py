"""reconciler: rooms by LiveKit's id, tracks that have ended, hooks that come early, egresses told once"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

WALL = """
alter table egress enable row level security;
create policy of_project on egress using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""
ONE_OF_A_SID = """
update room set sid = null where exists (
    select from room younger
    where younger.full_name = room.full_name and younger.sid = room.sid and younger.id > room.id
)
"""


def upgrade() -> None:
    op.add_column("participant", sa.Column("past_tracks", JSONB(), nullable=False, server_default=sa.text("'[]'")))
    op.add_column("participant", sa.Column("told", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("livekit_hook", sa.Column("awaits", sa.String()))
    op.add_column("livekit_hook", sa.Column("content", JSONB()))
    op.create_index("livekit_hook_early", "livekit_hook", ["awaits"], postgresql_where=sa.text("awaits is not null"))
    op.execute(ONE_OF_A_SID)
    op.create_index(
        "one_room_of_a_sid",
        "room",
        ["full_name", "sid"],
        unique=True,
        postgresql_where=sa.text("sid is not null"),
    )
    op.create_table(
        "egress",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("project.id"), nullable=False),
        sa.Column("room_name", sa.String(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
    )
    op.create_index("egress_running", "egress", ["id"], postgresql_where=sa.text("ended_at is null"))
    op.execute(WALL)


def downgrade() -> None:
    op.drop_table("egress")
    op.drop_index("one_room_of_a_sid", table_name="room")
    op.drop_index("livekit_hook_early", table_name="livekit_hook")
    op.drop_column("livekit_hook", "content")
    op.drop_column("livekit_hook", "awaits")
    op.drop_column("participant", "told")
    op.drop_column("participant", "past_tracks")
