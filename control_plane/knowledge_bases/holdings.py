"""The documents of a base: those that wait to be ingested, and those that are in."""

from typing import Any, Final

from sqlalchemy import text

from control_plane.db.database import Db
from control_plane.wire import Page

_HELD: Final = text("""
    with held as (
        select null::bigint as id, name as source, 'indexing' as status, 0 as chunk_count, 0 as total_chars,
               octet_length(data) as size_bytes, created_at, id as came
        from knowledge_upload where project_id = :project and base_id = :base
        union all
        select id, source, 'ready', null, null, null, created_at, id
        from knowledge_document where project_id = :project and base_id = :base
    ), page as (
        select *, count(*) over () as total from held
        order by status, created_at desc, came desc limit :limit offset :offset
    )
    select id, source, status, size_bytes, created_at, total,
           coalesce(chunk_count, chunks.counted) as chunk_count, coalesce(total_chars, chunks.characters) as total_chars
    from page cross join lateral (
        select count(*) as counted, coalesce(sum(length(content)), 0) as characters
        from knowledge_chunk where document_id = page.id
    ) as chunks
    order by status, created_at desc, came desc
""")
_COUNT: Final = text("""
    select (select count(*) from knowledge_upload where project_id = :project and base_id = :base)
         + (select count(*) from knowledge_document where project_id = :project and base_id = :base)
""")


async def read_documents(db: Db, base_id: int, page: Page, *, project_id: int) -> tuple[list[dict[str, Any]], int]:
    """A page of a base's documents, those that wait before the others and the newest first; how many there are."""
    which = {"project": project_id, "base": base_id}
    rows = (await db.execute(_HELD, which | {"limit": page.per_page, "offset": page.offset})).mappings().all()
    if rows:
        return [dict(row) for row in rows], int(rows[0]["total"])
    return [], 0 if page.page == 1 else int(await db.scalar(_COUNT, which) or 0)
