"""embeds: public keys for pages of other sites, and what their calls may take"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

WALL = """
alter table embed_key enable row level security;
create policy of_project on embed_key using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""
ELSEWHERE = "select pg_get_functiondef('exists_elsewhere(text, bigint)'::regprocedure)"
KNOWN, MORE = "array['persona'", "array['embed_key', 'persona'"


def upgrade() -> None:
    op.create_table(
        "embed_key",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("project.id"), nullable=False),
        sa.Column("persona_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(), nullable=False, unique=True),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("origins", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("theme", sa.String(), nullable=False),
        sa.Column("accent", sa.String()),
        sa.Column("button", sa.String(), nullable=False),
        sa.Column("greeting", sa.String(), nullable=False),
        sa.Column("visitor_calls_per_hour", sa.Integer(), nullable=False),
        sa.Column("address_calls_per_hour", sa.Integer(), nullable=False),
        sa.Column("calls_at_once", sa.Integer(), nullable=False),
        sa.Column("longest_call", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.create_index("embed_key_by_project", "embed_key", ["project_id", "id"])
    op.create_index("embed_key_by_origin", "embed_key", ["origins"], postgresql_using="gin")
    op.execute(WALL)
    op.add_column("slot", sa.Column("embed_key_id", sa.BigInteger()))
    op.add_column("slot", sa.Column("only_text", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("slot", sa.Column("longest_call", sa.Integer()))
    op.create_index("slot_of_embed", "slot", ["embed_key_id"], postgresql_where=sa.text("embed_key_id is not null"))
    _redefine(KNOWN, MORE)


def downgrade() -> None:
    _redefine(MORE, KNOWN)
    op.drop_index("slot_of_embed", table_name="slot")
    for column in ("longest_call", "only_text", "embed_key_id"):
        op.drop_column("slot", column)
    op.drop_table("embed_key")


def _redefine(before: str, after: str) -> None:
    """Change the list of tables that `exists_elsewhere` knows, whatever else stands in it."""
    bind = op.get_bind()
    definition = str(bind.exec_driver_sql(ELSEWHERE).scalar_one())
    changed = definition.replace(before, after)
    assert changed != definition
    bind.exec_driver_sql(changed.replace("%", "%%"))  # the driver reads one as a placeholder
