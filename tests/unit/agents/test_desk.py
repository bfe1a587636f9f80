"""A job's line to its main process when the disk is full."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from errno import ENOSPC
from pathlib import Path
from unittest import mock

import pytest

from agents.attendance import Word
from agents.calling import PersonaJob
from agents.contract import LineSpoken, Submission
from agents.desk import JobDesk
from agents.reporter import FLUSH, LONGEST_TEXT, Reporter
from agents.spool import Spool
from tests.support.jobs import persona_job

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)


JOB = persona_job(started_at=NOW)


async def nothing(_: object) -> None: ...


@asynccontextmanager
async def a_desk(
    folder: Path, *, submit: Callable[[Submission], Awaitable[None]] = nothing
) -> AsyncIterator[tuple[Path, Spool]]:
    """A desk that gives out one job: its socket, and what it keeps."""

    async def fetch(job_id: str) -> PersonaJob:
        return JOB

    socket, spool = folder / "jobs.sock", Spool(folder / "spool")
    desk = JobDesk(spool, fetch=fetch, submit=submit, ask=nothing, on_report=lambda job_id, submission: None)
    await desk.open(socket)
    try:
        yield socket, spool
    finally:
        await desk.close()
        spool.close()


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file takes another byte."""
    with mock.patch("os.write", side_effect=OSError(ENOSPC, os.strerror(ENOSPC))):
        yield


async def test_a_job_does_not_wait_for_a_disk_that_is_full_and_its_reports_are_on_their_way(
    tmp_path: Path, full_disk: None
) -> None:
    sent: list[int] = []

    async def submit(submission: Submission) -> None:
        sent.append(submission.sequence)

    loop = asyncio.get_running_loop()
    async with a_desk(tmp_path, submit=submit) as (socket, spool):
        async with await Reporter.claim(socket, "AJ_1", timeout=20) as reporter:
            for number in range(3):
                reporter.report(LineSpoken(at=NOW, speaker="user", text="hi", timestamp_ms=number))
            ends = loop.time()
        assert loop.time() - ends < FLUSH
        async with asyncio.timeout(20):
            while len(sent) < 3:
                await asyncio.sleep(0.01)
        assert [each.sequence for each in spool.waiting()] == sent == [1, 2, 3]
        for sequence in sent:
            spool.acknowledge(1, 1, sequence)
        assert list(spool.waiting()) == []


async def test_a_job_that_cannot_be_understood_any_more_is_ended_as_nobody_would_miss_it(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as (socket, _):
        with mock.patch("os.kill") as kill:
            reader, writer = await asyncio.open_unix_connection(socket)
            writer.write(b'{"claim": "AJ_1"}\n{"report": torn\n')
            async with asyncio.timeout(20):
                assert "job" in json.loads(await reader.readline())
                assert await reader.readline() == b""
            writer.close()
        kill.assert_called_once_with(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("\N{GRINNING FACE}" * 2**20, "\N{GRINNING FACE}" * LONGEST_TEXT),
        ("a \ud83d half", "a \N{REPLACEMENT CHARACTER} half"),
    ],
    ids=["a book", "half a character"],
)
async def test_a_line_that_cannot_be_written_as_it_is_ends_no_process(tmp_path: Path, text: str, kept: str) -> None:
    taken: asyncio.Queue[Submission] = asyncio.Queue()

    word = Word(text="\N{GRINNING FACE}" * 10, start_ms=1, end_ms=2)
    async with a_desk(tmp_path, submit=taken.put) as (socket, _):
        with mock.patch("os.kill") as kill:
            async with await Reporter.claim(socket, "AJ_1", timeout=20) as reporter:
                for line, words in ((text, [word] * 20_000), ("short", [word])):
                    reporter.report(LineSpoken(at=NOW, speaker="user", text=line, timestamp_ms=0, words=words))
                async with asyncio.timeout(20):
                    said = [(await taken.get()).report for _ in range(2)]
        kill.assert_not_called()
        assert [each["text"] for each in said] == [kept, "short"]
        assert [len(each["words"]) for each in said] == [0, 1]


async def test_a_job_that_reports_of_another_call_is_ended_and_takes_no_place_of_its_reports(tmp_path: Path) -> None:
    said = LineSpoken(at=NOW, speaker="user", text="hi", timestamp_ms=0).model_dump(mode="json")
    forged = {"session_id": JOB.session_id + 1, "epoch": 1, "sequence": 1, "capability": JOB.capability, "report": said}
    async with a_desk(tmp_path) as (socket, spool):
        with mock.patch("os.kill") as kill:
            reader, writer = await asyncio.open_unix_connection(socket)
            writer.write(b'{"claim": "AJ_1"}\n' + json.dumps({"report": forged}).encode() + b"\n")
            async with asyncio.timeout(20):
                assert "job" in json.loads(await reader.readline())
                assert await reader.readline() == b""
            writer.close()
        kill.assert_called_once_with(os.getpid(), signal.SIGKILL)
        assert list(spool.waiting()) == []
