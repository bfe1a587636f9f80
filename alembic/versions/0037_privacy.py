"""privacy: requests to hand out or erase what is known of a person"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0037"
down_revision = "0034"
branch_labels = None
depends_on = None

WALL = """
alter table privacy_request enable row level security;
create policy of_project on privacy_request using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""


def upgrade() -> None:
    op.create_table(
        "privacy_request",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("project.id"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("sealed_person", sa.LargeBinary(), nullable=True),
        sa.Column("progress", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("told", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("receipt", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("waits_for", sa.String(), nullable=True),
        sa.Column("storage_key", sa.String(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_index("privacy_request_by_project", "privacy_request", ["project_id", "id"])
    op.create_index(
        "privacy_request_of_late", "privacy_request", ["created_at"], postgresql_where=sa.text("kind = 'erasure'")
    )
    op.create_index(
        "privacy_request_at_work",
        "privacy_request",
        ["id"],
        postgresql_where=sa.text("status = 'pending' or storage_key is not null"),
    )
    op.execute(WALL)


def downgrade() -> None:
    op.drop_table("privacy_request")
