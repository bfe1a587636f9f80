-- A search: finds candidates by both halves, judges them and gives the best (`knowledge/search.py` says how).
--
--     words of the question ──▶ in how many chunks each is ──▶ rare ones: all their postings ─┐
--     vector of the question ─▶ nearest chunks of each base ──────────────────────────────────┴▶ candidates
--     candidates ──▶ what they lack: postings of frequent words, cosines ──▶ fusion ──▶ confidence ──▶ best
--
-- Its plans are made once for each connection and serve every base, so they may not depend on what planning would guess
-- of one: each step reads by index, one base and one term at a time, what others found arrives in arrays, and what
-- belongs to one chunk is brought together by grouping, never by joins.
--
-- BM25 has k1 0.6 and b 0.3. 100 chunks of each half are judged. A question's rarest words, up to 2,000 postings, choose
-- candidates; by words that are in more chunks only candidates are judged. What that could miss differs from the hits by
-- words that are nearly everywhere. The confidence is about 0.5 at a cosine of 0.35 with most rare words found, or 0.67
-- with none.
create or replace function knowledge_search(
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
                  and vector_dims(given.vector::halfvec) = b.dimensions
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
