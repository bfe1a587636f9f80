"""Knowledge bases on the wire."""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from control_plane.wire import Change, Clean, GivenId, Instant, Paged, Sent
from knowledge.golden import DEFAULT_K, MAX_QUESTIONS
from knowledge.ingest import MAX_CHUNK_CHARACTERS

CONTROL: Final = r"\x00-\x08\x0b\x0e-\x1f\x7f"
"""What no text holds, as `knowledge.documents` judges it."""
READABLE: Final = {"pattern": rf"^[^{CONTROL}]*[^\s{CONTROL}][^{CONTROL}]*$"}
NAMING: Final = {"pattern": rf"^[^{CONTROL}]*[^\s./\\{CONTROL}][^/\\{CONTROL}]*$"}
"""JSON schemas of text, and of a name for it."""

Label = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Clean]


class BaseCreate(Sent):
    """`POST /knowledge-bases`."""

    name: Label
    description: Annotated[str, StringConstraints(max_length=2000), Clean] = ""
    chunk_size: Annotated[int, Field(ge=50, le=4000)] = 500
    chunk_overlap: Annotated[int, Field(ge=0, le=1000)] = 50

    @field_validator("chunk_overlap")
    @classmethod
    def _below_size(cls, overlap: int, others: ValidationInfo) -> int:
        if overlap >= others.data.get("chunk_size", overlap + 1):
            raise ValueError("must be smaller than chunk_size")
        return overlap

    @model_validator(mode="after")
    def _default_below_size(self) -> Self:
        if self.chunk_overlap >= self.chunk_size:  # nobody asked for it
            self.chunk_overlap = self.chunk_size // 2
        return self


class BaseChange(Change):
    """`PATCH /knowledge-bases/{id}`. How a base is cut into chunks cannot be changed."""

    name: Label = ""
    description: Annotated[str, StringConstraints(max_length=2000), Clean] = ""


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


class TextIngest(Sent):
    """`POST /knowledge-bases/{id}/ingest`."""

    content: Annotated[str, Field(min_length=1, json_schema_extra=READABLE)]
    source_name: Annotated[Label, Field(json_schema_extra=NAMING)] | None = Field(
        None, description="A label; the same one again replaces. Default: api_ingest."
    )


class Ingested(BaseModel):
    """What became of a document."""

    success: bool = True
    chunks_created: int = Field(description="Where it is ingested later (202): planned.")
    source_file: str
    later: bool = Field(False, exclude=True)


class DocumentRead(BaseModel):
    """A document of a base. One that could not be ingested is not kept; its base says `error`."""

    id: int | None = Field(description="Null until it is ingested.")
    source: str = Field(description="File name or label; empty for text without one that waits.")
    status: Literal["indexing", "ready"]
    chunk_count: int
    total_chars: int = Field(description="Of its chunks.")
    size_bytes: int | None = Field(description="Of what was sent, while it waits.")
    created_at: Instant


class DocumentList(Paged):
    """`GET …/documents`: those that wait first, then the newest."""

    documents: list[DocumentRead]


class Reindexed(BaseModel):
    """`POST …/reindex`."""

    success: bool = True
    chunks_reindexed: int = Field(description="All chunks of the base; inactive ones are still not found.")


class ChunkChange(Sent):
    """`PUT …/chunks/{id}`."""

    content: Annotated[str, Field(min_length=1, max_length=MAX_CHUNK_CHARACTERS, json_schema_extra=READABLE)]
    is_active: bool | None = Field(None, description="Inactive chunks are listed and never found.")


class ChunkRead(BaseModel):
    """A chunk; in the list, its content is cut to 200 characters."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    content: str
    source: str
    chunk_index: int
    is_active: bool


class ChunkFound(BaseModel):
    """One chunk, with its whole text."""

    chunk: ChunkRead


class ChunkAnswer(BaseModel):
    """A changed chunk."""

    success: bool = True
    chunk: ChunkRead


class ChunkList(Paged):
    """`GET …/chunks`."""

    chunks: list[ChunkRead]


class Query(Sent):
    """`POST /knowledge/search`."""

    knowledge_base_id: GivenId
    query: Annotated[str, StringConstraints(min_length=1, max_length=2000), Clean]
    top_k: Annotated[int, Field(ge=1, le=50)] = 5
    explain: bool = Field(False, description="Tell the parts of each score, and where in its document a passage is.")


class Parts(BaseModel):
    """What a score is made of: half the cosine and half of what BM25 finds, as sure as the best hit makes us."""

    cosine: float
    bm25: float
    coverage: float = Field(description="Share of the question's weight in rare words that the passage holds.")
    fusion: float = Field(description="What orders the passages.")
    confidence: float = Field(description="That the best passage is about the question: the same for all.")


class Citation(BaseModel):
    """Where a passage is in its document; null where the document has no such thing."""

    heading: str | None
    page: int | None
    row: int | None


class Found(BaseModel):
    """A passage that answers a query; score from 0 to 1. `parts` and `citation` if `explain` asks for them."""

    chunk_id: int
    content: str
    source: str
    chunk_index: int
    score: float
    parts: Parts | None = None
    citation: Citation | None = None


class SearchAnswer(BaseModel):
    """Best first."""

    results: list[Found]
    query: str
    took_ms: float


Words = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True), Clean]


class Golden(Sent):
    """A question whose answer is known."""

    model_config = ConfigDict(from_attributes=True, strict=True)

    question: Words
    source: Annotated[Label, Field(description="The document that answers it, as it was uploaded.")]
    contains: Annotated[str, StringConstraints(max_length=2000), Clean] = Field(
        "", description="Words of the chunk that answers it, where the document alone says too little."
    )


class GoldenQuestions(Sent):
    """`GET` and `PUT …/golden-questions`."""

    questions: Annotated[list[Golden], Field(max_length=MAX_QUESTIONS)]


class Evaluate(Sent):
    """`POST …/evaluate`."""

    k: Annotated[int, Field(ge=1, le=50)] = DEFAULT_K


class GoldenAnswer(BaseModel):
    """What became of a question; null where its answer is not among the first k."""

    model_config = ConfigDict(from_attributes=True)

    question: str
    rank: int | None
    score: float | None


class Evaluated(BaseModel):
    """How a base finds what its owner knows to be in it."""

    model_config = ConfigDict(from_attributes=True)

    recall_at_k: float = Field(description="Share of the questions whose answer is among the first k.")
    mrr: float = Field(description="Mean of 1/rank, 0 where it is not found.")
    questions: list[GoldenAnswer]


class Unanswered(BaseModel):
    """A question that callers asked and the base held nothing relevant about."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    question: str
    times: int
    score: float = Field(description="Of the best passage when it was asked last.")
    session_id: int
    first_asked_at: Instant
    last_asked_at: Instant


class UnansweredList(Paged):
    """`GET …/unanswered`, asked most first."""

    unanswered: list[Unanswered]
