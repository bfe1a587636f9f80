-- In how many chunks of a base each term is: kept by triggers, once a statement, in the transaction that adds or removes
-- the chunks. Search needs the number of each of a question's words before it reads any postings.
create or replace function knowledge_count_terms() returns trigger
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
