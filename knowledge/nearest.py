"""The nearest vectors of a base: a function in PostgreSQL that chooses its plan by the base's measured size.

    up to `EXACT` vectors    each is compared: a scan over narrow rows of half precision, some 0.4 µs each
    more                     an index (HNSW) of this base and model alone, made once the base has grown so large

An index over all bases would find next to nothing of a small one: its neighbours are sought first and filtered
afterwards. `knowledge_index_base` makes and drops the indexes; it runs with its owner's rights, as the role of the
control plane may not.
"""

from typing import Final

EXACT: Final = 4_000
MOST_DIMENSIONS: Final = 4_000
"""Of vectors that pgvector can index in half precision; larger ones are always compared one by one."""

NEAREST: Final = """
create or replace function knowledge_nearest(
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

INDEX_BASE: Final = """
create or replace function knowledge_index_base(of_base bigint, beyond integer) returns boolean
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
