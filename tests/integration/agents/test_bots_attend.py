"""Bots in meetings of this server: how they get in, and when they leave."""

import asyncio
import json
import signal
import uuid
from contextlib import suppress
from pathlib import Path

import pytest
from livekit import api, rtc

from tests.support.bots import Media, bot_host, bot_job
from tests.support.rooms import somebody

pytestmark = pytest.mark.anyio

DATA = api.DataPacket.Kind.RELIABLE


async def test_a_bot_stays_while_somebody_is_there_and_leaves_after_the_last(media: Media, tmp_path: Path) -> None:
    room = uuid.uuid4().hex
    job = bot_job(media, room)
    async with bot_host(media, tmp_path) as (_, plane):
        assert plane.hello is not None
        assert (plane.hello.bots, plane.hello.capacity) == (30, 0)
        async with somebody(media.url, media.token(room, "ada")) as ada:
            await plane.attend(job)
            await ada.until("joined", job.identity)
            await plane.reported(job, "call.started")
            await plane.until(lambda: [job.job_id] in plane.beats)
        ended = await plane.reported(job, "call.ended")
        assert (ended["reason"], ended["failed"]) == ("caller_left", False)
        assert ended["duration_ms"] > 9000
        assert plane.kinds(job) == ["call.started", "bot.left", "call.ended"]


async def test_a_bot_leaves_when_it_is_told_to(media: Media, tmp_path: Path) -> None:
    room = uuid.uuid4().hex
    job = bot_job(media, room)
    async with bot_host(media, tmp_path) as (_, plane), somebody(media.url, media.token(room, "ada")) as ada:
        await plane.attend(job)
        await ada.until("joined", job.identity)
        await plane.reported(job, "call.started")
        await plane.command(job)
        assert (await plane.reported(job, "call.ended"))["reason"] == "api"
        await ada.until("left", job.identity)


async def test_a_bot_that_is_let_in_goes_from_the_waiting_room_to_the_meeting(media: Media, tmp_path: Path) -> None:
    waiting, room = f"waiting.{uuid.uuid4().hex}", uuid.uuid4().hex
    identity = f"bot-{uuid.uuid4()}"
    job = bot_job(media, room, identity=identity, token=media.token(waiting, identity), waits=True)
    async with bot_host(media, tmp_path) as (_, plane), somebody(media.url, media.token(room, "ada")) as ada:
        await plane.attend(job)
        await plane.reported(job, "bot.waits")
        async with media.api() as server:
            await _until_there(server, waiting, identity)
            token = json.dumps({"token": media.token(room, identity), "url": media.url}).encode()
            told = api.SendDataRequest(room=waiting, data=token, topic="parley.admitted", kind=DATA)
            while not plane.of(job, "call.started"):  # who has only just come may not hear the first
                with suppress(api.TwirpError):
                    await server.room.send_data(told)
                await asyncio.sleep(0.2)
        await ada.until("joined", identity)
        await plane.command(job)
        await plane.reported(job, "call.ended")
        assert plane.kinds(job) == ["bot.waits", "call.started", "bot.left", "call.ended"]


async def _until_there(server: api.LiveKitAPI, room: str, identity: str) -> None:
    while True:
        there = await server.room.list_participants(api.ListParticipantsRequest(room=room))
        if any(each.identity == identity and each.state == 2 for each in there.participants):
            return


async def test_a_bot_that_is_sent_away_from_the_waiting_room_was_denied(media: Media, tmp_path: Path) -> None:
    waiting = f"waiting.{uuid.uuid4().hex}"
    job = bot_job(media, waiting, waits=True)
    async with bot_host(media, tmp_path) as (_, plane), media.api() as server:
        await plane.attend(job)
        await _until_there(server, waiting, job.identity)
        await server.room.delete_room(api.DeleteRoomRequest(room=waiting))
        assert (await plane.reported(job, "call.ended"))["reason"] == "denied"
        assert plane.kinds(job) == ["bot.waits", "bot.left", "call.ended"]


@pytest.mark.parametrize(
    ("patience", "waits", "reason"),
    [
        ({"waiting_room": 1}, True, "not_admitted"),
        ({"nobody": 1}, False, "nobody_came"),
        ({"longest": 1}, False, "max_duration"),
    ],
)
async def test_a_bot_has_just_so_much_patience(
    media: Media, tmp_path: Path, patience: dict[str, float], waits: bool, reason: str
) -> None:
    job = bot_job(media, uuid.uuid4().hex, patience=patience, waits=waits)
    async with bot_host(media, tmp_path) as (_, plane):
        await plane.attend(job)
        ended = await plane.reported(job, "call.ended")
        assert (ended["reason"], ended["failed"]) == (reason, False)


