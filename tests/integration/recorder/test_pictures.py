"""Recordings with pictures: cameras, and cards with names where there are none."""

import asyncio
from pathlib import Path

import av
import numpy as np
import pytest
from livekit import api

from tests.support.studio import RATE, Recorder, Stage, tone
from tests.support.takes import heard, level, seen

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

GREY, WHITE = (120, 128, 128), (220, 128, 128)


async def record(stage: Stage, room: str, path: str, **more: object) -> api.EgressInfo:
    """Record a room with its pictures."""
    output = api.EncodedFileOutput(filepath=path)
    asked = api.RoomCompositeEgressRequest(room_name=room, file_outputs=[output], **more)
    return await stage.livekit.egress.start_room_composite_egress(asked)


def bright(picture: np.ndarray, left: int, top: int, size: int = 40) -> float:
    """How bright a square is."""
    return float(picture[top : top + size, left : left + size].mean())


@pytest.mark.parametrize("ending", [".mp4", ".webm"])
async def test_a_room_is_seen_as_a_grid_of_cameras_and_names(recorder: Recorder, stage: Stage, ending: str) -> None:
    ada = await stage.enter("meeting", "ada", tone(440))
    await ada.show(WHITE)
    await stage.enter("meeting", "bob")
    begun = await record(stage, "meeting", f"meeting{ending}")
    active = await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    await asyncio.sleep(4)
    ended = await stage.stop(begun.egress_id)

    result = ended.file_results[0]
    assert ended.status == api.EGRESS_COMPLETE
    assert result.started_at == active.file_results[0].started_at
    assert result.filename == f"meeting{ending}"
    with av.open(result.location) as file:
        (video,), (audio,) = file.streams.video, file.streams.audio
        assert (video.width, video.height) == (640, 360)
        assert (video.codec.name, audio.codec.name) == {".mp4": ("h264", "aac"), ".webm": ("vp8", "opus")}[ending]
    pictures = seen(result.location)
    assert len(pictures) == pytest.approx(15 * result.duration / 1e9, abs=3)
    assert pictures[-1][0] == pytest.approx(result.duration / 1e9, abs=0.15)
    last = pictures[-1][1]
    assert bright(last, 140, 160) == pytest.approx(220, abs=6), "ada's camera, left"
    assert bright(last, 340, 20) == pytest.approx(50, abs=15), "bob's card, right"
    assert last[160:200, 420:540].max() > 180, "with a name on it"
    sound = heard(result.location)[0]
    assert len(sound) / RATE == pytest.approx(result.duration / 1e9, abs=0.1)
    assert level(sound, 440) > -14


async def test_the_picture_changes_with_the_speaker(recorder: Recorder, stage: Stage) -> None:
    ada = await stage.enter("speakers", "ada", tone(440))
    await ada.show(WHITE)
    bob = await stage.enter("speakers", "bob")
    await bob.show(GREY)
    begun = await record(stage, "speakers", "speakers.mp4", layout="single-speaker")
    await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    await asyncio.sleep(2)
    await ada.hush()
    await asyncio.sleep(0.5)
    await bob.speak(tone(1000))
    await asyncio.sleep(2)
    ended = await stage.stop(begun.egress_id)

    path = ended.file_results[0].location
    sound = heard(path)[0]
    size = RATE // 20
    speaks = next(at for at in range(len(sound) // size) if level(sound[at * size : (at + 1) * size], 1000) > -20) / 20
    pictures = seen(path)
    changed = next(at for at, picture in pictures if at > 0.5 and bright(picture, 300, 160) < 150)
    assert bright(pictures[15][1], 300, 160) > 200
    assert abs(changed - speaks) < 0.5


async def test_a_participant_is_recorded_with_pictures_and_a_killed_one_is_saved(
    recorder: Recorder, stage: Stage
) -> None:
    ada = await stage.enter("one", "ada", tone(440))
    await ada.show(WHITE)
    await stage.enter("one", "bob", tone(1000))
    asked = api.ParticipantEgressRequest(room_name="one", identity="ada")
    asked.file_outputs.append(api.EncodedFileOutput(filepath="ada"))
    begun = await stage.livekit.egress.start_participant_egress(asked)
    await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    await asyncio.sleep(4)
    recorder.kill()
    await asyncio.to_thread(recorder.start)
    ended = await stage.until(begun.egress_id, api.EGRESS_FAILED)

    result = ended.file_results[0]
    assert result.location == str(recorder.root / "ada.mp4")
    assert 3 < result.duration / 1e9 < 4.5
    assert bright(seen(result.location)[-1][1], 300, 160) == pytest.approx(220, abs=6)
    sound = heard(result.location)[0]
    assert level(sound, 440) > -14 > -45 > level(sound, 1000)
    assert Path(result.location).stat().st_size == result.size


async def test_what_has_pictures_is_never_a_file_of_sound(recorder: Recorder, stage: Stage) -> None:
    ada = await stage.enter("hall", "ada", tone(440))
    camera = await ada.show(WHITE)
    output = api.EncodedFileOutput(filepath="x", file_type=api.EncodedFileType.OGG)
    asked = api.RoomCompositeEgressRequest(room_name="hall", file_outputs=[output])
    with pytest.raises(api.TwirpError, match="incompatible with video"):
        await stage.livekit.egress.start_room_composite_egress(asked)
    direct = api.TrackEgressRequest(room_name="hall", track_id=camera, file=api.DirectFileOutput(filepath="x"))
    begun = await stage.livekit.egress.start_track_egress(direct)
    failed = await stage.until(begun.egress_id, api.EGRESS_FAILED)
    assert failed.error == "recording a video track alone needs the official egress service"
