"""What a knowledge base is made of in PostgreSQL. Only `store.py` and the migrations look here.

    knowledge_base ─┬─ knowledge_document ── knowledge_chunk ─┬─ knowledge_vector    one per chunk and model
                    │                                         └─ knowledge_posting   one per chunk and term
                    └─ counts of what search can find

Chunks are what an owner reads, edits and switches off; vectors and postings are the index over them. **A chunk that is
switched off has no vectors and no postings**, so search needs no rule about it and BM25's statistics count only what
can be found. Vectors stand apart from chunks because a scan over narrow rows that are never moved out of line is what
exact search costs, and because a base that moves to another model has both until it switches.

Every key begins with the owner, so a row cannot refer to one of another project.
"""

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    event,
    func,
    text,
)

from knowledge import functions

metadata = MetaData()

knowledge_base = Table(
    "knowledge_base",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("project_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("chunk_size", Integer, nullable=False),
    Column("chunk_overlap", Integer, nullable=False),
    Column("embedding_model", Text, nullable=False),
    Column("dimensions", Integer, nullable=False),
    Column("indexing_status", Text, nullable=False, server_default="empty"),
    Column("progress", Integer, nullable=False, server_default=text("0"), comment="percent of the running ingest"),
    Column("progress_until", DateTime(timezone=True), comment="when nobody is at work any more, unless told again"),
    # Recounted from the rows in each transaction that changes them.
    Column("chunk_count", Integer, nullable=False, server_default=text("0")),
    Column("total_chars", BigInteger, nullable=False, server_default=text("0")),
    Column("indexed_chunks", Integer, nullable=False, server_default=text("0"), comment="chunks search can find"),
    Column("indexed_terms", BigInteger, nullable=False, server_default=text("0"), comment="sum of their lengths"),
    Column("indexed_model", Text, comment="model whose vectors have an index of this base alone"),
    Column("last_indexed_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("project_id", "id", name="knowledge_base_of_project"),
    CheckConstraint("indexing_status in ('empty', 'indexing', 'ready', 'error')", name="knowledge_base_status"),
    CheckConstraint("chunk_overlap >= 0 and chunk_overlap < chunk_size", name="knowledge_base_overlap"),
)

knowledge_document = Table(
    "knowledge_document",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("project_id", BigInteger, nullable=False),
    Column("base_id", BigInteger, nullable=False),
    Column("source", Text, nullable=False, comment="file name or label, as the owner gave it"),
    Column("content_hash", Text, nullable=False, comment="SHA-256 of what was ingested, hexadecimal"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("project_id", "base_id", "id", name="knowledge_document_of_base"),
    UniqueConstraint("project_id", "base_id", "source", "content_hash", name="knowledge_document_once"),
    ForeignKeyConstraint(
        ["project_id", "base_id"],
        ["knowledge_base.project_id", "knowledge_base.id"],
        name="knowledge_document_base",
        ondelete="CASCADE",
    ),
)

knowledge_chunk = Table(
    "knowledge_chunk",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("project_id", BigInteger, nullable=False),
    Column("base_id", BigInteger, nullable=False),
    Column("document_id", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    Column("heading", Text, nullable=False, server_default="", comment="path of headings above it; searched too"),
    Column("chunk_index", Integer, nullable=False, comment="position in its document, from 0"),
    Column("page", Integer, comment="of the document, from 1"),
    Column("row", Integer, comment="of the table, the header being 1"),
    Column("terms", Integer, nullable=False, comment="its length as BM25 counts it"),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    UniqueConstraint("project_id", "base_id", "id", name="knowledge_chunk_of_base"),
    ForeignKeyConstraint(
        ["project_id", "base_id", "document_id"],
        ["knowledge_document.project_id", "knowledge_document.base_id", "knowledge_document.id"],
        name="knowledge_chunk_document",
        ondelete="CASCADE",
    ),
    Index("knowledge_chunk_by_document", "document_id"),
)

knowledge_vector = Table(
    "knowledge_vector",
    metadata,
    Column("project_id", BigInteger, nullable=False),
    Column("base_id", BigInteger, nullable=False),
    Column("model", Text, nullable=False),
    Column("chunk_id", BigInteger, nullable=False),
    Column("embedding", HALFVEC(), nullable=False, comment="of unit length; any dimension, one per model"),
    PrimaryKeyConstraint("project_id", "base_id", "model", "chunk_id", name="knowledge_vector_pkey"),
    ForeignKeyConstraint(
        ["project_id", "base_id", "chunk_id"],
        ["knowledge_chunk.project_id", "knowledge_chunk.base_id", "knowledge_chunk.id"],
        name="knowledge_vector_chunk",
        ondelete="CASCADE",
    ),
    Index("knowledge_vector_by_chunk", "chunk_id"),
)

knowledge_posting = Table(
    "knowledge_posting",
    metadata,
    Column("project_id", BigInteger, nullable=False),
    Column("base_id", BigInteger, nullable=False),
    Column("term", Text, nullable=False, comment="lexeme of the configuration 'english'"),
    Column("chunk_id", BigInteger, nullable=False),
    Column("frequency", SmallInteger, nullable=False, comment="how often the term is in the chunk"),
    Column("length", Integer, nullable=False, comment="the chunk's terms, repeated to save a join"),
    PrimaryKeyConstraint(
        "project_id",
        "base_id",
        "term",
        "chunk_id",
        name="knowledge_posting_pkey",
        postgresql_include=["frequency", "length"],  # search reads the index alone
    ),
    ForeignKeyConstraint(
        ["project_id", "base_id", "chunk_id"],
        ["knowledge_chunk.project_id", "knowledge_chunk.base_id", "knowledge_chunk.id"],
        name="knowledge_posting_chunk",
        ondelete="CASCADE",
    ),
    Index("knowledge_posting_by_chunk", "chunk_id"),
)

knowledge_term = Table(
    "knowledge_term",
    metadata,
    Column("project_id", BigInteger, nullable=False),
    Column("base_id", BigInteger, nullable=False),
    Column("term", Text, nullable=False),
    Column("chunks", BigInteger, nullable=False, comment="postings of the term, kept by triggers"),
    PrimaryKeyConstraint("project_id", "base_id", "term", name="knowledge_term_pkey"),
    ForeignKeyConstraint(
        ["project_id", "base_id"],
        ["knowledge_base.project_id", "knowledge_base.id"],
        name="knowledge_term_base",
        ondelete="CASCADE",
    ),
)

knowledge_golden = Table(
    "knowledge_golden",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("project_id", BigInteger, nullable=False),
    Column("base_id", BigInteger, nullable=False),
    Column("question", Text, nullable=False),
    Column("source", Text, nullable=False, comment="document that answers it"),
    Column("contains", Text, nullable=False, server_default="", comment="words of the chunk that answers it"),
    ForeignKeyConstraint(
        ["project_id", "base_id"],
        ["knowledge_base.project_id", "knowledge_base.id"],
        name="knowledge_golden_base",
        ondelete="CASCADE",
    ),
    Index("knowledge_golden_by_base", "project_id", "base_id"),
)

knowledge_upload = Table(
    "knowledge_upload",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("project_id", BigInteger, nullable=False),
    Column("base_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False, comment="file name or label; empty where text came without"),
    Column("is_file", Boolean, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("lease_until", DateTime(timezone=True), comment="until when a process ingests it"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    ForeignKeyConstraint(
        ["project_id", "base_id"],
        ["knowledge_base.project_id", "knowledge_base.id"],
        name="knowledge_upload_base",
        ondelete="CASCADE",
    ),
    Index("knowledge_upload_by_base", "project_id", "base_id"),
)

knowledge_unanswered = Table(
    "knowledge_unanswered",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("project_id", BigInteger, nullable=False),
    Column("base_id", BigInteger, nullable=False),
    Column("question", Text, nullable=False, comment="as it was understood"),
    Column("times", Integer, nullable=False, server_default=text("1")),
    Column("score", Float, nullable=False, comment="of the best chunk when it was asked last"),
    Column("session_id", BigInteger, nullable=False, comment="in which it was asked last"),
    Column("first_asked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("last_asked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("project_id", "base_id", "question", name="knowledge_unanswered_once"),
    ForeignKeyConstraint(
        ["project_id", "base_id"],
        ["knowledge_base.project_id", "knowledge_base.id"],
        name="knowledge_unanswered_base",
        ondelete="CASCADE",
    ),
)


@event.listens_for(metadata, "after_create")
def _make_functions(target: MetaData, connection: Connection, **_: object) -> None:
    for name in functions.NAMES:
        connection.execute(text(functions.read_function(name)))
