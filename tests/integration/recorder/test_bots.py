"""What is recorded where a bot sits: always something that plays, for as long as it was there."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import av
import numpy as np
import pytest
from livekit import api, rtc

from agents.attendance import BotJob
from agents.bots.silence import Silence
from control_plane.bots.life import LAYOUTS, SIZE
from control_plane.media.orders import Picture, RecordingOrder, request_of
from control_plane.meetings.passes import LIFETIME, grants_of
from control_plane.tokens.signer import Pass, TokenSigner
from tests.support.bots import Plane, bot_host, bot_job
from tests.support.rooms import somebody
from tests.support.studio import KEY, RATE, SECRET, Recorder, Stage, Studio, eventually
from tests.support.takes import heard, seen

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

STAY = 3.0
"""Seconds of a recording."""


@pytest.fixture
async def plane(studio: Studio, tmp_path: Path) -> AsyncIterator[Plane]:
    """What sends bots of a host that is really there."""
    async with bot_host(studio, tmp_path) as (_, plane):
        yield plane


async def record(stage: Stage, recorder: Recorder, room: str, view: str) -> tuple[api.EgressInfo, float]:
    """What became of a recording such as bots have, and how long it was made."""
    width, height, rate = SIZE
    picture = None if view == "audio_only" else Picture(width, height, rate, layout=LAYOUTS[view])
    kind = "mp3" if picture is None else "mp4"
    order = RecordingOrder(room, f"{room}.{kind}", kind, picture=picture)
    asked = request_of(order, f"{recorder.root}/{order.key}", None)
    assert isinstance(asked, api.RoomCompositeEgressRequest)
    begun = await stage.livekit.egress.start_room_composite_egress(asked)
    await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.sleep(STAY)
    lasted = loop.time() - began
    return await stage.stop(begun.egress_id), lasted


async def attend(plane: Plane, studio: Studio, room: str) -> BotJob:
    """A bot that is in a meeting whose people may do nothing but write."""
    controls = dict.fromkeys(("enable_audio", "enable_video", "enable_screen_sharing"), False) | {"enable_chat": True}
    identity = f"bot-{uuid.uuid4()}"
    entry = Pass(identity=identity, room=room, ttl=LIFETIME, name="Notes", grants=grants_of(controls, is_bot=True))
    job = bot_job(studio, room, identity=identity, token=TokenSigner(KEY, SECRET).sign(entry))
    await plane.attend(job)
    await plane.reported(job, "call.started")
    return job


@pytest.mark.parametrize("view", ["speaker_view", "gallery_view", "audio_only"])
async def test_a_bot_that_is_all_alone_brings_a_recording_that_plays(
    recorder: Recorder, stage: Stage, studio: Studio, plane: Plane, view: str
) -> None:
    await attend(plane, studio, view)
    ended, lasted = await record(stage, recorder, view, view)

    assert (ended.status, ended.error) == (api.EGRESS_COMPLETE, "")
    path = ended.file_results[0].location
    sound = heard(path)
    assert sound.shape[1] / RATE == pytest.approx(lasted, abs=0.7)
    assert np.abs(sound).max() < 0.01
    with av.open(path) as file:
        codecs = [each.codec_context.name for each in file.streams]
    if view == "audio_only":
        assert codecs == ["mp3float"]
        return
    assert sorted(codecs) == ["aac", "h264"]
    pictures = seen(path)
    assert pictures[-1][0] == pytest.approx(lasted, abs=0.7)
    card = pictures[-1][1][: SIZE[1]]
    assert card[300:420, 200:1080].max() > 180, "a card with a name on it"


async def test_people_without_microphone_and_camera_are_seen_as_cards(
    recorder: Recorder, stage: Stage, studio: Studio, plane: Plane
) -> None:
    await stage.enter("quiet", "ada")
    await attend(plane, studio, "quiet")
    ended, lasted = await record(stage, recorder, "quiet", "gallery_view")
    assert ended.status == api.EGRESS_COMPLETE
    *_, (last, picture) = seen(ended.file_results[0].location)
    assert last == pytest.approx(lasted, abs=0.7)
    for left in (20, 660):
        assert picture[300:420, left : left + 600].max() > 180, "a name, left and right"


async def test_the_silence_of_a_bot_is_nobodys_microphone_and_nobody_speaks(
    stage: Stage, studio: Studio, plane: Plane
) -> None:
    spoke: list[str] = []
    async with somebody(studio.url, studio.token("ears", "ada")) as ada:
        ada.room.on("active_speakers_changed", lambda speakers: spoke.extend(each.identity for each in speakers))
        job = await attend(plane, studio, "ears")
        await eventually(lambda: bool(ada.heard.get(job.identity)))
        [track] = ada.room.remote_participants[job.identity].track_publications.values()
        assert (track.source, track.muted) == (rtc.TrackSource.SOURCE_UNKNOWN, False)
        assert np.abs(await ada.listen_to(job.identity, 1)).max() <= 1
        assert spoke == []


async def test_a_recorder_that_comes_late_still_begins(
    recorder: Recorder, stage: Stage, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.bots.silence.HOLD", 1.0)
    async with somebody(studio.url, studio.token("late", "bot-1")) as bot:
        silence, here = Silence(bot.room), bot.room.local_participant
        silence.begin()
        await eventually(lambda: bool(here.track_publications))
        await eventually(lambda: not here.track_publications)
        ended, _ = await record(stage, recorder, "late", "audio_only")
        await silence.close()
    assert ended.status == api.EGRESS_COMPLETE
