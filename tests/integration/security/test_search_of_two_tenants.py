"""What `make check-api` needs for its search with two tenants, without the search, which takes long."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio.to_thread
import pytest

from control_plane.reference.document import operations
from tests.support.database import CHECKOUT, Clone
from tests.support.platform import Platform
from tools.check_api import add_neighbour, part_of, read_document

pytestmark = pytest.mark.anyio


def hooks(monkeypatch: pytest.MonkeyPatch, neighbour: Path) -> ModuleType:
    monkeypatch.setenv("PARLEY_CHECK_NEIGHBOUR", str(neighbour))
    spec = importlib.util.spec_from_file_location("neighbours_of_the_search", CHECKOUT / "tests/api/neighbours.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_a_search_has_a_neighbour_whose_ids_it_tries(
    platform: Platform, clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready: dict[str, Any] = {"database_url": clone.owner, "api_url": platform.url}
    document = await anyio.to_thread.run_sync(read_document, ready)
    file = await anyio.to_thread.run_sync(add_neighbour, ready, document, tmp_path / "neighbour.json")
    told = json.loads(file.read_text())
    assert told["natural"]["GET /api/v1/agents/{agent_id} agent_id"] == "persona"
    assert len(told["natural"]) > 150

    module = hooks(monkeypatch, file)
    operation = SimpleNamespace(label="GET /api/v1/agents/{agent_id}")
    tried = set()
    for _ in range(60):
        meta = SimpleNamespace(phase=SimpleNamespace(name="fuzzing"))
        case = SimpleNamespace(operation=operation, meta=meta, path_parameters={"agent_id": "1"}, query={}, body=None)
        module.before_call(None, case, {})
        tried.add(case.path_parameters["agent_id"])
    assert told["ids"]["persona"] in tried
    assert len(tried) > 5
    assert module.counted["cases"] == 60
    answer = SimpleNamespace(text_lossy=lambda: f"a {told['mark'].upper()}session-name b", status_code=200)
    operation.path = "/api/v1/agents/{agent_id}"
    with pytest.raises(AssertionError, match="another tenant's word"):
        module.no_foreign_words(None, answer, case)
    operation.path = "/api/v1/admin/audit"  # whoever runs the platform sees all tenants
    module.no_foreign_words(None, answer, case)


async def test_the_parts_of_a_search_are_all_operations(platform: Platform) -> None:
    document = await anyio.to_thread.run_sync(read_document, {"api_url": platform.url})
    parts = [part_of(document, number, 4) for number in range(1, 5)]
    names = [name for part in parts for name in part]
    assert len(names) == len(set(names))
    assert set(names) == {operation["operationId"] for _, _, operation in operations(document)}
    assert min(map(len, parts)) > 20
