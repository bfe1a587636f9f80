"""The file that tells others where the platform answers: `parley up --ready FILE`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from parley.stack.errors import StepFailed
from parley.stack.services import Services

CHILDREN = (
    "control_plane",
    "jobs",
    "worker",
    "bots",
    "knowledge",
    "models",
    "phone",
    "livekit",
    "postgres",
    "redis",
    "sip",
    "egress",
)


@dataclass(frozen=True)
class Seeded:
    """What the demo data's step made; all None on a platform without a control plane."""

    project_id: int | None = None
    project_slug: str | None = None
    agent_id: int | None = None
    knowledge_base_id: int | None = None
    api_key_id: str | None = None

    @classmethod
    def parse(cls, output: str) -> Seeded:
        """Read the last line of the step's output, one JSON object."""
        try:
            content = json.loads(output.strip().splitlines()[-1])
            return cls(
                project_id=content["project"]["id"],
                project_slug=content["project"]["slug"],
                agent_id=content["agent_id"],
                knowledge_base_id=content["knowledge_base_id"],
                api_key_id=content["api_key_id"],
            )
        except (IndexError, ValueError, KeyError, TypeError) as error:
            raise StepFailed(
                "the demo data was not made",
                f"its step printed no result ({error!r})",
                "Look at seed.log",
                output.splitlines(),
            ) from error


def ready_content(services: Services, seeded: Seeded, pids: Mapping[str, int], log_dir: Path) -> dict[str, Any]:
    """Return the object that `--ready` promises. What does not run is null."""
    secrets = services.secrets
    project = {"id": seeded.project_id, "slug": seeded.project_slug}
    return {
        "api_url": services.api_url,
        "livekit_url": services.livekit_url,
        "api_key": secrets.api_key,
        "api_key_id": seeded.api_key_id,
        "api_secret": secrets.api_secret,
        "admin_key": secrets.admin_key,
        "account": {"email": secrets.account_email, "password": secrets.account_password},
        "project": project if seeded.project_id is not None else None,
        "agent_id": seeded.agent_id,
        "knowledge_base_id": seeded.knowledge_base_id,
        "models_url": services.models_url,
        "database_url": services.database.owner,
        "sip": {"address": services.sip_address, "transport": "udp"} if "sip" in pids else None,
        "pids": {name: pids.get(name) for name in CHILDREN},
        "log_dir": str(log_dir),
        "version": version("parley"),
    }
