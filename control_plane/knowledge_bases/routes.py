"""`/knowledge-bases` and `/knowledge/search`."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response, UploadFile

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.events.log import EventLog
from control_plane.gate.operation import READS, primary
from control_plane.knowledge_bases import schemas
from control_plane.knowledge_bases.searching import Searcher
from control_plane.knowledge_bases.service import MAX_UPLOAD, KnowledgeBaseService
from control_plane.plans.quota import QuotaDep
from control_plane.wire import Done, Onward, Page, RowId

router = primary(tags=["Knowledge bases"])

LATER: dict[int | str, dict[str, Any]] = {202: {"model": schemas.Ingested, "description": "Progress is on the base."}}
SHOWN = 200
"""Characters of a chunk in the list."""


async def find_bases(
    request: Request, db: DbDep, caller: CallerDep, quota: QuotaDep, clock: ClockDep
) -> KnowledgeBaseService:
    """The knowledge bases of this request's caller."""
    state = request.app.state
    return KnowledgeBaseService(db, caller, quota, EventLog(db, clock), state.embedders, state.uploads)


async def find_searcher(request: Request, caller: CallerDep) -> Searcher:
    """What searches this caller's bases."""
    state = request.app.state
    return Searcher(state.database, request.state.transaction, caller, state.embedders)


Bases = Annotated[KnowledgeBaseService, Depends(find_bases)]
Search = Annotated[Searcher, Depends(find_searcher)]


@router.post("/knowledge-bases", status_code=201, response_model=schemas.BaseAnswer)
async def create_base(body: schemas.BaseCreate, bases: Bases) -> Any:
    """Create a knowledge base."""
    return {"knowledge_base": await bases.create(body)}


@router.get("/knowledge-bases", response_model=schemas.BaseList)
async def list_bases(bases: Bases) -> Any:
    """List knowledge bases."""
    return {"knowledge_bases": await bases.all()}


@router.get("/knowledge-bases/{base_id}", response_model=schemas.BaseAnswer)
async def read_base(base_id: RowId, bases: Bases) -> Any:
    """Knowledge base detail."""
    return {"knowledge_base": await bases.get(base_id)}


@router.patch("/knowledge-bases/{base_id}", response_model=schemas.BaseAnswer)
async def change_base(base_id: RowId, body: schemas.BaseChange, bases: Bases) -> Any:
    """Change a knowledge base's name or description."""
    return {"knowledge_base": await bases.change(base_id, body)}


@router.delete("/knowledge-bases/{base_id}", response_model=Done)
async def delete_base(base_id: RowId, bases: Bases) -> Any:
    """Delete a knowledge base with all its chunks."""
    await bases.delete(base_id)
    return Done(message="Knowledge base deleted")


@router.get("/knowledge-bases/{base_id}/documents", response_model=schemas.DocumentList)
async def list_documents(base_id: RowId, bases: Bases, page: Annotated[Page, Depends()]) -> Any:
    """List documents: those that wait to be ingested first, then the newest."""
    documents, total = await bases.documents(base_id, page)
    return {"documents": documents, **page.pages(total)}


@router.post("/knowledge-bases/{base_id}/documents", status_code=201, response_model=schemas.Ingested, responses=LATER)
async def upload_document(base_id: RowId, file: UploadFile, bases: Bases, response: Response) -> Any:
    """Upload a document; the same name again replaces it. Over 1 MB it is ingested after the answer, which is 202."""
    data = await file.read(MAX_UPLOAD + 1)
    return _told(await bases.upload(base_id, data, file.filename or ""), response)


@router.post("/knowledge-bases/{base_id}/ingest", status_code=201, response_model=schemas.Ingested, responses=LATER)
async def ingest_text(base_id: RowId, body: schemas.TextIngest, bases: Bases, response: Response) -> Any:
    """Ingest raw text. Over 1 MB it is ingested after the answer, which is 202."""
    return _told(await bases.ingest(base_id, body), response)


def _told(ingested: schemas.Ingested, response: Response) -> schemas.Ingested:
    if ingested.later:
        response.status_code = 202
    return ingested


