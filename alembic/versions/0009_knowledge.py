"""knowledge: vectors at half precision, an index for each large base, places for citations, what owners test with"""

import sqlalchemy as sa
from pgvector.sqlalchemy import HALFVEC, Vector

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TENANT_TABLES = ("knowledge_term", "knowledge_golden", "knowledge_unanswered", "knowledge_upload")

NEAREST = """
create function knowledge_nearest(
    of_project bigint, of_bases bigint[], models text[], vectors text[], wanted integer
) returns table (chunk_id bigint, cosine float8)
language plpgsql stable set enable_seqscan = off set enable_sort = off set jit = off as $$
#variable_conflict use_column
declare
    base record;
begin
    for base in
        select b.id, b.embedding_model as model, b.dimensions, b.indexed_model = b.embedding_model as has_index,
               given.vector::halfvec as question
        from knowledge_base b join unnest(models, vectors) as given (model, vector) on given.model = b.embedding_model
        where b.project_id = of_project and b.id = any(of_bases)
    loop
        if base.has_index then
            perform set_config('hnsw.ef_search', greatest(wanted, 150)::text, true);
            perform set_config('hnsw.iterative_scan', 'relaxed_order', true);
            -- Numbers, not parameters: only so does the planner see that the index is for this base and model.
            return query execute format(
                'select chunk_id, -distance from (select v.chunk_id, '
                'v.embedding::halfvec(%1$s) <#> $1::halfvec(%1$s) as distance from knowledge_vector v '
                'where v.base_id = %2$s and v.model = %3$L and v.project_id = %4$s '
                'order by distance limit %5$s) as near',
                base.dimensions, base.id, base.model, of_project, wanted
            ) using base.question;
        else
            return query
            select near.chunk_id, -near.distance
            from (
                select v.chunk_id, v.embedding <#> base.question as distance from knowledge_vector v
                where v.project_id = of_project and v.base_id = base.id and v.model = base.model
                order by distance limit wanted
            ) as near;
        end if;
    end loop;
end $$
"""

SEARCH = """
create function knowledge_search(
    of_project bigint, of_bases bigint[], query text, models text[], vectors text[], wanted integer
) returns table (
    chunk_id bigint, base_id bigint, content text, heading text, source text, chunk_index integer, page integer,
    "row" integer, score float8, dense float8, lexical float8, coverage float8, fusion float8, confidence float8
)
language plpgsql stable set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
    total float8;
    mean float8;
    rare text[];
    rare_idf float8[];
    frequent text[];
    frequent_idf float8[];
    weight float8;
begin
    select greatest(sum(indexed_chunks), 1), greatest(sum(indexed_terms), 1)::float8 / greatest(sum(indexed_chunks), 1)
    into total, mean
    from knowledge_base where project_id = of_project and id = any(of_bases);

    select array_agg(term) filter (where is_rare), array_agg(idf) filter (where is_rare),
           array_agg(term) filter (where not is_rare), array_agg(idf) filter (where not is_rare), sum(idf)
    into rare, rare_idf, frequent, frequent_idf, weight
    from (
        select term, ln(1 + (total - chunks + 0.5) / (chunks + 0.5)) as idf,
               sum(chunks) over rarest_first <= 2000 or row_number() over rarest_first = 1 as is_rare
        from (
            select term, coalesce((
                select sum(known.chunks) from knowledge_term known
                where known.project_id = of_project and known.base_id = any(of_bases) and known.term = asked.term
            ), 0)::float8 as chunks
            from unnest(tsvector_to_array(to_tsvector('english', query))) as asked (term)
        ) as counted
        window rarest_first as (order by chunks, term rows unbounded preceding)
    ) as weighed;

    return query
    with
    piece as (
        select near.chunk_id, near.cosine, 0.0::float8 as bm25, 0.0::float8 as covered
        from knowledge_nearest(of_project, of_bases, models, vectors, 100) as near
        union all
        select p.chunk_id, null, w.idf * p.impact, w.idf
        from unnest(rare, rare_idf) as w (term, idf) cross join unnest(of_bases) as base (id)
        cross join lateral (
            select p.chunk_id, p.frequency / (p.frequency + 0.6 * (1 - 0.3 + 0.3 * p.length / mean)) as impact
            from knowledge_posting p
            where p.project_id = of_project and p.base_id = base.id and p.term = w.term
            offset 0
        ) as p
    ),
    gathered as materialized (
        select chunk_id, max(cosine) as cosine, sum(bm25) as bm25, sum(covered) as covered from piece group by chunk_id
    ),
    chosen as materialized (
        select * from gathered where cosine is not null
        union all
        (select * from gathered where cosine is null order by bm25 desc, chunk_id limit 100)
    ),
    candidate as (
        select chunk_id, coalesce(max(cosine), 0) as cosine, sum(bm25) as bm25,
               coalesce(sum(covered) / weight, 0) as coverage, coalesce(sum(bm25) / weight, 0) as found
        from (
            select * from chosen
            union all
            select p.chunk_id, null, w.idf * p.impact, w.idf
            from unnest(frequent, frequent_idf) as w (term, idf) cross join unnest(of_bases) as base (id)
            cross join lateral (
                select p.chunk_id, p.frequency / (p.frequency + 0.6 * (1 - 0.3 + 0.3 * p.length / mean)) as impact
            from knowledge_posting p
                where p.project_id = of_project and p.base_id = base.id and p.term = w.term
                  and p.chunk_id = any(array(select chunk_id from chosen))
                offset 0
            ) as p
            union all
            select v.chunk_id, -(v.embedding <#> base.question), 0, 0
            from (
                select b.id, b.embedding_model as model, given.vector::halfvec as question
                from knowledge_base b
                join unnest(models, vectors) as given (model, vector) on given.model = b.embedding_model
                where b.project_id = of_project and b.id = any(of_bases)
                offset 0
            ) as base
            cross join lateral (
                select v.chunk_id, v.embedding from knowledge_vector v
                where v.project_id = of_project and v.base_id = base.id and v.model = base.model
                  and v.chunk_id = any(array(select chunk_id from chosen where cosine is null))
                offset 0
            ) as v
        ) as gained
        group by chunk_id
    ),
    fused as (
        select *, 0.5 * greatest(cosine, 0) + 0.5 * found as fusion,
               max(cosine) over () as nearest
        from candidate
        order by fusion desc, cosine desc, chunk_id
        limit wanted
    ),
    judged as (
        select *,
               1 / (1 + exp(-(-6.0 + 9.0 * nearest
                              + 4.0 * first_value(coverage) over best_first))) as confidence,
               fusion / nullif(first_value(fusion) over best_first, 0) as share
        from fused
        window best_first as (order by fusion desc, cosine desc, chunk_id)
    )
    select judged.chunk_id, said.base_id, said.content, said.heading, said.source, said.chunk_index,
           said.page, said."row",
           coalesce(judged.confidence * judged.share, 0)::float8,
           judged.cosine::float8, judged.bm25::float8, judged.coverage::float8, judged.fusion::float8,
           judged.confidence::float8
    from judged
    cross join lateral (
        select c.base_id, c.content, c.heading, d.source, c.chunk_index, c.page, c."row"
        from knowledge_chunk c
        join knowledge_document d
          on d.project_id = c.project_id and d.base_id = c.base_id and d.id = c.document_id
        where c.project_id = of_project and c.base_id = any(of_bases) and c.id = judged.chunk_id
        limit 1
    ) as said
    order by judged.fusion desc, judged.cosine desc, judged.chunk_id;
end $$
"""

