"""A livekit-server or a Redis that goes away in a recording."""

import asyncio
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from livekit import api

from tests.support.ports import free_port
from tests.support.studio import ENDED, RATE, Stage, Studio, a_recorder, a_studio, tone
from tests.support.takes import heard, level, seconds

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


class Redis:
    """A Redis server of one test, that keeps what it has."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder = free_port(), folder
        self.url = f"redis://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Start it, with what it had."""
        options = ["--bind", "127.0.0.1", "--dir", str(self._folder), "--appendonly", "yes", "--appendfsync", "always"]
        command = ["redis-server", "--port", str(self.port), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis to break."""
    redis = Redis(tmp_path)
    yield redis
    redis.stop()


@pytest.fixture
def breakable(redis: Redis, tmp_path: Path) -> Iterator[Studio]:
    """A livekit-server to break."""
    time.sleep(0.3)
    with a_studio(redis.url, tmp_path) as studio:
        yield studio


async def test_a_livekit_server_that_starts_anew_costs_no_more_than_its_own_time(
    breakable: Studio, tmp_path: Path
) -> None:
    with a_recorder(breakable, tmp_path):
        async with Stage(breakable) as stage, Stage(breakable) as again:
            await stage.enter("hall", "ada", tone(440))
            begun = await stage.record("hall", "hall")
            await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
            await asyncio.sleep(2)
            breakable.kill()
            await asyncio.to_thread(breakable.start)
            await asyncio.sleep(8)  # time for ada to come back
            if (await again.info(begun.egress_id)).status == api.EGRESS_ACTIVE:
                await again.livekit.egress.stop_egress(api.StopEgressRequest(egress_id=begun.egress_id))
            ended = await again.until(begun.egress_id, *ENDED, within=40)

        assert ended.status in (api.EGRESS_COMPLETE, api.EGRESS_FAILED)
        result = ended.file_results[0]
        assert seconds(result.location) == pytest.approx(result.duration / 1e9, abs=0.05)
        assert result.duration / 1e9 > 2
        sound, tenth = heard(result.location)[0], RATE // 10
        silent = sum(level(piece, 440) < -40 for piece in sound[: len(sound) // tenth * tenth].reshape(-1, tenth)) / 10
        told = re.search(r"missing ([0-9.]+) s: the connection to the room was lost", ended.details)
        assert told, ended.details
        assert silent == pytest.approx(float(told[1]), abs=0.7)


async def test_a_redis_that_is_away_for_a_while_is_told_afterwards(
    redis: Redis, breakable: Studio, tmp_path: Path
) -> None:
    with a_recorder(breakable, tmp_path):
        async with Stage(breakable) as stage:
            ada = await stage.enter("hall", "ada", tone(440))
            asked = api.ParticipantEgressRequest(room_name="hall", identity="ada")
            asked.file_outputs.append(api.EncodedFileOutput(filepath="ada.ogg"))
            begun = await stage.livekit.egress.start_participant_egress(asked)
            await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
            await asyncio.sleep(1.5)
            redis.stop()
            await asyncio.sleep(0.5)
            await ada.leave()
            await asyncio.sleep(1)
            redis.start()
            ended = await stage.until(begun.egress_id, *ENDED, within=40)

        assert ended.status == api.EGRESS_COMPLETE
        sound = heard(ended.file_results[0].location)[0]
        assert 2 < len(sound) / RATE < 9
        assert level(sound[: 2 * RATE], 440) > -14
