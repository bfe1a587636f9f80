"""Trunks on a real livekit-server: what it gave us and no row of ours tells of is taken up again."""

import pytest

from sip.dialer import Carrier, Line, LiveKitDialer, NumberTakenError
from tests.integration.pocket.conftest import KEY, SECRET, Exchange

pytestmark = pytest.mark.anyio


async def test_what_livekit_has_of_ours_is_kept_and_a_number_of_others_is_taken(exchange: Exchange) -> None:
    dialer = LiveKitDialer(exchange.url, KEY, SECRET, timeout=10)
    ours, theirs = (Carrier(key, "Main", "+18005559871", "127.0.0.1:5999", "udp") for key in ("ours", "theirs"))
    line = Line("proj_call", "parley", "{}")
    try:
        inbound = await dialer.open_inbound(ours, None)
        rule = await dialer.open_rule(ours, line, inbound, None)
        assert await dialer.open_inbound(ours, None) == inbound
        assert await dialer.open_rule(ours, line, inbound, None) == rule
        with pytest.raises(NumberTakenError):
            await dialer.open_inbound(theirs, None)
        await dialer.close_rule(rule)
        await dialer.close_trunk(inbound)
    finally:
        await dialer.close()
