-- The nearest vectors of each base: all are compared (a scan over narrow rows of half precision, some 0.4 µs each), or,
-- once a base has grown large, an index (HNSW) of this base and model alone is asked. An index over all bases would find
-- next to nothing of a small one, as its neighbours are sought first and filtered afterwards.
--
-- A base is compared with the vector of its own model, if that has the dimensions of the base's.
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
        where b.project_id = of_project and b.id = any(of_bases) and vector_dims(given.vector::halfvec) = b.dimensions
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
