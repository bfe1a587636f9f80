"""Redis gone or silent: what would be lost is refused, everything else goes on, and its return is noticed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import jwt
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from agents.calling import DispatchMetadata, PersonaJob
from tests.support.calls import CALLEE, TRUNK, an_answered_call, calls_of
from tests.support.faulty import FaultyLink
from tests.support.meetings import a_bot, meet_people, tell
from tests.support.platform import Platform, Tenant
from tests.support.stopwatch import Stopwatch
from tests.support.uplink import ticket_of, worker

pytestmark = pytest.mark.anyio

BACK_WITHIN = 5.0

Fault = Callable[[FaultyLink], Awaitable[None]]


async def gone(link: FaultyLink) -> None:
    await link.refuse()


async def silent(link: FaultyLink) -> None:
    link.blackhole()


async def answers(redis: Redis) -> bool:
    try:
        return bool(await redis.ping())
    except RedisError:
        return False


@pytest.fixture
def link() -> FaultyLink:
    """The way to Redis."""
    return FaultyLink(0)


@pytest.fixture
async def redis_url(redis_url: str, link: FaultyLink) -> AsyncIterator[str]:
    """Redis behind the link."""
    link.target = int(redis_url.rsplit(":", 1)[1])
    async with asyncio.timeout(60), Redis.from_url(redis_url) as redis:
        while not await answers(redis):
            await asyncio.sleep(0.02)
    async with link:
        yield f"redis://127.0.0.1:{link.port}"


@pytest.fixture
async def tenant(platform: Platform) -> Tenant:
    """A project with an agent and a trunk."""
    tenant = await platform.tenant(plan="enterprise")
    assert (await tenant.http.post("/agents", json={"name": "Support"})).status_code == 201
    assert (await tenant.http.post("/sip/trunks", json=TRUNK)).status_code == 201
    return tenant


async def served_again(ask: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response:
    """The first answer that is none of an outage."""
    async with Stopwatch() as watch:
        while (answer := await ask()).status_code == 503:
            assert watch.seconds < BACK_WITHIN
            await asyncio.sleep(0.05)
        return answer


@pytest.mark.parametrize("fault", [gone, silent])
async def test_a_hint_that_nobody_would_hear_is_refused_and_all_else_goes_on(
    platform: Platform, link: FaultyLink, fault: Fault
) -> None:
    tenant = await platform.tenant()

    async def hint() -> httpx2.Response:
        return await tenant.http.post("/rooms/r/supervise", json={"mode": "whisper", "text": "Offer a discount."})

    async with worker(platform) as at:
        ticket = await ticket_of(tenant)
        await tenant.http.post("/rooms", json={"name": "r"})
        job = PersonaJob.model_validate((await at.exchange(ticket))["job"])
        await fault(link)
        refused = await hint()
        assert (refused.status_code, refused.json()["code"]) == (503, "UNAVAILABLE")
        assert int(refused.headers["retry-after"]) >= 1
        # A call goes on: its lines are kept, its end is heard of, and the API reads and writes.
        assert (await at.report(job, 1, type="call.started.v1"))["refused"] is None
        assert (await tenant.http.post("/agents", json={"name": "Another"})).status_code == 201
        async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as client:
            ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["rate_windows"]) == (200, "per process")
        await link.heal()
        assert (await served_again(hint)).status_code == 200
        command = await at.hear("command")
        assert (command["action"], command["text"]) == ("whisper", "Offer a discount.")


@pytest.mark.parametrize("fault", [gone, silent])
async def test_a_persona_that_cannot_be_told_to_hand_over_is_not_taken_for_one_that_was(
    platform: Platform, tenant: Tenant, line: DispatchMetadata, link: FaultyLink, fault: Fault
) -> None:
    await an_answered_call(platform, line)
    (call,) = await calls_of(tenant)
    url = f"/sip/calls/{call['id']}"

    async def hand_over() -> httpx2.Response:
        return await tenant.http.post(f"{url}/transfer", json={"to": CALLEE, "mode": "warm"})

    async def press() -> httpx2.Response:
        return await tenant.http.post(f"{url}/dtmf", json={"digits": "12#"})

    assert (await served_again(press)).status_code == 200
    await fault(link)
    assert [(await ask()).status_code for ask in (hand_over, press, hand_over)] == [503, 503, 503]
    await link.heal()
    assert (await served_again(hand_over)).status_code == 200
    assert (await hand_over()).status_code == 409  # somebody is asked


async def test_a_line_for_a_persona_that_cannot_be_told_is_not_half_said(
    platform: Platform, tenant: Tenant, link: FaultyLink
) -> None:
    made = await meet_people(tenant)
    room = f"proj_{made['meetingId']}"
    async with a_bot(platform.url) as ada, worker(platform) as at:
        joined = await ada.join(made, "Ada")
        token = jwt.decode(joined["livekit"]["token"], options={"verify_signature": False})
        metadata = DispatchMetadata.model_validate_json(token["roomConfig"]["agents"][0]["metadata"])
        await tell(platform, "participant_joined", room)
        job = PersonaJob.model_validate((await at.exchange(metadata.ticket, room=room))["job"])
        assert (await at.report(job, 1, type="call.started.v1"))["refused"] is None
        await link.refuse()
        assert (await ada.say("chat:message", {"text": "heard?"}))["code"] == "UNAVAILABLE"
        await link.heal()
        async with Stopwatch() as watch:
            while not (said := await ada.say("chat:message", {"text": "once"}))["ok"]:
                assert said["code"] == "UNAVAILABLE"
                assert watch.seconds < BACK_WITHIN
                await asyncio.sleep(0.1)
        command = await at.hear("command")
        assert (command["action"], command["text"]) == ("chat", "once")


async def test_a_slow_redis_costs_no_command_and_one_that_breaks_off_doubles_none(
    platform: Platform, link: FaultyLink
) -> None:
    tenant = await platform.tenant(slug="slow")
    async with worker(platform) as at:
        ticket = await ticket_of(tenant)
        await tenant.http.post("/rooms", json={"name": "r"})
        assert (await at.exchange(ticket, room="slow_r"))["job"]
        told = 0
        for number in range(6):
            await at.say(type="heartbeat", calls=["AJ_1"])
            link.slow(latency=0.3)  # longer than a line that may be lost is waited for
            if number % 2:
                link.reset()
            hint = {"mode": "whisper", "text": f"hint {number}"}
            answer = await tenant.http.post("/rooms/r/supervise", json=hint)
            assert answer.status_code in (200, 503), answer.text
            told += answer.status_code == 200
        await link.heal()

        async def ask_for_the_last() -> httpx2.Response:
            return await tenant.http.post("/rooms/r/supervise", json={"mode": "whisper", "text": "the last"})

        assert (await served_again(ask_for_the_last)).status_code == 200
        heard = []
        while "the last" not in heard:
            heard.append((await at.hear("command"))["text"])
        assert len(heard) == len(set(heard))
        assert told + 1 <= len(heard)
