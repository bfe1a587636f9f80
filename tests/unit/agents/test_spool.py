"""The spool: what was kept survives the process, goes when acknowledged, and is never doubled."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.contract import GONE, Submission
from agents.spool import LAST, Spool


def submission(sequence: int, *, session: int = 7, epoch: int = 1, kind: str = "line.spoken.v1") -> Submission:
    return Submission(
        session_id=session, epoch=epoch, sequence=sequence, capability="c", report={"type": kind, "text": "Grüße\n"}
    )


@pytest.fixture
def open_spool() -> Iterator[Callable[[Path], Spool]]:
    """Opens spools; their files are closed after the test, as a dead process's are."""
    spools: list[Spool] = []

    def open_one(folder: Path) -> Spool:
        spools.append(Spool(folder))
        return spools[-1]

    yield open_one
    for spool in spools:
        spool.close()


def waiting(spool: Spool) -> list[tuple[int, int, int]]:
    return [(each.session_id, each.epoch, each.sequence) for each in spool.waiting()]


def test_what_was_kept_is_there_after_a_restart(open_spool: Callable[[Path], Spool], tmp_path: Path) -> None:
    first = open_spool(tmp_path)
    for sequence in (1, 2, 3):
        first.keep(submission(sequence))
    first.acknowledge(7, 1, 1)
    # The process dies here: nothing is closed.
    second = open_spool(tmp_path)
    assert waiting(second) == [(7, 1, 1), (7, 1, 2), (7, 1, 3)]
    assert second.waiting()[0].report["text"] == "Grüße\n"


def test_a_report_that_nobody_can_write_is_not_held_to_be_sent(
    open_spool: Callable[[Path], Spool], tmp_path: Path
) -> None:
    spool = open_spool(tmp_path)
    half = Submission(session_id=7, epoch=1, sequence=1, capability="c", report={"text": "\ud83d"})
    with pytest.raises(ValueError, match="surrogates"):
        spool.keep(half)
    assert spool.waiting() == []


def test_a_half_written_line_is_dropped_and_the_rest_kept(open_spool: Callable[[Path], Spool], tmp_path: Path) -> None:
    open_spool(tmp_path).keep(submission(1))
    file = tmp_path / "7-1.spool"
    file.write_bytes(file.read_bytes() + b'{"type":"report","session_id":7,"epo')
    assert waiting(open_spool(tmp_path)) == [(7, 1, 1)]