async def test_two_bots_keep_each_other_no_company(media: Media, tmp_path: Path) -> None:
    room = uuid.uuid4().hex
    jobs = [bot_job(media, room, patience={"nobody": 3}) for _ in range(2)]
    async with bot_host(media, tmp_path) as (_, plane):
        for job in jobs:
            await plane.attend(job)
        for job in jobs:
            assert (await plane.reported(job, "call.ended"))["reason"] == "nobody_came"


async def test_a_meeting_without_a_sound_is_left(media: Media, tmp_path: Path) -> None:
    room = uuid.uuid4().hex
    job = bot_job(media, room, patience={"silence": 1})
    async with bot_host(media, tmp_path) as (_, plane), somebody(media.url, media.token(room, "ada")):
        await plane.attend(job)
        assert (await plane.reported(job, "call.ended"))["reason"] == "silence"


async def test_a_bot_knows_whether_it_was_removed_or_the_room_closed(media: Media, tmp_path: Path) -> None:
    rooms = [uuid.uuid4().hex for _ in range(2)]
    removed, closed = (bot_job(media, room) for room in rooms)
    async with bot_host(media, tmp_path) as (_, plane), media.api() as server:
        for job in (removed, closed):
            await plane.attend(job)
            await plane.reported(job, "call.started")
        await server.room.remove_participant(api.RoomParticipantIdentity(room=rooms[0], identity=removed.identity))
        await server.room.delete_room(api.DeleteRoomRequest(room=rooms[1]))
        assert (await plane.reported(removed, "call.ended"))["reason"] == "removed"
        assert (await plane.reported(closed, "call.ended"))["reason"] == "room_closed"


async def test_a_bot_whose_token_is_refused_cannot_join(media: Media, tmp_path: Path) -> None:
    job = bot_job(media, "r", token="nonsense")
    async with bot_host(media, tmp_path) as (_, plane):
        await plane.attend(job)
        ended = await plane.reported(job, "call.ended")
        assert (ended["reason"], ended["failed"]) == ("cannot_join", True)


async def test_a_bot_behind_a_telephone_is_in_the_meeting_when_it_is_answered(media: Media, tmp_path: Path) -> None:
    room = uuid.uuid4().hex
    job = bot_job(media, room, line="line-1")
    async with bot_host(media, tmp_path) as (_, plane):
        await plane.attend(job)
        token = media.token(room, "line-1", kind="sip", **{"sip.callStatus": "ringing"})
        async with somebody(media.url, token) as line:
            await line.until("joined", job.identity)
            assert plane.kinds(job) == []
            await line.room.local_participant.set_attributes({"sip.callStatus": "active"})
            await plane.reported(job, "call.started")
        assert (await plane.reported(job, "call.ended"))["reason"] == "caller_left"


async def test_a_telephone_that_nobody_answers_is_a_meeting_that_cannot_be_joined(media: Media, tmp_path: Path) -> None:
    room = uuid.uuid4().hex
    job = bot_job(media, room, line="line-1")
    async with bot_host(media, tmp_path) as (_, plane):
        await plane.attend(job)
        async with somebody(media.url, media.token(room, "line-1", kind="sip")) as line:
            await line.until("joined", job.identity)
        ended = await plane.reported(job, "call.ended")
        assert (ended["reason"], ended["failed"]) == ("cannot_join", True)


async def test_bots_of_a_host_that_stops_leave_without_a_last_word(media: Media, tmp_path: Path) -> None:
    room = uuid.uuid4().hex
    job = bot_job(media, room)
    async with bot_host(media, tmp_path) as (host, plane), somebody(media.url, media.token(room, "ada")) as ada:
        await plane.attend(job)
        await ada.until("joined", job.identity)
        await plane.reported(job, "call.started")
        assert await host.stop() == 0
        assert await ada.until("left", job.identity) == rtc.DisconnectReason.CLIENT_INITIATED
        assert plane.kinds(job) == ["call.started"]
        assert list(host.spool.glob("*.spool")) == []


async def test_a_host_that_is_killed_reports_what_it_had_kept_when_it_is_back(media: Media, tmp_path: Path) -> None:
    room = uuid.uuid4().hex
    job = bot_job(media, room)
    async with bot_host(media, tmp_path) as (host, plane), somebody(media.url, media.token(room, "ada")):
        await plane.attend(job)
        await plane.reported(job, "call.started")
        await host.stop(signal.SIGKILL)
        plane.forget()
        plane.hello = None
        host.start()
        await plane.until(lambda: plane.hello is not None)
        await plane.reported(job, "call.started")
