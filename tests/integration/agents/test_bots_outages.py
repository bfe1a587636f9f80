"""Bots in a meeting whose livekit-server dies."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bots import Media, bot_host, bot_job, media_server
from tests.support.rooms import somebody

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def media(tmp_path: Path) -> Iterator[Media]:
    """A server of one's own, to kill."""
    with media_server(tmp_path) as media:
        yield media


async def test_a_bot_is_there_again_when_its_server_is(media: Media, tmp_path: Path) -> None:
    room = uuid.uuid4().hex
    job = bot_job(media, room)
    async with bot_host(media, tmp_path) as (_, plane):
        async with somebody(media.url, media.token(room, "ada")) as ada:
            await plane.attend(job)
            await ada.until("joined", job.identity)
            await plane.reported(job, "call.started")
            media.kill()
        await asyncio.sleep(12)  # longer than a bot stays where it is alone
        media.start()
        async with somebody(media.url, media.token(room, "ada")) as ada:
            if job.identity not in ada.room.remote_participants:
                await ada.until("joined", job.identity, within=60)
            assert plane.kinds(job) == ["call.started"]
        assert (await plane.reported(job, "call.ended"))["reason"] == "caller_left"
        assert plane.kinds(job) == ["call.started", "bot.left", "call.ended"]


async def test_a_bot_whose_server_stays_away_leaves_without_a_last_word(media: Media, tmp_path: Path) -> None:
    """So it is sent again, as one whose host was lost."""
    room = uuid.uuid4().hex
    job = bot_job(media, room)
    async with bot_host(media, tmp_path) as (host, plane):
        async with somebody(media.url, media.token(room, "ada")) as ada:
            await plane.attend(job)
            await ada.until("joined", job.identity)
            await plane.until(lambda: [job.job_id] in plane.beats)
            media.kill()
        await plane.until(lambda: plane.beats[-1] == [], within=110)
        assert plane.kinds(job) == ["call.started"]
        assert "bot lost its meeting" in host.said
        media.start()
        again = job.model_copy(update={"job_id": f"{job.job_id}-2", "epoch": 2})
        async with somebody(media.url, media.token(room, "ada")) as ada:
            await plane.attend(again)
            await ada.until("joined", job.identity)
            await plane.reported(job, "call.started", count=2)
