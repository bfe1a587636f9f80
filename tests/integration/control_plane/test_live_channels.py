"""What is passed on between processes: one thing that takes long does not hold up the others."""

import asyncio

import psycopg
import pytest

from control_plane.sessions.reports import LIVE_LINES
from control_plane.telephony.service import PRESS_KEYS
from tests.integration.control_plane.test_monitor import hear, monitor, subscribe
from tests.support.database import Clone
from tests.support.platform import Platform

pytestmark = pytest.mark.anyio

SHOWN_WITHIN = 3.0
"""Seconds; a statement that waits for a lock is broken off after 8."""


async def test_a_line_is_shown_while_a_command_waits_for_the_database(platform: Platform, clone: Clone) -> None:
    tenant = await platform.tenant()
    live = platform.app.state.live
    line = {"project_id": tenant.project.id, "room_name": "proj_r", "session_id": 1, "speaker": "user"}
    line |= {"content": "Hello", "timestamp_ms": 1, "is_final": False}
    async with (
        await psycopg.AsyncConnection.connect(clone.superuser) as owner,
        monitor(platform, tenant.key) as socket,
    ):
        await subscribe(socket, "room:r")
        await owner.execute("lock table session_job in access exclusive mode")
        await live.command(PRESS_KEYS, {"session_id": 1, "digits": "1"})
        async with asyncio.timeout(60):
            while not await _somebody_waits(clone):
                await asyncio.sleep(0.02)
        await live.publish(LIVE_LINES, line)
        async with asyncio.timeout(SHOWN_WITHIN):
            shown = await hear(socket, "transcript.new")
        assert shown["data"]["content"] == "Hello"
        await owner.rollback()


async def _somebody_waits(clone: Clone) -> bool:
    async with await psycopg.AsyncConnection.connect(clone.superuser) as other:
        asked = await other.execute("select exists (select from pg_locks where not granted)")
        row = await asked.fetchone()
        return bool(row and row[0])
