"""Counting what the database is really asked, whoever asks: SQLAlchemy and the direct door use the same driver."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

BACKGROUND = (
    "last_used_at",
    "listen ",
    "pg_notify",
    "key_id = any(",
    "advisory_lock_shared",
    "process_pulse",
    "update knowledge_upload set lease_until",
)
"""What the process does by itself; besides, it follows the log of all projects."""


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements sent within the block; BEGIN and COMMIT are not among them."""
    sent: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def counted(self: Any, query: Any, *args: Any, **options: Any) -> Any:
        asked = str(query).lower()
        follows_log = "event.seq >" in asked and "event.project_id =" not in asked
        if not follows_log and not any(word in asked for word in BACKGROUND):
            sent.append(str(query))
        return await execute(self, query, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.AsyncCursor, "execute", counted)
        yield sent