@router.post("/knowledge-bases/{base_id}/reindex", response_model=schemas.Reindexed)
async def reindex(base_id: RowId, bases: Bases, min_recall: Annotated[float | None, Query(ge=0, le=1)] = None) -> Any:
    """Regenerate the embeddings of all chunks, with the model this server embeds with.

    With `min_recall`, only if that share of the golden questions finds its answer afterwards; else 409, and the base
    stays as it was.
    """
    return schemas.Reindexed(chunks_reindexed=await bases.reindex(base_id, min_recall=min_recall))


@router.get("/knowledge-bases/{base_id}/golden-questions", response_model=schemas.GoldenQuestions)
async def read_golden_questions(base_id: RowId, bases: Bases) -> Any:
    """The questions a base is tested with."""
    await bases.get(base_id)
    return {"questions": await bases.examiner.read(base_id)}


@router.put("/knowledge-bases/{base_id}/golden-questions", response_model=schemas.GoldenQuestions)
async def change_golden_questions(base_id: RowId, body: schemas.GoldenQuestions, bases: Bases) -> Any:
    """Put others in the place of all golden questions."""
    await bases.get(base_id)
    return {"questions": await bases.examiner.replace(base_id, body)}


@router.post("/knowledge-bases/{base_id}/evaluate", response_model=schemas.Evaluated, openapi_extra=READS)
async def evaluate(base_id: RowId, bases: Bases, body: schemas.Evaluate | None = None) -> Any:
    """Ask a base its golden questions."""
    return await bases.evaluate(base_id, (body or schemas.Evaluate()).k)


@router.get("/knowledge-bases/{base_id}/unanswered", response_model=schemas.UnansweredList)
async def list_unanswered(base_id: RowId, bases: Bases, page: Annotated[Page, Depends()]) -> Any:
    """What callers asked and the base held nothing relevant about."""
    await bases.get(base_id)
    unanswered, total = await bases.examiner.unanswered(base_id, page)
    return {"unanswered": unanswered, **page.pages(total)}


@router.get("/knowledge-bases/{base_id}/chunks", response_model=schemas.ChunkList)
async def list_chunks(
    base_id: RowId,
    bases: Bases,
    wanted: Annotated[Onward, Depends()],
    is_active: bool | None = None,
) -> Any:
    """List chunks in the order of their documents."""
    chunks, total = await bases.chunks(base_id, wanted, is_active=is_active)
    shown = [
        schemas.ChunkRead(
            id=chunk.id,
            content=chunk.content[:SHOWN],
            source=chunk.source,
            chunk_index=chunk.chunk_index,
            is_active=chunk.is_active,
        )
        for chunk in chunks
    ]
    return schemas.ChunkList(chunks=shown, **wanted.pages(total))


@router.get("/knowledge-bases/{base_id}/chunks/{chunk_id}", response_model=schemas.ChunkFound)
async def read_chunk(base_id: RowId, chunk_id: RowId, bases: Bases) -> Any:
    """Read a chunk with its whole text."""
    return schemas.ChunkFound(chunk=schemas.ChunkRead.model_validate(await bases.chunk(base_id, chunk_id)))


@router.put("/knowledge-bases/{base_id}/chunks/{chunk_id}", response_model=schemas.ChunkAnswer)
async def change_chunk(base_id: RowId, chunk_id: RowId, body: schemas.ChunkChange, bases: Bases) -> Any:
    """Change a chunk's text and embed it anew; `is_active` takes it out of search or back in."""
    chunk = await bases.change_chunk(base_id, chunk_id, body)
    return schemas.ChunkAnswer(chunk=schemas.ChunkRead.model_validate(chunk))


@router.delete("/knowledge-bases/{base_id}/chunks/{chunk_id}", response_model=Done)
async def delete_chunk(base_id: RowId, chunk_id: RowId, bases: Bases) -> Any:
    """Delete a chunk with its embedding."""
    await bases.delete_chunk(base_id, chunk_id)
    return Done(message="Chunk deleted")


@router.post(
    "/knowledge/search", response_model=schemas.SearchAnswer, response_model_exclude_unset=True, openapi_extra=READS
)
async def search(body: schemas.Query, searcher: Search) -> Any:
    """Search a knowledge base by meaning and by words."""
    return await searcher.search(body)
