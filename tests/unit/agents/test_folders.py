"""Processes that share a spool folder: each has its own, and what one leaves for good another one sends."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.contract import Submission
from agents.folders import OwnFolder
from agents.spool import LAST, Spool


def submission(sequence: int, *, session: int = 7, kind: str = "line.spoken.v1") -> Submission:
    return Submission(session_id=session, epoch=1, sequence=sequence, capability="c", report={"type": kind})


@pytest.fixture
def taken() -> Iterator[list[OwnFolder]]:
    """Folders that are left after the test."""
    folders: list[OwnFolder] = []
    yield folders
    for folder in folders:
        folder.close()


def take(shared: Path, taken: list[OwnFolder]) -> OwnFolder:
    taken.append(OwnFolder(shared))
    return taken[-1]


def test_three_processes_have_three_folders_and_sockets_and_a_fourth_one_that_became_free(
    tmp_path: Path, taken: list[OwnFolder]
) -> None:
    first, second, third = (take(tmp_path, taken) for _ in range(3))
    assert [first.path, second.path, third.path] == [tmp_path, tmp_path / "2", tmp_path / "3"]
    assert len({folder.jobs_socket for folder in (first, second, third)}) == 3
    second.close()
    taken.remove(second)
    assert take(tmp_path, taken).path == tmp_path / "2"


def test_files_of_a_living_neighbour_are_left_alone(tmp_path: Path, taken: list[OwnFolder]) -> None:
    first, second = take(tmp_path, taken), take(tmp_path, taken)
    theirs, ours = Spool(first.path), Spool(second.path)
    theirs.keep(submission(1))
    second.adopt_once(ours)
    assert list(ours.waiting()) == []
    assert (first.path / "7-1.spool").exists()
    theirs.close()


def leave_reports(shared: Path, path: "multiprocessing.SimpleQueue[str]") -> None:
    folder = OwnFolder(shared)
    spool = Spool(folder.path)
    spool.keep(submission(1))
    spool.keep(submission(2, kind=LAST))
    spool.keep(submission(1, session=8, kind=LAST))
    spool.park(8, 1, 1, "unknown session")
    path.put(str(folder.path))
    signal.pause()


def test_what_a_process_left_that_was_killed_is_sent_by_another_once_and_then_gone(
    tmp_path: Path, taken: list[OwnFolder]
) -> None:
    survivor = take(tmp_path, taken)
    spool = Spool(survivor.path)
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    process = context.Process(target=leave_reports, args=(tmp_path, told))
    process.start()
    left = Path(told.get())
    survivor.adopt_once(spool)
    assert list(spool.waiting()) == [], "it lives"
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(20)

    survivor.adopt_once(spool)
    survivor.adopt_once(spool)
    assert [each.sequence for each in spool.waiting()] == [1, 2]
    assert spool.count_parked() == 1
    assert list(left.glob("*.spool")) == []
    assert not (left / "parked.jsonl").exists()
    for sequence in (1, 2):
        spool.acknowledge(7, 1, sequence)
    assert list(tmp_path.glob("*.spool")) == []
    spool.close()


def test_what_the_disk_does_not_take_over_stays_where_it_is(
    tmp_path: Path, taken: list[OwnFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    survivor, dead = take(tmp_path, taken), take(tmp_path, taken)
    theirs, ours = Spool(dead.path), Spool(survivor.path)
    theirs.keep(submission(1))
    theirs.close()
    dead.close()
    taken.remove(dead)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        survivor.adopt_once(ours)
    assert (dead.path / "7-1.spool").exists()
    survivor.adopt_once(ours)
    assert not (dead.path / "7-1.spool").exists()
    assert [each.sequence for each in ours.waiting()] == [1]
    ours.close()


def test_a_file_that_cannot_be_read_keeps_no_other_from_being_taken_over(
    tmp_path: Path, taken: list[OwnFolder]
) -> None:
    survivor, dead = take(tmp_path, taken), take(tmp_path, taken)
    theirs, ours = Spool(dead.path), Spool(survivor.path)
    theirs.keep(submission(1))
    theirs.close()
    dead.close()
    taken.remove(dead)
    (dead.path / "1-1.spool").mkdir()
    (dead.path / "parked.jsonl").write_bytes(b"torn \xff\n")
    survivor.adopt_once(ours)
    assert [each.sequence for each in ours.waiting()] == [1]
    assert ours.count_parked() == 1
    ours.close()


def test_a_file_that_cannot_be_read_keeps_no_worker_from_starting(tmp_path: Path) -> None:
    before = Spool(tmp_path)
    before.keep(submission(1))
    before.close()
    (tmp_path / "1-1.spool").mkdir()
    after = Spool(tmp_path)
    assert [each.sequence for each in after.waiting()] == [1]
    after.close()
