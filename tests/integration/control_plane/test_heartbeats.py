"""What heartbeats of workers cost: leases are renewed where their rows stand, and no index is written."""

import asyncio
import json

import psycopg
import pytest

from tests.support.database import Clone
from tests.support.platform import Platform, Tenant
from tests.support.uplink import ticket_of, worker

pytestmark = pytest.mark.anyio

_UPDATED = """
    select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'session_job'
"""


async def test_a_heartbeat_writes_no_index(platform: Platform, tenant: Tenant, clone: Clone) -> None:
    async with worker(platform) as at:
        told = await at.exchange(await ticket_of(tenant))
        assert "job" in told, told
        with psycopg.connect(clone.superuser, autocommit=True) as connection:
            before = connection.execute(_UPDATED).fetchone()
            await at.say(type="heartbeat", worker_id="w1", capacity=10, calls=["AJ_1"])
            async with asyncio.timeout(60):
                while (after := connection.execute(_UPDATED).fetchone()) == before:
                    await asyncio.sleep(0.05)
        assert before is not None
        assert after is not None
        assert after[0] - before[0] == after[1] - before[1] > 0, json.dumps([before, after])