INDEX_BASE = """
create function knowledge_index_base(of_base bigint, beyond integer) returns boolean
language plpgsql security definer set search_path = public set lock_timeout = '3s' set maintenance_work_mem = '256MB'
as $$
declare
    base record;
    wanted text;
    old name;
begin
    select project_id, embedding_model, dimensions, indexed_chunks into base
    from knowledge_base where id = of_base for update;
    if base.indexed_chunks > beyond and base.dimensions <= 4000 then
        wanted := format('knowledge_vector_of_%s_%s', of_base, left(md5(base.embedding_model), 8));
    end if;
    for old in
        select indexname from pg_indexes
        where schemaname = 'public' and tablename = 'knowledge_vector'
          and starts_with(indexname, format('knowledge_vector_of_%s_', of_base))
          and indexname is distinct from wanted
    loop
        execute format('drop index %I', old);
    end loop;
    if wanted is not null then
        execute format(
            'create index if not exists %I on knowledge_vector using hnsw '
            '((embedding::halfvec(%s)) halfvec_ip_ops) where base_id = %s and model = %L',
            wanted, base.dimensions, of_base, base.embedding_model
        );
    end if;
    update knowledge_base set indexed_model = case when wanted is not null then base.embedding_model end
    where id = of_base;
    return wanted is not null;
end $$
"""

COUNT_TERMS = """
create function knowledge_count_terms() returns trigger
language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into knowledge_term as known (project_id, base_id, term, chunks)
        select project_id, base_id, term, count(*) from changed group by project_id, base_id, term
        order by project_id, base_id, term
        on conflict (project_id, base_id, term) do update set chunks = known.chunks + excluded.chunks;
    else
        update knowledge_term known set chunks = known.chunks - gone.chunks
        from (select project_id, base_id, term, count(*) as chunks from changed group by project_id, base_id, term) gone
        where known.project_id = gone.project_id and known.base_id = gone.base_id and known.term = gone.term;
    end if;
    return null;
end $$
"""

COUNT_INSERTED = """
create trigger knowledge_posting_added after insert on knowledge_posting
referencing new table as changed for each statement execute function knowledge_count_terms()
"""

COUNT_DELETED = """
create trigger knowledge_posting_removed after delete on knowledge_posting
referencing old table as changed for each statement execute function knowledge_count_terms()
"""

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
    for statement in (COUNT_TERMS, COUNT_INSERTED, COUNT_DELETED):
        op.execute(statement)
    op.execute("grant select on knowledge_term to parley_knowledge")
    for table in TENANT_TABLES:
        op.execute(WALL.format(table=table))
    op.execute(NEAREST)
    op.execute(SEARCH)
    op.execute(INDEX_BASE)
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
