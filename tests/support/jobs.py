"""A conversation as a persona's process is told of it."""

from datetime import UTC, datetime
from typing import Any

from agents.calling import PersonaJob


def persona_job(**fields: Any) -> PersonaJob:
    """The first job of session 1, begun now; but for these fields."""
    told: dict[str, Any] = {
        "session_id": 1,
        "epoch": 1,
        "project_id": 1,
        "persona_id": 1,
        "persona_name": "Robin",
        "room_name": "proj_r",
        "identity": "agent-1",
        "capability": "c",
        "instructions": "",
        "started_at": datetime.now(UTC),
    }
    return PersonaJob.model_validate(told | fields)
