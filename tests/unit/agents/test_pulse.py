"""What a worker tells of itself: with its heartbeats, and to Prometheus."""

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.breaker import Breakers
from agents.contract import Heartbeat, LineSpoken, Submission
from agents.pulse import Pulse
from agents.spool import Spool
from guard import exposition
from tests.support.scraping import read, value

pytestmark = pytest.mark.anyio


def submission(sequence: int) -> Submission:
    line = LineSpoken(at=datetime.now(UTC), speaker="user", text="hi", timestamp_ms=sequence)
    return Submission(session_id=1, epoch=1, sequence=sequence, capability="c", report=line.model_dump(mode="json"))


def pulse_of(spool: Spool, folder: Path, *, calls: list[str], draining: list[bool], knowledge: Path) -> Pulse:
    return Pulse(
        spool,
        folder,
        kind="worker",
        places=4,
        taken=lambda: len(calls),
        draining=lambda: bool(draining),
        knowledge=knowledge,
    )


async def test_a_worker_tells_what_it_holds_what_it_leaves_alone_and_what_is_away(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    calls, draining = ["AJ_1"], list[bool]()
    pulse = pulse_of(spool, tmp_path / "spool", calls=calls, draining=draining, knowledge=tmp_path / "knowledge.sock")
    for sequence in (1, 2, 3):
        spool.keep(submission(sequence))
    spool.park(1, 1, 2, "not a report of this version")
    breaker = Breakers(tmp_path / "spool" / "breakers").of("tts", "a-voice")
    breaker.failed("it did not answer in time", silent=True)
    await pulse.look()
    told = pulse.figures()
    assert (told.places, told.taken, told.draining) == (4, 1, False)
    assert (told.spool_reports, told.parked_reports, told.knowledge) == (2, 1, False)
    assert told.disk_free_bytes
    assert [(model.service, model.model) for model in told.open_models] == [("tts", "a-voice")]
    assert Heartbeat.model_validate_json(Heartbeat(figures=told).model_dump_json()).figures == told

    found = read(exposition.text().decode())
    assert value(found, "parley_host_taken") == 1
    assert value(found, "parley_spool_reports") == 2
    assert value(found, "parley_spool_parked") == 1
    assert value(found, "parley_knowledge_up") == 0
    assert value(found, "parley_model_breakers_open", service="tts") == 1
    assert value(found, "parley_model_breakers_open", service="llm") == 0
    assert "a-voice" not in exposition.text().decode(), "which model it is stands in /admin/health"
    spool.close()


async def test_calls_and_the_end_are_told_as_they_are_now(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    calls, draining = list[str](), list[bool]()
    pulse = pulse_of(spool, tmp_path / "spool", calls=calls, draining=draining, knowledge=tmp_path / "knowledge.sock")
    await pulse.look()
    calls.append("AJ_1")
    draining.append(True)
    assert (pulse.figures().taken, pulse.figures().draining) == (1, True)
    spool.close()


async def test_a_knowledge_process_that_takes_connections_is_there(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    path = tmp_path / "knowledge.sock"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    pulse = pulse_of(spool, tmp_path / "spool", calls=[], draining=[], knowledge=path)
    async with await asyncio.start_unix_server(serve, path):
        await pulse.look()
        assert pulse.figures().knowledge is True
    spool.close()


async def test_a_disk_that_hangs_is_not_waited_for_by_the_heart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool")
    pulse = pulse_of(spool, tmp_path / "spool", calls=[], draining=[], knowledge=tmp_path / "knowledge.sock")
    await pulse.look()
    free = pulse.figures().disk_free_bytes
    monkeypatch.setattr("shutil.disk_usage", lambda _: time.sleep(1))
    looking = asyncio.create_task(pulse.look())
    while not looking.done():
        begun = time.monotonic()
        assert pulse.figures().disk_free_bytes == free
        await asyncio.sleep(0.01)
        assert time.monotonic() - begun < 0.9
    with pytest.raises(AttributeError):
        await looking
    spool.close()


async def test_what_was_put_aside_before_is_counted_by_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    (folder / "parked.jsonl").write_text(json.dumps({"reason": "r"}) + "\n" + json.dumps({"reason": "s"}) + "\n")
    spool = Spool(folder)
    assert spool.count_parked() == 2
    (folder / "parked.jsonl").unlink()
    assert spool.count_parked() == 0
    spool.close()
