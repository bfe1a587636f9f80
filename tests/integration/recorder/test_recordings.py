"""Recordings by LiveKit's own API: what they are asked for, what is told of them, what is in the file."""

import asyncio
import json
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import av
import pytest
from livekit import api

from tests.support.studio import Recorder, Stage, emptied, eventually, tone
from tests.support.takes import heard, level, seconds

pytestmark = pytest.mark.anyio


async def test_a_room_is_recorded_from_its_first_sound_to_the_stop_and_told_of_as_livekits_own_service_does(
    recorder: Recorder, stage: Stage
) -> None:
    await stage.enter("hall", "ada", tone(440))
    await stage.enter("hall", "bob", tone(1000))

    asked = time.monotonic()
    begun = await stage.record("hall", "{room_name}/talk-{room_id}")
    active = await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    room = (await stage.livekit.room.list_rooms(api.ListRoomsRequest(names=["hall"]))).rooms[0]
    people = (await stage.livekit.room.list_participants(api.ListParticipantsRequest(room="hall"))).participants
    await asyncio.sleep(3)
    ended = await stage.stop(begun.egress_id)
    over = time.monotonic()

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
    assert 3.0 < result.duration / 1e9 < max(3.6, over - asked)
    sound = heard(result.location)
    assert sound.shape[0] == 1
    assert level(sound[0], 440) == pytest.approx(level(sound[0], 1000), abs=2)
    assert level(sound[0], 440) > -14
    manifest = json.loads((recorder.root / "hall" / f"{begun.egress_id}.json").read_text())
    assert ended.manifest_location == str(recorder.root / "hall" / f"{begun.egress_id}.json")
    assert manifest["files"] == [{"filename": result.filename, "location": result.location}]
    await stage.studio.hooks.until(
        begun.egress_id,
        ("egress_started", ""),
        ("egress_updated", "EGRESS_ACTIVE"),
        ("egress_updated", "EGRESS_ENDING"),
        ("egress_ended", "EGRESS_COMPLETE"),
    )
    await emptied(recorder.state)


@pytest.mark.parametrize("recorder_settings", [{"most_recordings": "20"}])
async def test_every_format_holds_the_sound_and_its_name_ends_as_it_should(recorder: Recorder, stage: Stage) -> None:
    await stage.enter("formats", "ada", tone(440))
    mp3, mp4, opus = api.EncodedFileType.MP3, api.EncodedFileType.MP4, api.EncodingOptions(audio_codec=api.OPUS)
    asked = {
        "a.mp3": {},
        "b": {"output": {"file_type": mp3}},
        "c.ogg": {"output": {"file_type": mp4}},
        "d.mp4": {"advanced": opus},
        "e.wav": {},
        "f.mp4": {},
        "g.ogg": {"advanced": api.EncodingOptions(audio_bitrate=24)},
        "h.wav": {"audio_mixing": api.AudioMixing.DUAL_CHANNEL_AGENT},
    }
    begun = {path: await stage.record("formats", path, **more) for path, more in asked.items()}
    for info in begun.values():
        await stage.until(info.egress_id, api.EGRESS_ACTIVE)
    await asyncio.sleep(2)
    ended = {path: await stage.stop(info.egress_id) for path, info in begun.items()}

    names = [info.file_results[0].filename for info in ended.values()]
    assert names == ["a.mp3", "b.mp3", "c.mp4", "d.mp4", "e.wav", "f.mp4", "g.ogg", "h.wav"]
    for info in ended.values():
        result = info.file_results[0]
        assert info.status == api.EGRESS_COMPLETE
        assert seconds(result.location) == pytest.approx(result.duration / 1e9, abs=0.1)
        assert level(heard(result.location)[-1], 440) == pytest.approx(-10.5, abs=1.5)
    codecs = {}
    for info in ended.values():
        with av.open(info.file_results[0].location) as file:
            codecs[info.file_results[0].filename] = (file.format.name.split(",")[0], file.streams.audio[0].codec.name)
    assert codecs["d.mp4"] == ("mov", "opus")
    assert codecs["f.mp4"] == codecs["c.mp4"] == ("mov", "aac")
    assert codecs["e.wav"] == ("wav", "pcm_s16le")
    assert codecs["a.mp3"][0] == codecs["b.mp3"][0] == "mp3"
    assert ended["g.ogg"].file_results[0].size < 4000 * ended["g.ogg"].file_results[0].duration / 1e9


