"""The spool: what was kept survives the process, goes when acknowledged, and is never doubled."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.contract import Submission
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
    assert next(second.waiting()).report["text"] == "Grüße\n"


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


def test_a_refused_report_is_parked_with_its_reason(open_spool: Callable[[Path], Spool], tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.keep(submission(1, kind=LAST))
    spool.park(7, 1, 1, "unknown session")
    assert waiting(spool) == []
    assert "unknown session" in (tmp_path / "parked.jsonl").read_text()
    assert list(tmp_path.glob("*.spool")) == []


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
