"""HLS: a list and its pieces, that can be played while the recording goes on."""

import asyncio
import json
from pathlib import Path

import av
import numpy as np
import pytest
from livekit import api

from tests.support.studio import RATE, Recorder, Stage, eventually, tone
from tests.support.takes import heard, level, seen

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def record(stage: Stage, room: str, **more: object) -> api.EgressInfo:
    """Record a room in pieces of a second."""
    output = api.SegmentedFileOutput(filename_prefix="live/piece", playlist_name="list.m3u8", segment_duration=1)
    asked = api.RoomCompositeEgressRequest(room_name=room, segment_outputs=[output], **more)
    return await stage.livekit.egress.start_room_composite_egress(asked)


def listed(path: Path) -> list[str]:
    """The pieces of a list."""
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


async def test_pieces_are_at_their_place_while_the_recording_goes_on(recorder: Recorder, stage: Stage) -> None:
    ada = await stage.enter("live", "ada", tone(440))
    await ada.show((220, 128, 128))
    begun = await record(stage, "live")
    await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    playlist = recorder.root / "live" / "list.m3u8"
    await eventually(lambda: playlist.exists() and len(listed(playlist)) >= 2)
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in playlist.read_text()
    assert "#EXT-X-ENDLIST" not in playlist.read_text()
    assert all((playlist.parent / name).exists() for name in listed(playlist))
    await asyncio.sleep(2.5)
    ended = await stage.stop(begun.egress_id)

    result = ended.segment_results[0]
    assert ended.status == api.EGRESS_COMPLETE
    assert result == ended.segments
    assert (result.playlist_name, result.playlist_location) == ("live/list.m3u8", str(playlist))
    assert result.segment_count == len(listed(playlist))
    assert result.size == sum((playlist.parent / name).stat().st_size for name in listed(playlist))
    assert "#EXT-X-ENDLIST" in playlist.read_text()
    with av.open(str(playlist)) as file:
        assert (file.streams.video[0].codec.name, file.streams.audio[0].codec.name) == ("h264", "aac")
    sound = np.asarray(heard(playlist)[0])
    assert len(sound) / RATE == pytest.approx(result.duration / 1e9, abs=0.15)
    assert level(sound, 440) > -14
    assert len(seen(playlist)) == pytest.approx(15 * result.duration / 1e9, abs=4)
    manifest = json.loads((recorder.root / "live" / f"{ended.egress_id}.json").read_text())
    (told,) = manifest["playlists"]
    assert told["location"] == str(playlist)
    assert [each["filename"] for each in told["segments"]] == listed(playlist)


async def test_pieces_of_a_killed_recorder_are_listed_to_the_last(recorder: Recorder, stage: Stage) -> None:
    await stage.enter("live", "ada", tone(440))
    begun = await record(stage, "live", audio_only=True)
    await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    await asyncio.sleep(4)
    recorder.kill()
    await asyncio.to_thread(recorder.start)
    ended = await stage.until(begun.egress_id, api.EGRESS_FAILED)

    result = ended.segment_results[0]
    assert ended.error == "recording ended early: recorder process was killed"
    assert 2.4 < result.duration / 1e9 < 4.3
    assert "#EXT-X-ENDLIST" in Path(result.playlist_location).read_text()
    assert heard(result.playlist_location).shape[1] / RATE == pytest.approx(result.duration / 1e9, abs=0.15)