def test_a_finished_and_acknowledged_call_leaves_no_file(open_spool: Callable[[Path], Spool], tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.keep(submission(1))
    spool.keep(submission(2, kind=LAST))
    spool.acknowledge(7, 1, 2)
    assert (tmp_path / "7-1.spool").exists()
    spool.acknowledge(7, 1, 1)
    assert list(tmp_path.glob("*.spool")) == []


def test_a_report_of_a_conversation_that_is_kept_no_longer_is_put_aside_nowhere(
    open_spool: Callable[[Path], Spool], tmp_path: Path
) -> None:
    spool = open_spool(tmp_path)
    spool.keep(submission(1))
    spool.park(7, 1, 1, GONE)
    assert waiting(spool) == []
    assert not (tmp_path / "parked.jsonl").exists()


def test_a_refused_report_is_parked_with_its_reason(open_spool: Callable[[Path], Spool], tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.keep(submission(1, kind=LAST))
    spool.park(7, 1, 1, "unknown session")
    assert waiting(spool) == []
    assert "unknown session" in (tmp_path / "parked.jsonl").read_text()
    assert list(tmp_path.glob("*.spool")) == []


def test_what_the_disk_takes_again_waits_though_memory_was_full(
    open_spool: Callable[[Path], Spool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.spool.HELD", 1)
    spool = open_spool(tmp_path)
    with mock.patch("os.write", side_effect=OSError(ENOSPC, "full")):
        assert not spool.keep(submission(1))
    assert spool.keep(submission(2))
    assert waiting(spool) == waiting(open_spool(tmp_path)) == [(7, 1, 1), (7, 1, 2)]


def test_files_are_private(open_spool: Callable[[Path], Spool], tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool")
    spool.keep(submission(1))
    assert (tmp_path / "spool" / "7-1.spool").stat().st_mode & 0o077 == 0


@settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["keep", "acknowledge", "restart"]), st.integers(1, 3), st.integers(1, 6)),
        max_size=40,
    )
)
def test_nothing_kept_is_lost_before_it_is_acknowledged(
    tmp_path_factory: object, steps: list[tuple[str, int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("spool")  # type: ignore[attr-defined]
    spool = Spool(folder)
    owed: set[tuple[int, int, int]] = set()
    for step, session, sequence in steps:
        if step == "keep":
            spool.keep(submission(sequence, session=session))
            owed.add((session, 1, sequence))
        elif step == "acknowledge":
            spool.acknowledge(session, 1, sequence)
            owed.discard((session, 1, sequence))
        else:
            spool.close()
            spool = Spool(folder)
        found = waiting(spool)
        assert owed <= set(found)
        assert found == sorted(set(found))
    spool.close()


def test_a_job_that_is_given_up_leaves_no_file(open_spool: Callable[[Path], Spool], tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    for sequence in (1, 2):
        spool.keep(submission(sequence))
    spool.acknowledge(7, 1, 1)
    spool.release(7, 1)
    assert waiting(spool) == [(7, 1, 2)]
    spool.acknowledge(7, 1, 2)
    assert list(tmp_path.glob("*.spool")) == []


def test_giving_up_a_job_whose_reports_have_all_arrived_removes_its_file(
    open_spool: Callable[[Path], Spool], tmp_path: Path
) -> None:
    spool = open_spool(tmp_path)
    spool.keep(submission(1))
    spool.acknowledge(7, 1, 1)
    spool.release(7, 1)
    assert list(tmp_path.glob("*.spool")) == []


class MeetingFolder(type(Path())):  # type: ignore[misc]
    """A folder in which two threads meet as they name a file, or nobody comes for a moment."""

    def __truediv__(self, name: Any) -> Path:
        with suppress(BrokenBarrierError):
            self.meeting.wait(0.3)
        return Path(str(self)) / name


def test_two_first_reports_of_a_job_at_once_are_both_kept(tmp_path: Path) -> None:
    folder = MeetingFolder(tmp_path)
    folder.meeting = Barrier(2)
    spool = Spool(folder)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(spool.keep, [submission(1), submission(1_000_001)]))
    assert waiting(spool) == [(7, 1, 1), (7, 1, 1_000_001)]
    spool.acknowledge(7, 1, 1)
    spool.acknowledge(7, 1, 1_000_001)
    spool.release(7, 1)
    spool.close()
    assert list(tmp_path.glob("*.spool")) == []


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["keep", "acknowledge", "restart"]), st.integers(1, 2), st.integers(1, 6)),
        max_size=25,
    ),
    fits=st.lists(st.integers(0, 400), max_size=30),
)
def test_a_disk_that_takes_a_part_of_a_line_takes_none_of_it(
    tmp_path_factory: Any, steps: list[tuple[str, int, int]], fits: list[int]
) -> None:
    """What the disk was said to have is there after a restart; what it refused is there as long as the process is."""
    folder = tmp_path_factory.mktemp("spool")
    room = iter(fits)

    def write(file: int, data: bytes) -> int:
        fitting = next(room, len(data))
        if fitting == 0:
            raise OSError(ENOSPC, "No space left on device")
        return real(file, data[:fitting])

    real = os.write
    spool = Spool(folder)
    on_disk: set[tuple[int, int, int]] = set()
    held: set[tuple[int, int, int]] = set()
    with mock.patch("os.write", write):
        for step, session, sequence in steps:
            key = (session, 1, sequence)
            if step == "keep":
                before = set(waiting(spool))
                if spool.keep(submission(sequence, session=session)):
                    on_disk.add(key)
                    held = {each for each in held if each[0] != session}
                    on_disk |= {each for each in before if each[0] == session}
                elif key not in on_disk:
                    held.add(key)
            elif step == "acknowledge":
                spool.acknowledge(*key)
                on_disk.discard(key)
                held.discard(key)
            else:
                spool.close()
                spool, held = Spool(folder), set()
            assert on_disk | held <= set(waiting(spool))
    spool.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("only root may mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_costs_no_report_as_long_as_the_process_lives(
    open_spool: Callable[[Path], Spool], small_disk: Path
) -> None:
    spool = open_spool(small_disk)
    kept = [spool.keep(submission(sequence)) for sequence in range(1, 601)]
    assert kept[0]
    assert not kept[-1]
    assert [sequence for _, _, sequence in waiting(spool)] == list(range(1, 601))
    for sequence in range(1, 600):
        spool.acknowledge(7, 1, sequence)
    spool.park(7, 1, 600, "refused, and there is no place to say so")
    assert waiting(spool) == [(7, 1, 600)]
    # Another job ends, its file goes, and the disk takes what it owed.
    assert not spool.keep(submission(1, session=8))
    spool.release(7, 1)
    spool.acknowledge(7, 1, 600)
    assert spool.keep(submission(2, session=8))
    spool.close()
    assert waiting(open_spool(small_disk)) == [(8, 1, 1), (8, 1, 2)]


def test_sessions_that_are_to_be_forgotten_are_on_no_disk(open_spool: Callable[[Path], Spool], tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    for session in (7, 8):
        for sequence in (1, 2):
            spool.keep(submission(sequence, session=session))
        spool.park(session, 1, 1, "no such session")

    spool.forget([7])

    assert waiting(spool) == [(8, 1, 2)]
    assert [path.name for path in tmp_path.glob("7-*")] == []
    parked = (tmp_path / "parked.jsonl").read_text().splitlines()
    assert [json.loads(line)["report"]["session_id"] for line in parked] == [8]
    assert (tmp_path / "parked.jsonl").stat().st_mode & 0o077 == 0
    spool.forget([8])
    assert waiting(open_spool(tmp_path)) == []
