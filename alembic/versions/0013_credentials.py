"""projects' own keys of providers"""

import sqlalchemy as sa

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

WALL = """
alter table provider_credential enable row level security;
create policy of_project on provider_credential using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""


def upgrade() -> None:
    op.create_table(
        "provider_credential",
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("project.id"), primary_key=True),
        sa.Column("provider", sa.String(), primary_key=True),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("region", sa.String()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.execute(WALL)


def downgrade() -> None:
    op.drop_table("provider_credential")
