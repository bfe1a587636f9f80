"""The duties of the jobs process, one after the other."""

import asyncio
import base64
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from control_plane import metrics
from control_plane.clock import Clock
from control_plane.errors import Unavailable
from control_plane.supervisor import loops
from control_plane.supervisor.loops import every, keep_books
from guard import exposition

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


async def test_who_keeps_the_books_no_more_tells_of_no_rows_that_another_sees_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def lead(_seconds: float, *_duties: Any) -> None:
        metrics.PARTITION_STRAYS.labels("event").set(3)
        await asyncio.Event().wait()

    monkeypatch.setattr(loops, "every", lead)
    settings = SimpleNamespace(secret_keys=(base64.b64encode(bytes(32)).decode(),))
    parts: Any = SimpleNamespace(database=None, clock=Clock(), settings=settings)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.05):
            await keep_books(parts)
    assert b"parley_partition_strays{" not in exposition.text()
