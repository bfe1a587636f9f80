"""The record of running children: it names ours and never somebody else's process."""

import json
import os
from pathlib import Path

from parley.stack import processes
from parley.stack.records import RunRecord


def own_start() -> int:
    info = processes.describe(os.getpid())
    assert info is not None
    return info.started


def test_a_pid_that_another_process_got_by_now_is_not_a_leftover(tmp_path: Path) -> None:
    record = RunRecord(tmp_path / "processes.json")
    record.add("redis", os.getpid(), own_start() - 1)
    assert record.leftovers() == {}


def test_a_record_of_an_earlier_boot_names_nobody(tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    RunRecord(path).add("redis", os.getsid(0), 0)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "boot_id": "another"}))
    assert RunRecord(path).leftovers() == {}


def test_a_missing_or_damaged_record_names_nobody(tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    assert RunRecord(path).leftovers() == {}
    path.write_text('{"boot_id": ')
    assert RunRecord(path).leftovers() == {}


def test_a_forgotten_child_is_not_in_the_record(tmp_path: Path) -> None:
    record = RunRecord(tmp_path / "processes.json")
    record.add("redis", 1, 2)
    record.add("livekit", 3, 4)
    record.remove("redis")
    assert list(json.loads((tmp_path / "processes.json").read_text())["children"]) == ["livekit"]
    record.clear()
    assert not (tmp_path / "processes.json").exists()
