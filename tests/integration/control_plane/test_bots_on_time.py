"""Bots whose control plane dies: each comes once, and at its time."""

import time
from datetime import timedelta

import pytest

from control_plane.bots.models import Bot
from tests.support.bothost import baas, bot_host, codes, expire, in_state, read, send
from tests.support.meetings import meet_people
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver

pytestmark = pytest.mark.anyio

LATE = timedelta(seconds=1)
PLANNED = 10
"""Seconds ahead: a control plane dies within them, and a host finds another."""


def lateness(bot: Bot) -> timedelta:
    """From the moment a bot was to go to the moment it was sent."""
    assert bot.claimed_at is not None
    return bot.claimed_at - bot.due_at


async def test_a_scheduled_bot_is_sent_within_a_second(platform: Platform, tenant: Tenant) -> None:
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, bot_host(platform) as host:
        bot_id = await send(http, meeting["url"], start_time=int(time.time()) + 3)
        job = await host.attend()
    assert job.bot_id == bot_id
    assert timedelta() <= lateness(await read(platform, bot_id)) <= LATE


@pytest.mark.slow
async def test_a_scheduled_bot_is_sent_at_its_time_though_the_control_plane_is_killed_meanwhile(
    platform: Platform, tenant: Tenant
) -> None:
    meeting = await meet_people(tenant)
    async with platform.second_process() as other:
        async with (
            platform.second_process(killed=True) as url,
            baas(platform, tenant, url=url) as http,
            bot_host(platform, url=url),
        ):
            due = int(time.time()) + PLANNED
            bot_id = await send(http, meeting["url"], start_time=due)
        assert (await read(platform, bot_id)).state == "scheduled"
        async with bot_host(platform, url=other) as host:
            async with host.beating():
                job = await host.attend(within=PLANNED + 20)
            assert (job.bot_id, job.epoch) == (bot_id, 1)
            assert timedelta() <= lateness(await read(platform, bot_id)) <= LATE
            await host.starts(job)
            with pytest.raises(TimeoutError):
                await host.attend(within=2)


@pytest.mark.slow
async def test_a_bot_that_was_claimed_by_a_control_plane_that_then_died_comes_once(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    """The claim is committed, and its process is gone before the host was told."""
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http:
        bot_id = await send(http, meeting["url"], webhook_url=f"{receiver.url}/")
    lost, _ = await platform.app.state.bots.claimer.claim("bots-1")
    assert lost is not None
    assert (lost.bot_id, lost.epoch) == (bot_id, 1)
    async with bot_host(platform) as host, platform.jobs():
        await host.beat()  # it lives, and has no such bot
        with pytest.raises(TimeoutError):
            await host.attend(within=2)
        await expire(platform)
        job = await host.attend()
        assert (job.bot_id, job.session_id, job.epoch) == (bot_id, lost.session_id, 2)
        await host.starts(job)
        await receiver.wait_for(2)
        await host.ends(job, "silence")
        await in_state(platform, bot_id, "ending")
        with pytest.raises(TimeoutError):
            await host.attend(within=2)
    assert codes(receiver)[:2] == ["joining_call", "in_call_not_recording"]