async def test_persona_and_people_are_on_sides_of_their_own(recorder: Recorder, stage: Stage) -> None:
    await stage.enter("sides", "ada", tone(440))
    await stage.enter("sides", "persona", tone(1000), kind="agent")

    dual = await stage.record("sides", "dual", audio_mixing=api.AudioMixing.DUAL_CHANNEL_AGENT)
    kind = api.AudioRoute(participant_kind=api.ParticipantInfo.AGENT, channel=api.AudioChannel.AUDIO_CHANNEL_RIGHT)
    name = api.AudioRoute(participant_identity="ada", channel=api.AudioChannel.AUDIO_CHANNEL_LEFT)
    media = api.MediaSource(audio=api.AudioConfig(routes=[kind, name]))
    outputs = [api.Output(file=api.FileOutput(filepath="routes", disable_manifest=True))]
    asked = api.StartEgressRequest(room_name="sides", media=media, outputs=outputs)
    routes = await stage.livekit.egress.start_egress(asked)
    for info in (dual, routes):
        await stage.until(info.egress_id, api.EGRESS_ACTIVE)
    await asyncio.sleep(2)
    dual, routes = [await stage.stop(info.egress_id) for info in (dual, routes)]

    left, right = heard(dual.file_results[0].location)
    assert level(left, 1000) > -14
    assert level(left, 440) < -50
    assert level(right, 440) > -14
    assert level(right, 1000) < -50
    left, right = heard(routes.file_results[0].location)
    assert level(left, 440) > -14 > -50 > level(left, 1000)
    assert level(right, 1000) > -14 > -50 > level(right, 440)
    assert not (recorder.root / f"{routes.egress_id}.json").exists()
    assert routes.manifest_location == ""


async def test_a_participant_or_a_track_is_recorded_alone_until_it_goes(recorder: Recorder, stage: Stage) -> None:
    ada = await stage.enter("alone", "ada", tone(440))
    bob = await stage.enter("alone", "bob", tone(1000))
    assert ada.publication is not None
    assert bob.publication is not None
    sid = ada.publication.sid
    egress, file = stage.livekit.egress, api.EncodedFileOutput(filepath="{publisher_identity}/{track_source}-one")
    asked = api.ParticipantEgressRequest(room_name="alone", identity="ada", file_outputs=[file])
    participant = await egress.start_participant_egress(asked)
    direct = api.DirectFileOutput(filepath="{track_id}-{track_type}")
    track = await egress.start_track_egress(api.TrackEgressRequest(room_name="alone", track_id=sid, file=direct))
    nameless = api.TrackCompositeEgressRequest(room_name="alone", audio_track_id=bob.publication.sid)
    nameless.file_outputs.append(api.EncodedFileOutput(file_type=api.EncodedFileType.MP3))
    composite = await egress.start_track_composite_egress(nameless)
    for info in (participant, track, composite):
        await stage.until(info.egress_id, api.EGRESS_ACTIVE)
    await asyncio.sleep(1.5)
    await bob.hush()
    composite = await stage.until(composite.egress_id, api.EGRESS_COMPLETE)
    await ada.leave()
    participant = await stage.until(participant.egress_id, api.EGRESS_COMPLETE)
    track = await stage.until(track.egress_id, api.EGRESS_COMPLETE)

    assert participant.file_results[0].filename == "ada/microphone-one.mp4"
    assert track.file_results[0].filename == f"{sid}-audio.ogg"
    assert composite.file_results[0].filename.startswith(f"{bob.publication.sid}-20")
    for info, there, absent in ((participant, 440, 1000), (track, 440, 1000), (composite, 1000, 440)):
        sound = heard(info.file_results[0].location)[0]
        assert info.details == "End reason: Source closed"
        assert level(sound[:48_000], there) > -14
        assert level(sound, absent) < -45


