"""Trunks on a real livekit-server: what it gave us and no row of ours tells of is taken up again."""

from typing import Any

import pytest
from redis.asyncio import Redis

from sip.dialer import Carrier, Line, LiveKitDialer, NumberTakenError
from tests.integration.pocket.conftest import KEY, SECRET, Exchange

pytestmark = pytest.mark.anyio


async def test_what_livekit_has_of_ours_is_kept_and_a_number_of_others_is_taken(exchange: Exchange) -> None:
    dialer = LiveKitDialer(exchange.url, KEY, SECRET, timeout=30)
    ours, theirs = (Carrier(key, "Main", "+18005559871", "127.0.0.1:5999", "udp") for key in ("ours", "theirs"))
    line = Line("proj_call", "parley", "{}")
    try:
        inbound = await dialer.open_inbound(ours, None)
        rule = await dialer.open_rule(ours, line, inbound, None)
        outbound = await dialer.open_trunk(ours, None)
        assert await dialer.open_trunk(ours, None) == outbound
        assert await dialer.open_inbound(ours, None) == inbound
        assert await dialer.open_rule(ours, line, inbound, None) == rule
        with pytest.raises(NumberTakenError):
            await dialer.open_inbound(theirs, None)
        own, rules = await dialer.list_own("ours")
        assert (sorted(own), rules) == (sorted([inbound, outbound]), [rule])
        await dialer.close_rule(rule)
        await dialer.close_trunk(inbound)
        await dialer.close_trunk(outbound)
    finally:
        await dialer.close()


async def test_livekit_says_in_three_questions_what_it_has_and_nothing_once_its_redis_has_lost_it(
    exchange: Exchange, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialer = LiveKitDialer(exchange.url, KEY, SECRET, timeout=30)
    carrier = Carrier("lost", "Main", "+18005559872", "127.0.0.1:5999", "udp")
    line = Line("proj_call", "parley", "{}")
    asked: list[Any] = []

    async def keep() -> tuple[str, str, str]:
        inbound = await dialer.open_inbound(carrier, None)
        return (
            await dialer.open_trunk(carrier, None),
            inbound,
            await dialer.open_rule(carrier, line, inbound, None),
        )

    try:
        before = await keep()
        request = dialer._api.sip._client.request

        async def count(*args: Any, **more: Any) -> Any:
            asked.append(args)
            return await request(*args, **more)

        monkeypatch.setattr(dialer._api.sip._client, "request", count)
        assert set(before) <= await dialer.list_ids()
        assert len(asked) == 3
        async with Redis.from_url(redis_url) as redis:
            for name in ("sip_inbound_trunk", "sip_outbound_trunk", "sip_dispatch_rule"):
                assert await redis.delete(name) == 1
        assert not await dialer.list_ids()
        after = await keep()
        assert await dialer.list_ids() == set(after)
        assert not set(after) & set(before)
        for trunk in after[:2]:
            await dialer.close_trunk(trunk)
        await dialer.close_rule(after[2])
    finally:
        await dialer.close()
