"""More calls at once than a worker has processes that wait for them."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.chaos.models import scripted_models
from tests.support.bots import Media
from tests.support.workers import Worker, call_worker

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

CALLS, WARM = 10, 4
SLOWER = 4
"""Times as long as the first that the last may take: its process is started while others wait as well."""


async def greeted_after(worker: Worker) -> float:
    """Seconds from asking for a persona until it is read; then everybody leaves."""
    began = time.monotonic()
    call = await worker.call()
    await call.hears("Hello.")
    seconds = time.monotonic() - began
    await call.leave()
    assert (await call.ended())["reason"] == "caller_left"
    return seconds


async def test_ten_calls_at_once_are_all_had_and_the_last_begins_soon(media: Media, tmp_path: Path) -> None:
    places, warm = str(CALLS), str(WARM)
    async with (
        scripted_models() as models,
        call_worker(
            media, tmp_path, models_url=models.url, PARLEY_MAX_CALLS=places, PARLEY_IDLE_PROCESSES=warm
        ) as worker,
    ):
        took = sorted(await asyncio.gather(*(greeted_after(worker) for _ in range(CALLS))))
        sessions = {line["session"] for line in worker.logged("job claimed")}
    assert len(sessions) == CALLS
    assert took[-1] <= SLOWER * took[0], took