async def test_a_mute_is_silence_in_its_place_and_who_comes_late_is_heard_from_then_on(
    recorder: Recorder, stage: Stage
) -> None:
    ada = await stage.enter("pauses", "ada", tone(440))
    begun = await stage.record("pauses", "pauses")
    await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    await asyncio.sleep(1)
    assert ada.publication is not None
    ada.publication.track.mute()
    muted_at = time.monotonic()
    await asyncio.sleep(2)
    ada.publication.track.unmute()
    mute = time.monotonic() - muted_at
    await asyncio.sleep(0.5)
    await stage.enter("pauses", "bob", tone(1000))
    await asyncio.sleep(1)
    await ada.hush()
    await asyncio.sleep(1)
    ended = await stage.stop(begun.egress_id)

    result = ended.file_results[0]
    assert seconds(result.location) == pytest.approx(result.duration / 1e9, abs=0.03)
    pieces = heard(result.location)[0]
    pieces = pieces[: len(pieces) // 4800 * 4800].reshape(-1, 4800)
    ada_heard = [level(piece, 440) > -25 for piece in pieces]
    bob_heard = [level(piece, 1000) > -25 for piece in pieces]
    muted = [place for place, there in enumerate(ada_heard) if not there and place < ada_heard.index(True) + 40]
    assert 17 <= len(muted) <= 10 * mute + 3
    assert muted[-1] - muted[0] == len(muted) - 1
    assert bob_heard.index(True) > muted[-1] + 4
    assert all(bob_heard[bob_heard.index(True) + 1 :])
    assert not any(ada_heard[-9:])


async def test_a_stop_before_any_sound_says_so_and_leaves_nothing(recorder: Recorder, stage: Stage) -> None:
    await stage.enter("silent", "ada")
    begun = await stage.record("silent", "silent")
    stopped = await stage.livekit.egress.stop_egress(api.StopEgressRequest(egress_id=begun.egress_id))
    ended = await stage.until(begun.egress_id, api.EGRESS_ABORTED)

    for info in (stopped, ended):
        assert info.status == api.EGRESS_ABORTED
        assert (info.error, info.error_code) == ("Start signal not received", 412)
        assert info.details == "End reason: StopEgress API"
    for _ in range(5):  # also while it joins: the library takes it ill when that is given up
        again = await stage.record("silent", "silent")
        await stage.livekit.egress.stop_egress(api.StopEgressRequest(egress_id=again.egress_id))
        await stage.until(again.egress_id, api.EGRESS_ABORTED)
    await eventually(lambda: [path.name for path in recorder.root.iterdir()] == [".recorder"])
    await emptied(recorder.state)
    with pytest.raises(api.TwirpError) as refused:
        await stage.livekit.egress.stop_egress(api.StopEgressRequest(egress_id=begun.egress_id))
    assert refused.value.code == "failed_precondition"


async def test_the_end_of_a_room_ends_its_recordings_with_all_that_was_said(recorder: Recorder, stage: Stage) -> None:
    await stage.enter("over", "ada", tone(440))
    await stage.enter("mute", "bob")
    spoken, unspoken = await stage.record("over", "over"), await stage.record("mute", "mute")
    await stage.until(spoken.egress_id, api.EGRESS_ACTIVE)
    active = time.monotonic()
    await asyncio.sleep(2)
    await stage.livekit.room.delete_room(api.DeleteRoomRequest(room="over"))
    spoke = time.monotonic() - active
    await stage.livekit.room.delete_room(api.DeleteRoomRequest(room="mute"))
    ended = await stage.until(spoken.egress_id, api.EGRESS_COMPLETE)
    aborted = await stage.until(unspoken.egress_id, api.EGRESS_ABORTED)

    assert ended.details == aborted.details == "End reason: Source closed"
    assert seconds(ended.file_results[0].location) == pytest.approx(spoke + 0.1, abs=0.4)


@pytest.mark.parametrize("recorder_settings", [{"source_within": "1"}])
async def test_what_is_not_there_is_waited_for_and_then_named(recorder: Recorder, stage: Stage) -> None:
    await stage.enter("hall", "ada", tone(440))
    egress = stage.livekit.egress
    asked = api.TrackEgressRequest(room_name="hall", track_id="TR_none", file=api.DirectFileOutput(filepath="x"))
    track = await egress.start_track_egress(asked)
    file = api.EncodedFileOutput(filepath="x")
    participant = await egress.start_participant_egress(
        api.ParticipantEgressRequest(room_name="hall", identity="bob", file_outputs=[file])
    )
    failed = [await stage.until(info.egress_id, api.EGRESS_FAILED) for info in (track, participant)]
    assert [info.error for info in failed] == ["track TR_none not found", "participant bob not found"]
    assert [info.error_code for info in failed] == [404, 404]


async def test_what_cannot_be_done_is_refused_at_once(recorder: Recorder, stage: Stage) -> None:
    await stage.enter("hall", "ada")
    egress, file = stage.livekit.egress, api.EncodedFileOutput(filepath="x")
    web = api.WebEgressRequest(url="http://127.0.0.1/", file_outputs=[file])
    nobody = api.ParticipantEgressRequest(room_name="hall", file_outputs=[file])
    official = "needs the official egress service"

    def composite(*files: api.EncodedFileOutput, **more: Any) -> Coroutine[Any, Any, api.EgressInfo]:
        asked = api.RoomCompositeEgressRequest(room_name="hall", audio_only=True, file_outputs=files, **more)
        return egress.start_room_composite_egress(asked)

    for call, said in (
        (egress.start_web_egress(web), official),
        (composite(file, custom_base_url="http://127.0.0.1"), official),
        (composite(), "output"),
        (composite(file, file), "multiple outputs"),
        (composite(api.EncodedFileOutput(filepath="../../etc/cron.d/x")), "filepath"),
        (egress.start_participant_egress(nobody), "identity"),
    ):
        with pytest.raises(api.TwirpError, match=said) as refused:
            async with asyncio.timeout(20):
                await call
        assert refused.value.code == "invalid_argument"
    with pytest.raises(api.TwirpError) as refused:
        await stage.record("nowhere", "x")
    assert refused.value.code == "not_found"
    assert list(recorder.state.iterdir()) == []


@pytest.mark.parametrize("recorder_settings", [{"session_limit": "1.5"}])
async def test_at_the_limit_the_file_is_kept(recorder: Recorder, stage: Stage) -> None:
    await stage.enter("long", "ada", tone(440))
    begun = await stage.record("long", "long")
    ended = await stage.until(begun.egress_id, api.EGRESS_LIMIT_REACHED)
    assert (ended.error, ended.error_code) == ("Session limit reached", 413)
    assert ended.details == "End reason: Session limit reached"
    assert seconds(ended.file_results[0].location) == pytest.approx(1.6, abs=0.3)


async def test_names_never_lead_out_of_the_folder_nor_over_another_file(recorder: Recorder, stage: Stage) -> None:
    room = "../../../tmp/evil\\..\n/x"
    await stage.enter(room, "../ada", tone(440))
    for path in ("{room_name}", "{room_name}", "a/./b/{publisher_identity}/", str(recorder.root / "absolute")):
        begun = await stage.record(room, path, output={"disable_manifest": True})
        await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
        ended = await stage.stop(begun.egress_id)
        assert ended.status == api.EGRESS_COMPLETE
        assert Path(ended.file_results[0].location).resolve().is_relative_to(recorder.root.resolve())
    written = (path.relative_to(recorder.root) for path in recorder.root.rglob("*.ogg"))
    found = sorted(
        str(path) for path in written if path.parts[0] != ".recorder"
    )  # which goes once the outcome was told
    assert len(found) == 4
    assert found[2].startswith("a/b/.._ada/") or found[2] == "absolute.ogg", found
