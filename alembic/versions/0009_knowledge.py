"""knowledge: vectors at half precision, an index for each large base, places for citations, what owners test with"""

import sqlalchemy as sa
from pgvector.sqlalchemy import HALFVEC, Vector

from alembic import op
from knowledge.functions import read_function

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FUNCTIONS = ("nearest_1", "search_1", "index_base_1", "count_terms_1", "count_inserted_1", "count_deleted_1")
TENANT_TABLES = ("knowledge_term", "knowledge_golden", "knowledge_unanswered", "knowledge_upload")

TERMS_SO_FAR = """
insert into knowledge_term (project_id, base_id, term, chunks)
select project_id, base_id, term, count(*) from knowledge_posting group by project_id, base_id, term
"""

# Read once per statement (a scalar subquery), not once per row. It is '' after a transaction that set it.
WALL = """
alter table {table} enable row level security;
create policy of_project on {table} using (
    project_id = (select nullif(nullif(current_setting('parley.project', true), ''), 'all')::bigint)
    or (select current_setting('parley.project', true) = 'all')
);
"""

DROP_INDEXES = """
do $$
declare old name;
begin
    for old in select indexname from pg_indexes where starts_with(indexname, 'knowledge_vector_of_') loop
        execute format('drop index %I', old);
    end loop;
end $$
"""


def upgrade() -> None:
    # What runs meanwhile goes on: a vector is cast where it is written, and compared, at half precision.
    op.alter_column(
        "knowledge_vector", "embedding", type_=HALFVEC(), postgresql_using="embedding::halfvec", existing_nullable=False
    )
    op.add_column(
        "knowledge_base",
        sa.Column(
            "indexed_model", sa.Text(), nullable=True, comment="model whose vectors have an index of this base alone"
        ),
    )
    op.add_column(
        "knowledge_base",
        sa.Column(
            "progress_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when nobody is at work any more, unless told again",
        ),
    )
    op.add_column("knowledge_chunk", sa.Column("page", sa.Integer(), nullable=True, comment="of the document, from 1"))
    op.add_column(
        "knowledge_chunk", sa.Column("row", sa.Integer(), nullable=True, comment="of the table, the header being 1")
    )
    op.create_table(
        "knowledge_term",
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("base_id", sa.BigInteger(), nullable=False),
        sa.Column("term", sa.Text(), nullable=False),
        sa.Column("chunks", sa.BigInteger(), nullable=False, comment="postings of the term, kept by triggers"),
        sa.ForeignKeyConstraint(
            ["project_id", "base_id"],
            ["knowledge_base.project_id", "knowledge_base.id"],
            name="knowledge_term_base",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project_id", "base_id", "term", name="knowledge_term_pkey"),
    )
    op.create_table(
        "knowledge_golden",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("base_id", sa.BigInteger(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="document that answers it"),
        sa.Column(
            "contains", sa.Text(), nullable=False, server_default="", comment="words of the chunk that answers it"
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "base_id"],
            ["knowledge_base.project_id", "knowledge_base.id"],
            name="knowledge_golden_base",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("knowledge_golden_by_base", "knowledge_golden", ["project_id", "base_id"], unique=False)
    op.create_table(
        "knowledge_upload",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("base_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="file name or label; empty where text came without"),
        sa.Column("is_file", sa.Boolean(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True, comment="until when a process ingests it"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.ForeignKeyConstraint(
            ["project_id", "base_id"],
            ["knowledge_base.project_id", "knowledge_base.id"],
            name="knowledge_upload_base",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "knowledge_unanswered",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("base_id", sa.BigInteger(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False, comment="as it was understood"),
        sa.Column("times", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("score", sa.Float(), nullable=False, comment="of the best chunk when it was asked last"),
        sa.Column("session_id", sa.BigInteger(), nullable=False, comment="in which it was asked last"),
        sa.Column("first_asked_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("last_asked_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.ForeignKeyConstraint(
            ["project_id", "base_id"],
            ["knowledge_base.project_id", "knowledge_base.id"],
            name="knowledge_unanswered_base",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "base_id", "question", name="knowledge_unanswered_once"),
    )
    op.execute("lock table knowledge_posting in share row exclusive mode")
    op.execute(TERMS_SO_FAR)
    for name in FUNCTIONS:
        op.execute(read_function(name))
    op.execute("grant select on knowledge_term to parley_knowledge")
    for table in TENANT_TABLES:
        op.execute(WALL.format(table=table))
    op.execute("revoke execute on function knowledge_index_base(bigint, integer) from public")
    op.execute("grant execute on function knowledge_index_base(bigint, integer) to parley_app")


def downgrade() -> None:
    op.execute("drop function knowledge_index_base(bigint, integer)")
    op.execute("drop function knowledge_search(bigint, bigint[], text, text[], text[], integer)")
    op.execute("drop function knowledge_nearest(bigint, bigint[], text[], text[], integer)")
    op.execute("drop trigger knowledge_posting_added on knowledge_posting")
    op.execute("drop trigger knowledge_posting_removed on knowledge_posting")
    op.execute("drop function knowledge_count_terms()")
    op.execute(DROP_INDEXES)
    for table in reversed(TENANT_TABLES):
        op.drop_table(table)
    op.drop_column("knowledge_chunk", "row")
    op.drop_column("knowledge_chunk", "page")
    op.drop_column("knowledge_base", "progress_until")
    op.drop_column("knowledge_base", "indexed_model")
    op.alter_column(
        "knowledge_vector", "embedding", type_=Vector(), postgresql_using="embedding::vector", existing_nullable=False
    )
