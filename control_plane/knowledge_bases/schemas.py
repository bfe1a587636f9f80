"""Knowledge bases on the wire."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from control_plane.wire import MAX_ID, Clean, Instant

Label = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Clean]


class BaseCreate(BaseModel):
    """`POST /knowledge-bases`."""

    name: Label
    description: Annotated[str, StringConstraints(max_length=2000), Clean] = ""
    chunk_size: Annotated[int, Field(ge=50, le=4000)] = 500
    chunk_overlap: Annotated[int, Field(ge=0, le=1000)] = 50

    @model_validator(mode="after")
    def _overlap_below_size(self) -> "BaseCreate":
        if self.chunk_overlap >= self.chunk_size:
            raise ValueError("chunk_overlap must be smaller than chunk_size")
        return self


class BaseRead(BaseModel):
    """A knowledge base."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    description: str
    chunk_size: int
    chunk_overlap: int
    chunk_count: int
    total_chars: int
    indexing_status: str
    progress: int
    embedding_model: str
    last_indexed_at: Instant | None
    created_at: Instant


class BaseAnswer(BaseModel):
    """One knowledge base."""

    knowledge_base: BaseRead


class BaseList(BaseModel):
    """`GET /knowledge-bases`."""

    knowledge_bases: list[BaseRead]


class TextIngest(BaseModel):
    """`POST /knowledge-bases/{id}/ingest`."""

    content: Annotated[str, StringConstraints(min_length=1)]
    source_name: Label | None = Field(None, description="A label; the same one again replaces. Default: api_ingest.")


class Ingested(BaseModel):
    """What became of a document."""

    success: bool = True
    chunks_created: int
    source_file: str


class ChunkRead(BaseModel):
    """A chunk in the list, its content cut to 200 characters."""

    id: int
    content: str
    source: str
    chunk_index: int
    is_active: bool


class ChunkList(BaseModel):
    """`GET …/chunks`."""

    chunks: list[ChunkRead]
    total: int
    page: int
    total_pages: int


class Query(BaseModel):
    """`POST /knowledge/search`."""

    knowledge_base_id: Annotated[int, Field(ge=1, le=MAX_ID)]
    query: Annotated[str, StringConstraints(min_length=1, max_length=2000), Clean]
    top_k: Annotated[int, Field(ge=1, le=50)] = 5


class Found(BaseModel):
    """A passage that answers a query; score from 0 to 1."""

    chunk_id: int
    content: str
    source: str
    chunk_index: int
    score: float


class SearchAnswer(BaseModel):
    """Best first."""

    results: list[Found]
    query: str
    took_ms: float
