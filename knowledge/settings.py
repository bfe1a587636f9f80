"""What the knowledge process needs to know: one frozen object, read once from `PARLEY_…` variables."""

from pathlib import Path
from typing import Final, Self

from pydantic import Field, SecretStr, model_validator

from guard.settings import ProcessSettings

SOCKET_PATH_LIMIT: Final = 107
"""Bytes that the operating system allows in a unix socket's path."""


class KnowledgeSettings(ProcessSettings):
    """Settings of `python -m knowledge serve`."""

    knowledge_database_url: SecretStr = Field(description="`postgresql://parley_knowledge:…@host:port/database`.")
    knowledge_socket: Path = Field(description="Unix socket that this host's workers ask at.")
    knowledge_pool: int = Field(4, ge=1, le=64, description="Connections to PostgreSQL at most.")
    knowledge_embedder: str = Field("minilm", description="minilm, sentence-transformers:NAME or openai:MODEL.")
    knowledge_former_embedder: str | None = Field(None, description="Embedder of bases until they are reindexed.")
    knowledge_threads: int = Field(1, ge=1, description="Cores that one embedding may use.")
    worker_token: SecretStr = Field(
        min_length=1, description="Capabilities of calls are signed with a key derived from it."
    )
    models_url: str | None = Field(None, description="OpenAI-compatible server, for an embedder openai:MODEL.")
    models_api_key: SecretStr = Field(SecretStr(""), description="Its key.")

    @model_validator(mode="after")
    def _socket_can_be_opened(self) -> Self:
        if len(bytes(self.knowledge_socket)) > SOCKET_PATH_LIMIT:
            raise ValueError(
                f"PARLEY_KNOWLEDGE_SOCKET is longer than {SOCKET_PATH_LIMIT} bytes: choose a shorter folder"
            )
        return self

    @property
    def postgres_url(self) -> str:
        """The database address for psycopg."""
        return self.knowledge_database_url.get_secret_value().replace("postgresql+psycopg://", "postgresql://", 1)
