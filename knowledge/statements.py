"""Statements of `store.py` that PostgreSQL computes with: terms, postings, counts."""

from typing import Final

from sqlalchemy import text

LEXEMES: Final = "unnest(to_tsvector('english', heading || E'\\n' || content))"
TERMS: Final = f"(select coalesce(sum(cardinality(positions)), 0) from {LEXEMES})"  # noqa: S608 - constants

ADD_CHUNKS: Final = text(f"""
insert into knowledge_chunk (project_id, base_id, document_id, content, heading, chunk_index, page, "row", terms)
select :project_id, :base_id, :document_id, content, heading, chunk_index, page, "row", {TERMS}
from unnest(cast(:contents as text[]), cast(:headings as text[]), cast(:indexes as int[]),
            cast(:pages as int[]), cast(:rows as int[])) as piece (content, heading, chunk_index, page, "row")
returning chunk_index, id
""")  # noqa: S608 - constants

# In both, `id = any` names chunks just written by the same transaction.
ADD_VECTORS: Final = text("""
insert into knowledge_vector (project_id, base_id, model, chunk_id, embedding)
select project_id, base_id, :model, id, cast(embedding as halfvec)
from unnest(cast(:ids as bigint[]), cast(:vectors as text[])) as given (id, embedding)
join knowledge_chunk using (id)
where project_id = :project_id and base_id = :base_id and is_active
""")
ADD_POSTINGS: Final = text(f"""
insert into knowledge_posting (project_id, base_id, term, chunk_id, frequency, length)
select project_id, base_id, lexeme, id, cardinality(positions), terms
from knowledge_chunk cross join lateral {LEXEMES}
where project_id = :project_id and base_id = :base_id and id = any(cast(:ids as bigint[])) and is_active
""")  # noqa: S608 - constants
DROP_INDEX: Final = tuple(
    text(
        f"delete from {table} where project_id = :project_id and base_id = :base_id "  # noqa: S608 - constants
        "and chunk_id = any(cast(:ids as bigint[]))"
    )
    for table in ("knowledge_vector", "knowledge_posting")
)
DROP_CHUNKS: Final = text("""
delete from knowledge_chunk
where project_id = :project_id and base_id = :base_id and id = any(cast(:ids as bigint[]))
""")
DROP_TERMS: Final = text("delete from knowledge_term where project_id = :project_id and base_id = :base_id")
SET_CHUNK: Final = text(f"""
update knowledge_chunk set content = given.content, is_active = coalesce(given.is_active, knowledge_chunk.is_active),
       terms = (select {TERMS} from (select given.content, knowledge_chunk.heading) as piece)
from (select cast(:content as text) as content, cast(:is_active as boolean) as is_active) as given
where project_id = :project_id and base_id = :base_id and id = :id
returning id
""")  # noqa: S608 - constants
RECOUNT: Final = text("""
update knowledge_base
set chunk_count = counted.chunks, total_chars = counted.characters,
    indexed_chunks = counted.active, indexed_terms = counted.terms,
    indexing_status = case when counted.chunks > 0 then 'ready' else 'empty' end,
    last_indexed_at = now()
from (
    select count(*) as chunks, coalesce(sum(length(content)), 0) as characters,
           count(*) filter (where is_active) as active, coalesce(sum(terms) filter (where is_active), 0) as terms
    from knowledge_chunk where project_id = :project_id and base_id = :base_id
) as counted
where project_id = :project_id and id = :base_id
""")
