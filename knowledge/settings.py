"""What the knowledge process needs to know: one frozen object, read once from `PARLEY_…` variables."""

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from guard.settings import demand_own_secrets

SOCKET_PATH_LIMIT: Final = 107
"""Bytes that the operating system allows in a unix socket's path."""


class KnowledgeSettings(BaseSettings):
    """Settings of `python -m knowledge serve`."""

    model_config = SettingsConfigDict(
        env_prefix="PARLEY_", env_ignore_empty=True, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    environment: Literal["development", "production"] = Field(
        "production", description="A well-known secret starts only in development."
    )
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
    log_format: Literal["json", "console"] = Field("json", description="How log lines are written.")

    @model_validator(mode="after")
    def _can_start(self) -> Self:
        demand_own_secrets(self)
        if len(bytes(self.knowledge_socket)) > SOCKET_PATH_LIMIT:
            raise ValueError(
                f"PARLEY_KNOWLEDGE_SOCKET is longer than {SOCKET_PATH_LIMIT} bytes: choose a shorter folder"
            )
        return self

    @property
    def postgres_url(self) -> str:
        """The database address for psycopg."""
        return self.knowledge_database_url.get_secret_value().replace("postgresql+psycopg://", "postgresql://", 1)
