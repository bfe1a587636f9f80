"""Bots of one key in one meeting, and bots that are sent out of it: what ends with whom."""

import asyncio

import pytest
from sqlmodel import select

from control_plane.metering.models import UsageEntry
from tests.support.bothost import add_trunk, baas, bot_host, codes, in_state, job_room, left_over, read, send
from tests.support.meetings import meet_people
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver
from tests.support.recordings import complete
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio


async def test_of_two_bots_under_one_key_the_one_that_is_kicked_leaves_the_other_where_it_is(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform) as host:
        names = ("kicked", "stays")
        asked = (
            send(http, meeting["url"], deduplication_key=name, webhook_url=f"{receiver.url}/{name}") for name in names
        )
        sent = await asyncio.gather(*asked)
        jobs = {job.bot_id: job for job in (await host.attend(), await host.attend())}
        kicked, stays = (jobs[bot_id] for bot_id in sent)
        assert job_room(kicked.token) == job_room(stays.token)
        for job, egress in ((kicked, "EG_1"), (stays, "EG_2")):
            await host.starts(job)
            await until(lambda egress=egress: is_true(egress in platform.recorder.egresses))
        await host.ends(kicked, "removed")
        await until(lambda: is_true(("stop", "EG_1") in platform.recorder.calls))
        await complete(platform, "EG_1")
        await receiver.wait_for(4, "/kicked")
        await receiver.wait_for(2, "/stays")
        assert codes(receiver, "/kicked") == ["joining_call", "in_call_not_recording", "call_ended", "complete"]
        assert codes(receiver, "/stays") == ["joining_call", "in_call_not_recording"]
        assert (await read(platform, stays.bot_id)).state == "attending"
        assert ("stop", "EG_2") not in platform.recorder.calls
        with pytest.raises(TimeoutError):
            await host.attend(within=2)
        await host.ends(stays, "caller_left")
        await until(lambda: is_true(("stop", "EG_2") in platform.recorder.calls))
        await complete(platform, "EG_2")
        await receiver.wait_for(4, "/stays")
        await until(lambda: is_clean(platform))
    async with platform.database.platform() as db:
        entries = (await db.exec(select(UsageEntry).where(UsageEntry.service == "recording"))).all()
    assert [entry.audio_seconds for entry in entries] == [5, 5]


async def test_the_line_of_a_bot_that_is_kicked_is_hung_up(platform: Platform, tenant: Tenant) -> None:
    await add_trunk(platform, tenant)
    platform.dialer.picked_up.set()
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform) as host:
        bot_id = await send(http, "tel:+18005550100")
        job = await host.attend()
        await until(lambda: is_true(any(call[0] == "call" for call in platform.dialer.calls)))
        await host.starts(job)
        await host.ends(job, "removed")
        await in_state(platform, bot_id, "ending")
        await until(lambda: is_true(("hang_up", job_room(job.token), job.line) in platform.dialer.calls))


async def is_true(answer: bool) -> bool:
    """A question for `until`."""
    return answer


async def is_clean(platform: Platform) -> bool:
    """Whether nothing runs, holds a place or is paid for."""
    return not await left_over(platform)
