"""The first tables: accounts, personas, rooms, sessions, the event log, jobs, knowledge."""

import sqlalchemy as sa
from pgvector.sqlalchemy import Vector
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("plan", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("room_name", sa.String(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("seq"),
    )
    op.create_index("event_by_project", "event", ["project_id", "seq"], unique=False)
    op.create_index("event_unstamped", "event", ["id"], unique=False, postgresql_where=sa.text("seq is null"))
    op.create_table(
        "job",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=True),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "job_waiting", "job", ["run_at"], unique=False, postgresql_where=sa.text("state in ('waiting', 'running')")
    )
    op.create_index(
        "one_open_job_per_key",
        "job",
        ["kind", "key"],
        unique=True,
        postgresql_where=sa.text("state in ('waiting', 'running')"),
    )
    op.create_table(
        "livekit_hook",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "worker",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("connected", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "project",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("store_transcripts", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
    )
    op.create_index(op.f("ix_project_account_id"), "project", ["account_id"], unique=False)
    op.create_table(
        "api_key",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
        sa.UniqueConstraint("key_id"),
    )
    op.create_index(op.f("ix_api_key_project_id"), "api_key", ["project_id"], unique=False)
    op.create_table(
        "persona",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("agent_type", sa.String(), nullable=False),
        sa.Column("instructions", sa.String(), nullable=False),
        sa.Column("greeting", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("llm_provider", sa.String(), nullable=False),
        sa.Column("llm_model", sa.String(), nullable=True),
        sa.Column("temperature", sa.Float(), nullable=True),
        sa.Column("stt_provider", sa.String(), nullable=False),
        sa.Column("stt_model", sa.String(), nullable=True),
        sa.Column("tts_provider", sa.String(), nullable=False),
        sa.Column("tts_model", sa.String(), nullable=True),
        sa.Column("voice_id", sa.String(), nullable=True),
        sa.Column("fallbacks", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column(
            "knowledge_base_ids",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column("tools", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column(
            "turn_taking", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("voicemail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("max_call_duration", sa.Integer(), nullable=False),
        sa.Column("silence_timeout", sa.Integer(), nullable=False),
        sa.Column("record", sa.Boolean(), nullable=False),
        sa.Column("store_transcripts", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "id"),
    )
    op.create_table(
        "room",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("full_name", sa.String(), nullable=False),
        sa.Column("sid", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("empty_timeout", sa.Integer(), nullable=False),
        sa.Column("max_participants", sa.Integer(), nullable=False),
        sa.Column("metadata", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "id"),
    )
    op.create_index(
        "one_open_room_per_name", "room", ["full_name"], unique=True, postgresql_where=sa.text("status = 'open'")
    )
    op.create_index("room_by_project", "room", ["project_id", "full_name", "id"], unique=False)
    op.create_table(
        "session",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("room_name", sa.String(), nullable=False),
        sa.Column("persona_id", sa.BigInteger(), nullable=True),
        sa.Column("agent_name", sa.String(), nullable=True),
        sa.Column("llm_provider", sa.String(), nullable=True),
        sa.Column("llm_model", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("end_reason", sa.String(), nullable=True),
        sa.Column("session_type", sa.String(), nullable=False),
        sa.Column("caller_identity", sa.String(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("summary", sa.String(), nullable=True),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.Column("store_transcripts", sa.Boolean(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "id"),
    )
    op.create_index(
        "one_active_session_per_room",
        "session",
        ["room_name"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_index("session_by_project", "session", ["project_id", "id"], unique=False)
    op.create_table(
        "slot",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("room_name", sa.String(), nullable=False),
        sa.Column("persona_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("ticket_hash", sa.LargeBinary(), nullable=False),
        sa.Column("variables", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("caller_identity", sa.String(), nullable=True),
        sa.Column("session_id", sa.BigInteger(), nullable=True),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ticket_hash"),
    )
    op.create_index(op.f("ix_slot_session_id"), "slot", ["session_id"], unique=False)
    op.create_index("slot_by_account", "slot", ["account_id"], unique=False)
    op.create_index("slot_by_room", "slot", ["room_name"], unique=False)
    op.create_table(
        "participant",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("room_id", sa.BigInteger(), nullable=False),
        sa.Column("sid", sa.String(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("tracks", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id", "room_id"], ["room.project_id", "room.id"], name="participant_room", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("room_id", "sid"),
    )
    op.create_index(
        "participant_present", "participant", ["room_id"], unique=False, postgresql_where=sa.text("left_at is null")
    )
    op.create_table(
        "session_job",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("livekit_job_id", sa.String(), nullable=False),
        sa.Column("persona_id", sa.BigInteger(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("worker_id", sa.String(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id", "session_id"], ["session.project_id", "session.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("livekit_job_id"),
        sa.UniqueConstraint("session_id", "epoch"),
    )
    op.create_index(
        "session_job_running",
        "session_job",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("ended_at is null"),
    )
    op.create_table(
        "transcript_line",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("speaker", sa.String(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("timestamp_ms", sa.BigInteger(), nullable=False),
        sa.Column("interrupted", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id", "session_id"], ["session.project_id", "session.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("session_id", "epoch", "sequence"),
    )
    op.create_index(op.f("ix_transcript_line_session_id"), "transcript_line", ["session_id"], unique=False)
    op.create_table(
        "turn",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("speech_ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("audio_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("parts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("chunks", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id", "session_id"], ["session.project_id", "session.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("session_id", "epoch", "sequence"),
    )
    op.create_index(op.f("ix_turn_session_id"), "turn", ["session_id"], unique=False)
    op.create_table(
        "usage_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("persona_id", sa.BigInteger(), nullable=True),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("audio_seconds", sa.Float(), nullable=False),
        sa.Column("characters", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id", "session_id"], ["session.project_id", "session.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("session_id", "epoch", "sequence"),
    )
    op.create_index(op.f("ix_usage_entry_session_id"), "usage_entry", ["session_id"], unique=False)
    op.create_table(
        "knowledge_base",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("chunk_size", sa.Integer(), nullable=False),
        sa.Column("chunk_overlap", sa.Integer(), nullable=False),
        sa.Column("embedding_model", sa.Text(), nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column("indexing_status", sa.Text(), server_default="empty", nullable=False),
        sa.Column(
            "progress",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="percent of the running ingest",
        ),
        sa.Column("chunk_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("total_chars", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "indexed_chunks",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="chunks search can find",
        ),
        sa.Column(
            "indexed_terms",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="sum of their lengths",
        ),
        sa.Column("last_indexed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("indexing_status in ('empty', 'indexing', 'ready', 'error')", name="knowledge_base_status"),
        sa.CheckConstraint("chunk_overlap >= 0 and chunk_overlap < chunk_size", name="knowledge_base_overlap"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "id", name="knowledge_base_of_project"),
    )
    op.create_table(
        "knowledge_document",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("base_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="file name or label, as the owner gave it"),
        sa.Column("content_hash", sa.Text(), nullable=False, comment="SHA-256 of what was ingested, hexadecimal"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "base_id"],
            ["knowledge_base.project_id", "knowledge_base.id"],
            name="knowledge_document_base",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "base_id", "id", name="knowledge_document_of_base"),
        sa.UniqueConstraint("project_id", "base_id", "source", "content_hash", name="knowledge_document_once"),
    )
    op.create_table(
        "knowledge_chunk",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("base_id", sa.BigInteger(), nullable=False),
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column(
            "heading", sa.Text(), server_default="", nullable=False, comment="path of headings above it; searched too"
        ),
        sa.Column("chunk_index", sa.Integer(), nullable=False, comment="position in its document, from 0"),
        sa.Column("terms", sa.Integer(), nullable=False, comment="its length as BM25 counts it"),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "base_id", "document_id"],
            ["knowledge_document.project_id", "knowledge_document.base_id", "knowledge_document.id"],
            name="knowledge_chunk_document",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "base_id", "id", name="knowledge_chunk_of_base"),
    )
    op.create_index("knowledge_chunk_by_document", "knowledge_chunk", ["document_id"], unique=False)
    op.create_table(
        "knowledge_posting",
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("base_id", sa.BigInteger(), nullable=False),
        sa.Column("term", sa.Text(), nullable=False, comment="lexeme of the configuration 'english'"),
        sa.Column("chunk_id", sa.BigInteger(), nullable=False),
        sa.Column("frequency", sa.SmallInteger(), nullable=False, comment="how often the term is in the chunk"),
        sa.Column("length", sa.Integer(), nullable=False, comment="the chunk's terms, repeated to save a join"),
        sa.ForeignKeyConstraint(
            ["project_id", "base_id", "chunk_id"],
            ["knowledge_chunk.project_id", "knowledge_chunk.base_id", "knowledge_chunk.id"],
            name="knowledge_posting_chunk",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "project_id",
            "base_id",
            "term",
            "chunk_id",
            name="knowledge_posting_pkey",
            postgresql_include=["frequency", "length"],
        ),
    )
    op.create_index("knowledge_posting_by_chunk", "knowledge_posting", ["chunk_id"], unique=False)
    op.create_table(
        "knowledge_vector",
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("base_id", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("chunk_id", sa.BigInteger(), nullable=False),
        sa.Column("embedding", Vector(), nullable=False, comment="of unit length; any dimension, one per model"),
        sa.ForeignKeyConstraint(
            ["project_id", "base_id", "chunk_id"],
            ["knowledge_chunk.project_id", "knowledge_chunk.base_id", "knowledge_chunk.id"],
            name="knowledge_vector_chunk",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project_id", "base_id", "model", "chunk_id", name="knowledge_vector_pkey"),
    )
    op.create_index("knowledge_vector_by_chunk", "knowledge_vector", ["chunk_id"], unique=False)


def downgrade() -> None:
    op.drop_index("knowledge_vector_by_chunk", table_name="knowledge_vector")
    op.drop_table("knowledge_vector")
    op.drop_index("knowledge_posting_by_chunk", table_name="knowledge_posting")
    op.drop_table("knowledge_posting")
    op.drop_index("knowledge_chunk_by_document", table_name="knowledge_chunk")
    op.drop_table("knowledge_chunk")
    op.drop_table("knowledge_document")
    op.drop_table("knowledge_base")
    op.drop_index(op.f("ix_usage_entry_session_id"), table_name="usage_entry")
    op.drop_table("usage_entry")
    op.drop_index(op.f("ix_turn_session_id"), table_name="turn")
    op.drop_table("turn")
    op.drop_index(op.f("ix_transcript_line_session_id"), table_name="transcript_line")
    op.drop_table("transcript_line")
    op.drop_index("session_job_running", table_name="session_job", postgresql_where=sa.text("ended_at is null"))
    op.drop_table("session_job")
    op.drop_index("participant_present", table_name="participant", postgresql_where=sa.text("left_at is null"))
    op.drop_table("participant")
    op.drop_index("slot_by_room", table_name="slot")
    op.drop_index("slot_by_account", table_name="slot")
    op.drop_index(op.f("ix_slot_session_id"), table_name="slot")
    op.drop_table("slot")
    op.drop_index("session_by_project", table_name="session")
    op.drop_index("one_active_session_per_room", table_name="session", postgresql_where=sa.text("status = 'active'"))
    op.drop_table("session")
    op.drop_index("room_by_project", table_name="room")
    op.drop_index("one_open_room_per_name", table_name="room", postgresql_where=sa.text("status = 'open'"))
    op.drop_table("room")
    op.drop_table("persona")
    op.drop_index(op.f("ix_api_key_project_id"), table_name="api_key")
    op.drop_table("api_key")
    op.drop_index(op.f("ix_project_account_id"), table_name="project")
    op.drop_table("project")
    op.drop_table("worker")
    op.drop_table("livekit_hook")
    op.drop_index("one_open_job_per_key", table_name="job", postgresql_where=sa.text("state in ('waiting', 'running')"))
    op.drop_index("job_waiting", table_name="job", postgresql_where=sa.text("state in ('waiting', 'running')"))
    op.drop_table("job")
    op.drop_index("event_unstamped", table_name="event", postgresql_where=sa.text("seq is null"))
    op.drop_index("event_by_project", table_name="event")
    op.drop_table("event")
    op.drop_table("account")
