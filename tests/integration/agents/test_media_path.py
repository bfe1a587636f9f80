"""How media travels on one machine."""

import uuid

import pytest
from livekit import rtc

from tests.support.bots import Media

pytestmark = pytest.mark.anyio


async def test_media_goes_by_udp(media: Media) -> None:
    room = rtc.Room()
    await room.connect(media.url, media.token(uuid.uuid4().hex, "ada"))
    try:
        found = await room.get_rtc_stats()
        stats = [*found.publisher_stats, *found.subscriber_stats]
        chosen = {
            each.candidate_pair.candidate_pair.remote_candidate_id
            for each in stats
            if each.HasField("candidate_pair") and each.candidate_pair.candidate_pair.nominated
        }
        protocols = {
            each.remote_candidate.candidate.protocol
            for each in stats
            if each.HasField("remote_candidate") and each.remote_candidate.rtc.id in chosen
        }
    finally:
        await room.disconnect()
    assert protocols == {"udp"}
