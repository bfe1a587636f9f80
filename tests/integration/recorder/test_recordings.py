"""Recordings by LiveKit's own API: what they are asked for, what is told of them, what is in the file."""

import asyncio
import json
from pathlib import Path

import pytest
from livekit import api

from tests.support.studio import Recorder, Stage, eventually, heard, level, seconds, tone

pytestmark = pytest.mark.anyio


async def test_a_room_is_recorded_from_its_first_sound_to_the_stop_and_told_of_as_livekits_own_service_does(
    recorder: Recorder, stage: Stage
) -> None:
    await stage.enter("hall", "ada", tone(440))
    await stage.enter("hall", "bob", tone(1000))

    begun = await stage.record("hall", "{room_name}/talk-{room_id}")
    active = await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    room = (await stage.livekit.room.list_rooms(api.ListRoomsRequest(names=["hall"]))).rooms[0]
    people = (await stage.livekit.room.list_participants(api.ListParticipantsRequest(room="hall"))).participants
    await asyncio.sleep(3)
    ended = await stage.stop(begun.egress_id)

    assert begun.status == api.EGRESS_STARTING
    assert active.details == ""
    assert room.active_recording
    assert room.num_participants == 2
    hidden = next(person for person in people if person.identity == begun.egress_id)
    assert (hidden.permission.hidden, hidden.permission.recorder, hidden.kind) == (True, True, 2)
    assert ended.status == api.EGRESS_COMPLETE
    assert ended.details == "End reason: StopEgress API"
    result = ended.file_results[0]
    assert result == ended.file
    assert result.filename == f"hall/talk-{room.sid}.ogg"
    assert result.location == str(recorder.root / result.filename)
    assert result.size == Path(result.location).stat().st_size
    assert result.duration == result.ended_at - result.started_at
    assert seconds(result.location) == pytest.approx(result.duration / 1e9, abs=0.03)
    assert 3.0 < result.duration / 1e9 < 3.6
    sound = heard(result.location)
    assert sound.shape[0] == 1
    assert level(sound[0], 440) == pytest.approx(level(sound[0], 1000), abs=2)
    assert level(sound[0], 440) > -14
    manifest = json.loads((recorder.root / "hall" / f"{begun.egress_id}.json").read_text())
    assert ended.manifest_location == str(recorder.root / "hall" / f"{begun.egress_id}.json")
    assert manifest["files"] == [{"filename": result.filename, "location": result.location}]
    hooks = stage.studio.hooks
    await eventually(lambda: len(hooks.of(begun.egress_id)) == 4)
    assert hooks.of(begun.egress_id) == [
        ("egress_started", ""),
        ("egress_updated", "EGRESS_ACTIVE"),
        ("egress_updated", "EGRESS_ENDING"),
        ("egress_ended", "EGRESS_COMPLETE"),
    ]
    await eventually(lambda: not list(recorder.state.iterdir()))
