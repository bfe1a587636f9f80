-- Makes and drops the index of a base that has more than `beyond` chunks. It runs with its owner's rights, as the role of
-- the control plane may not. pgvector indexes at most 4,000 dimensions of half precision.
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
