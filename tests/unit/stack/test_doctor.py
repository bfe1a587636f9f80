"""What `parley doctor` says of a platform that runs."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from parley.stack.directories import DataDirectory
from parley.stack.doctor import Finding, Verdict, examine

WELL = {"database": {"status": "ok", "reason": None}, "egress": {"status": "absent", "reason": None}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a platform that runs, and has an API."""
    (tmp_path / "ready.json").write_text(json.dumps({"api_url": "http://127.0.0.1:1", "admin_key": "ak_1"}))
    monkeypatch.setattr(DataDirectory, "is_claimed", lambda _: True)
    return tmp_path


def findings(folder: Path, monkeypatch: pytest.MonkeyPatch, parts: dict[str, Any]) -> dict[str, Finding]:
    def get(url: str, **_: Any) -> httpx2.Response:
        return httpx2.Response(200, json={"parts": parts}, request=httpx2.Request("GET", url))

    monkeypatch.setattr(httpx2, "get", get)
    return {each.what: each for each in examine(folder)}


def test_a_platform_that_is_well_is_said_to_be(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = findings(folder, monkeypatch, WELL)
    assert found["platform"].verdict == Verdict.GOOD


def test_a_part_that_is_not_well_is_named_with_its_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = {"status": "unavailable", "reason": "no worker is connected"}
    found = findings(folder, monkeypatch, WELL | {"workers": workers})
    assert found["workers"].verdict == Verdict.BAD
    assert found["workers"].found == "no worker is connected"
    assert "operations.md" in found["workers"].mend
    assert "platform" not in found


def test_a_platform_whose_api_does_not_answer_is_not_well(folder: Path) -> None:
    (found,) = [each for each in examine(folder) if each.what == "platform"]
    assert found.verdict == Verdict.BAD
    assert "control_plane.log" in found.mend
