"""Recorders that end, are killed, and come back; a livekit-server that goes away."""

import asyncio
import time
from pathlib import Path

import pytest
from livekit import api

from tests.support.studio import Recorder, Stage, emptied, eventually, tone
from tests.support.takes import heard, level, seconds

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.mark.parametrize("ending", [".ogg", ".mp3", ".mp4", ".wav"])
async def test_a_killed_recording_of_a_room_that_is_over_is_saved_and_told_as_failed(
    recorder: Recorder, stage: Stage, ending: str
) -> None:
    ada = await stage.enter("killed", "ada", tone(440))
    begun = await stage.record("killed", f"killed{ending}")
    await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    await asyncio.sleep(3)
    recorder.kill()
    killed = time.time_ns()
    await ada.leave()
    await stage.livekit.room.delete_room(api.DeleteRoomRequest(room="killed"))
    await asyncio.to_thread(recorder.start)
    ended = await stage.until(begun.egress_id, api.EGRESS_FAILED)

    assert ended.error == "recording ended early: recorder process was killed"
    assert ended.details == "End reason: Process killed"
    result = ended.file_results[0]
    assert result.location == str(recorder.root / f"killed{ending}")
    spoken = (killed - result.started_at) / 1e9
    assert spoken - 1.0 < result.duration / 1e9 <= spoken
    assert seconds(result.location) == pytest.approx(result.duration / 1e9, abs=0.1)
    assert level(heard(result.location)[0], 440) > -14
    assert result.size == Path(result.location).stat().st_size
    await emptied(recorder.state)
    await eventually(lambda: stage.studio.hooks.of(begun.egress_id)[-1] == ("egress_ended", "EGRESS_FAILED"))


@pytest.mark.parametrize("ending", [".ogg", ".mp3", ".mp4", ".wav"])
async def test_a_killed_recording_of_a_room_that_goes_on_goes_on_with_silence_where_nothing_was_heard(
    recorder: Recorder, stage: Stage, ending: str
) -> None:
    await stage.enter("goes-on", "ada", tone(440))
    begun = await stage.record("goes-on", f"goes-on{ending}")
    first = await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    await asyncio.sleep(2.5)
    recorder.kill()
    await asyncio.to_thread(recorder.start)
    await eventually(lambda: len(list(recorder.state.glob("*/part1.*"))) == 1)
    await asyncio.sleep(2.5)
    stopped = time.time_ns()
    ended = await stage.stop(begun.egress_id)

    assert ended.status == api.EGRESS_COMPLETE
    assert ended.retry_count == 1
    assert ended.details.startswith("End reason: StopEgress API; missing ")
    result = ended.file_results[0]
    assert result.started_at == first.file_results[0].started_at
    assert result.duration / 1e9 == pytest.approx((stopped - result.started_at) / 1e9, abs=0.25)
    assert seconds(result.location) == pytest.approx(result.duration / 1e9, abs=0.15)
    sound = heard(result.location)[0]
    pieces = sound[: len(sound) // 4800 * 4800].reshape(-1, 4800)
    silent = [place for place, piece in enumerate(pieces) if level(piece, 440) < -40]
    assert silent[-1] - silent[0] == len(silent) - 1
    missing = float(ended.details.split("missing ")[1].split(" s")[0])
    assert len(silent) / 10 == pytest.approx(missing, abs=0.3)
    assert 15 < silent[0] < 27


async def test_a_service_that_is_told_to_end_finishes_its_files(recorder: Recorder, stage: Stage) -> None:
    await stage.enter("drained", "ada", tone(440))
    begun = await stage.record("drained", "drained")
    await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    await asyncio.sleep(1)
    recorder.stop()
    ended = await stage.info(begun.egress_id)

    assert ended.status == api.EGRESS_COMPLETE
    assert ended.details == "End reason: Process killed"
    assert seconds(ended.file_results[0].location) == pytest.approx(1.2, abs=0.4)
    assert list(recorder.state.iterdir()) == []


async def test_a_stop_that_was_answered_holds_after_a_kill(recorder: Recorder, stage: Stage) -> None:
    await stage.enter("stopped", "ada", tone(440))
    begun = await stage.record("stopped", "stopped")
    await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    await asyncio.sleep(1)
    answered = await stage.livekit.egress.stop_egress(api.StopEgressRequest(egress_id=begun.egress_id))
    recorder.kill()
    await asyncio.to_thread(recorder.start)
    ended = await stage.until(begun.egress_id, api.EGRESS_COMPLETE, api.EGRESS_FAILED)

    assert answered.status == api.EGRESS_ENDING
    assert seconds(ended.file_results[0].location) == pytest.approx(1.2, abs=0.7)
    assert ended.retry_count == 0


@pytest.mark.parametrize("recorder_settings", [{"reconcile_every": "0.5", "abandoned_after": "1"}])
async def test_a_recording_that_nobody_knows_of_is_failed(recorder: Recorder, stage: Stage) -> None:
    await stage.enter("lost", "ada", tone(440))
    begun = await stage.record("lost", "lost")
    await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    recorder.kill()
    for path in sorted(recorder.state.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    await asyncio.to_thread(recorder.start)
    ended = await stage.until(begun.egress_id, api.EGRESS_FAILED)
    assert ended.error == "recording ended early: its recorder is lost"


@pytest.mark.parametrize("recorder_settings", [{"most_recordings": "1"}])
async def test_a_full_service_leaves_requests_to_others_and_says_so(recorder: Recorder, stage: Stage) -> None:
    await stage.enter("full", "ada", tone(440))
    begun = await stage.record("full", "full")
    await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    assert recorder.figures()["pocket_egress_active"] == 1
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stage.record("full", "more"), 2)
    ended = await stage.stop(begun.egress_id)
    assert ended.status == api.EGRESS_COMPLETE
    await eventually(lambda: recorder.figures()['pocket_egress_ended_total{status="EGRESS_COMPLETE"}'] == 1)
