"""Who answers. The API calls a persona an agent."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from control_plane.db.rows import big, created_now, id_column, json_list, json_object, json_value, moment, owner


class Persona(SQLModel, table=True):
    """A voice with instructions, models, knowledge and limits."""

    __table_args__ = (UniqueConstraint("project_id", "id"),)

    id: int = id_column()
    project_id: int = owner()
    name: str
    agent_type: str = "voice"
    instructions: str = ""
    greeting: str = ""
    language: str = "en"
    llm_provider: str = "openai"
    llm_model: str | None = None
    temperature: float | None = None
    stt_provider: str = "openai"
    stt_model: str | None = None
    tts_provider: str = "openai"
    tts_model: str | None = None
    voice_id: str | None = None
    fallbacks: dict[str, Any] = json_object()
    knowledge_base_ids: list[int] = json_list()
    tools: list[dict[str, Any]] = json_list()
    turn_taking: dict[str, Any] = json_object()
    voicemail: dict[str, Any] = json_object()
    max_call_duration: int = 3600
    silence_timeout: int = 120
    record: bool = False
    record_notice: str = ""
    store_transcripts: bool = True
    fallback_number: str | None = None
    transfer_numbers: list[dict[str, Any]] = json_list()
    is_active: bool = True
    budget: dict[str, Any] | None = json_value()
    published_version: int | None = Field(default=None, description="What calls use; None: the row itself.")
    created_at: datetime = created_now()
    updated_at: datetime | None = moment(nullable=True)
    deleted_at: datetime | None = moment(nullable=True)


class PersonaVersion(SQLModel, table=True):
    """An agent's settings as they were published."""

    __tablename__ = "persona_version"
    __table_args__ = (
        ForeignKeyConstraint(["project_id", "persona_id"], ["persona.project_id", "persona.id"], ondelete="CASCADE"),
        UniqueConstraint("persona_id", "version"),
        Index("persona_version_by_project", "project_id"),
    )

    id: int = id_column()
    project_id: int = owner()
    persona_id: int = big()
    version: int
    settings: dict[str, Any] = json_object()
    note: str = ""
    created_at: datetime = created_now()
