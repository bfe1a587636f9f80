"""The object of `--ready`, exactly as the specification names its fields."""

import json
from pathlib import Path

import pytest

from parley.stack.database import database_urls
from parley.stack.directories import DataDirectory
from parley.stack.errors import StepFailed
from parley.stack.ports import WISHES
from parley.stack.ready import Seeded, ready_content
from parley.stack.secrets import Secrets
from parley.stack.services import Services

PORTS = {name: wish.first for name, wish in WISHES.items()}
PRINTED = {
    "project": {"id": 1, "slug": "proj"},
    "agent_id": 1,
    "knowledge_base_id": 2,
    "api_key_id": "K1",
}


@pytest.fixture
def services(tmp_path: Path) -> Services:
    secrets = Secrets.generate()
    return Services(DataDirectory(tmp_path), PORTS, secrets, database_urls(54320, secrets), parent={})


def test_the_ready_object_has_the_promised_fields(services: Services) -> None:
    seeded = Seeded.parse("a line of somebody else\n" + json.dumps(PRINTED) + "\n")
    ready = ready_content(services, seeded, {"postgres": 7, "worker": 8}, Path("/logs"))
    assert list(ready) == [
        *("api_url", "livekit_url", "api_key", "api_key_id", "api_secret", "admin_key", "account", "project"),
        *("agent_id", "knowledge_base_id", "models_url", "database_url", "sip", "pids", "log_dir", "version"),
    ]
    assert ready["api_url"] == "http://127.0.0.1:8000"
    assert ready["livekit_url"] == "ws://127.0.0.1:7880"
    assert ready["project"] == {"id": 1, "slug": "proj"}
    assert (ready["agent_id"], ready["knowledge_base_id"], ready["api_key_id"]) == (1, 2, "K1")
    assert ready["database_url"].startswith("postgresql://parley_owner:")
    assert json.loads(json.dumps(ready)) == ready


def test_what_does_not_run_is_null(services: Services) -> None:
    ready = ready_content(services, Seeded(), {"postgres": 7}, Path("/logs"))
    assert ready["sip"] is None
    assert ready["project"] is None
    assert {name for name, pid in ready["pids"].items() if pid is not None} == {"postgres"}
    assert {"sip", "egress", "control_plane", "jobs", "worker", "knowledge", "models", "livekit", "redis"} <= set(
        ready["pids"]
    )


@pytest.mark.parametrize("printed", ["", "no json", "{}", '{"project": null}'])
def test_demo_data_without_a_result_is_an_error(printed: str) -> None:
    with pytest.raises(StepFailed, match="demo data"):
        Seeded.parse(printed)
