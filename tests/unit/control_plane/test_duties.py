"""The duties of the jobs process, one after the other."""

import asyncio
from contextlib import suppress
from functools import partial

import pytest

from control_plane.errors import Unavailable
from control_plane.supervisor.loops import every

pytestmark = pytest.mark.anyio


async def test_a_duty_that_fails_does_not_keep_the_others_from_theirs() -> None:
    done = []

    async def fail(error: Exception) -> None:
        raise error

    async def work() -> None:
        done.append("work")

    duties = partial(fail, Unavailable("LiveKit is away")), partial(fail, ValueError("one bad row")), partial(work)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.05):
            await every(0.01, *duties)
    assert len(done) > 1
