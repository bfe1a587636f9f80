"""What a worker does for a job whose process is no more."""

import asyncio

import pytest

from agents.contract import Submission
from agents.worker import Taken, Worker

pytestmark = pytest.mark.anyio


async def test_a_worker_answers_for_a_call_until_all_of_it_is_told(worker: Worker) -> None:
    worker._calls["AJ_1"] = Taken(asyncio.create_task(asyncio.sleep(0)))
    for sequence, kind in ((1, "call.started.v1"), (2, "call.ended.v1")):
        report = Submission(session_id=7, epoch=1, sequence=sequence, capability="c", report={"type": kind})
        assert worker.spool.keep(report)
        worker._on_report("AJ_1", report)
    assert worker._calls == {}, "its place is free"
    assert worker._held() == ["AJ_1"]
    worker.spool.acknowledge(7, 1, 1)
    assert worker._held() == ["AJ_1"]
    worker.spool.acknowledge(7, 1, 2)
    assert worker._held() == []
