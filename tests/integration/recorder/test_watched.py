"""HLS watched in Chromium with hls.js while it is still being recorded."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from livekit import api

from tests.support.database import CHECKOUT
from tests.support.studio import Recorder, Stage, eventually, tone

pytestmark = [pytest.mark.anyio, pytest.mark.page, pytest.mark.slow]


async def watch(recorder: Recorder, stage: Stage, out: Path, **more: object) -> tuple[dict[str, Any], api.EgressInfo]:
    """Record a room in pieces of a second, and play them as soon as there are three; what was seen, and the end."""
    output = api.SegmentedFileOutput(filename_prefix="live/piece", playlist_name="list.m3u8", segment_duration=1)
    asked = api.RoomCompositeEgressRequest(room_name="watched", segment_outputs=[output], **more)
    begun = await stage.livekit.egress.start_room_composite_egress(asked)
    playlist = recorder.root / "live" / "list.m3u8"
    await eventually(lambda: playlist.exists() and playlist.read_text().count("#EXTINF") >= 3, within=20)
    command = [shutil.which("node") or "node", "web/tests/hls.mjs", "--folder", str(recorder.root)]
    command += ["--list", "live/list.m3u8", "--seconds", "8", "--json", str(out)]
    player = await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT)
    try:
        async with asyncio.timeout(60):
            done = await player.wait()
    finally:
        if player.returncode is None:
            player.kill()
            await player.wait()
    info = await stage.info(begun.egress_id)
    assert info.status == api.EGRESS_ACTIVE, "it was still being recorded"
    ended = await stage.stop(begun.egress_id)
    seen: dict[str, Any] = json.loads(out.read_text())
    assert done == 0, seen
    return seen, ended


def assert_played(seen: dict[str, Any]) -> None:
    """It went on all the time, and was heard."""
    assert seen["live"] is True
    assert not seen["ended"]
    assert [error for error in seen["errors"] if error["fatal"]] == []
    positions = seen["positions"]
    assert positions == sorted(positions)
    assert positions[-1] - positions[0] > 4
    assert seen["loudest"] > 0.1


async def test_pictures_and_sound_play_while_they_are_recorded(
    recorder: Recorder, stage: Stage, tmp_path: Path
) -> None:
    ada = await stage.enter("watched", "ada", tone(440))
    await ada.show((220, 128, 128))
    seen, ended = await watch(recorder, stage, tmp_path / "seen.json")
    assert_played(seen)
    assert (seen["width"], seen["height"]) == (640, 360)
    assert seen["frames"] > 40
    assert ended.status == api.EGRESS_COMPLETE


async def test_sound_alone_plays_while_it_is_recorded(recorder: Recorder, stage: Stage, tmp_path: Path) -> None:
    await stage.enter("watched", "ada", tone(440))
    seen, ended = await watch(recorder, stage, tmp_path / "seen.json", audio_only=True)
    assert_played(seen)
    assert seen["width"] == 0
    assert ended.status == api.EGRESS_COMPLETE
