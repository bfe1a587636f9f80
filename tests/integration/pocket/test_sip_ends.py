"""What becomes of calls when something else ends: LiveKit, or the service."""

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from livekit import api

from tests.integration.pocket.conftest import KEY, SECRET, Exchange, start_exchange
from tests.integration.pocket.test_sip_outbound import dial
from tests.support.ports import free_port
from tests.support.telephones import telephone
from tests.support.wirephone import wirephone

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """An exchange to break, with a Redis of its own."""
    port = free_port()
    redis = subprocess.Popen(
        ["redis-server", "--port", str(port), "--save", "", "--dir", str(tmp_path)], stdout=subprocess.DEVNULL
    )
    try:
        with start_exchange(f"redis://127.0.0.1:{port}", tmp_path, rtp_first=43_000) as exchange:
            yield exchange
    finally:
        redis.terminate()
        redis.wait(10)


async def test_when_livekit_is_gone_the_phone_is_hung_up_within_seconds(exchange: Exchange, tmp_path: Path) -> None:
    async with (
        api.LiveKitAPI(exchange.url, KEY, SECRET) as livekit,
        telephone(tmp_path / "phone", account=";answermode=auto") as phone,
    ):
        await dial(livekit, "gone", phone.port)
        await phone.until("CALL_ESTABLISHED")
        exchange.livekit.kill()
        await phone.until("CALL_CLOSED", within=15)


async def test_a_service_that_is_asked_to_end_takes_no_calls_and_then_hangs_up(exchange: Exchange) -> None:
    async with (
        api.LiveKitAPI(exchange.url, KEY, SECRET) as livekit,
        wirephone(exchange.sip_port) as phone,
        wirephone(exchange.sip_port) as late,
    ):
        dialling = asyncio.create_task(dial(livekit, "draining", phone.port))
        await phone.take()
        await dialling
        exchange.sip.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            while (await late.ask("OPTIONS")).kind != "503":
                await asyncio.sleep(0.02)
        late.number_called = "+15555000"
        assert (await late.ask("INVITE", body=late.sdp())).kind == "503"
        assert phone.came.empty()
        phone.answer(await phone.next("BYE", within=5), "200 OK")
        assert await asyncio.to_thread(exchange.sip.wait, 10) == 0
