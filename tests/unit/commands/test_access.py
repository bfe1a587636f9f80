"""Finding the platform: ready file, address, key."""

import json
from pathlib import Path

import pytest

from parley.client import Access, PlatformError
from parley.commands.running import find_operator

READY = {"api_url": "http://127.0.0.1:8000", "livekit_url": "ws://127.0.0.1:7880", "api_key": "pk_file", "agent_id": 1}


@pytest.fixture
def ready_file(tmp_path: Path) -> Path:
    path = tmp_path / "ready.json"
    path.write_text(json.dumps(READY))
    return path


def test_the_ready_file_names_address_and_key(ready_file: Path) -> None:
    access = Access.find(ready_file)
    assert (access.api_url, access.api_key.get_secret_value()) == ("http://127.0.0.1:8000", "pk_file")
    assert access.monitor_url == "ws://127.0.0.1:8000/ws/monitor"


def test_a_key_that_is_given_takes_the_place_of_the_files(ready_file: Path) -> None:
    assert Access.find(ready_file, key="pk_mine").api_key.get_secret_value() == "pk_mine"


def test_an_address_needs_no_ready_file(tmp_path: Path) -> None:
    access = Access.find(tmp_path / "none", url="https://voice.example.org/", key="pk_mine")
    assert access.monitor_url == "wss://voice.example.org/ws/monitor"


def test_a_key_is_never_in_what_is_printed_of_it(ready_file: Path) -> None:
    assert "pk_file" not in repr(Access.find(ready_file))


@pytest.mark.parametrize(
    ("url", "key", "told"),
    [
        (None, None, "parley up"),
        ("voice.example.org", "pk_mine", "--url https://"),
        ("https://voice.example.org", None, "PARLEY_API_KEY"),
    ],
)
def test_what_is_missing_is_told_with_its_mend(tmp_path: Path, url: str | None, key: str | None, told: str) -> None:
    with pytest.raises(PlatformError, match=told):
        Access.find(tmp_path / "none.json", url=url, key=key)


def test_a_file_of_another_kind_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "ready.json").write_text('{"api_url": 1}')
    with pytest.raises(PlatformError, match="not a ready file"):
        Access.find(tmp_path / "ready.json")


def test_the_operators_key_is_the_one_given_or_else_the_files(ready_file: Path) -> None:
    ready_file.write_text(json.dumps(READY | {"admin_key": "ak_file"}))
    for given, used in ((None, "ak_file"), ("ak_mine", "ak_mine")):
        assert find_operator(ready_file, None, given).api_key.get_secret_value() == used
    assert find_operator(ready_file, "https://voice.example.org", "ak_mine").api_url == "https://voice.example.org"
