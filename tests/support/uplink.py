"""A worker's side of the uplink, as the tests speak it."""

import json
from asyncio import sleep, timeout
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import jwt
from websockets.asyncio.client import ClientConnection, connect

from agents.calling import PersonaJob
from control_plane.sessions.models import Worker
from control_plane.sessions.watch import LeaseWatch
from tests.support.clocks import SteppedClock
from tests.support.platform import WORKER_TOKEN, Platform, Tenant

PERSONA = {"name": "Receptionist", "instructions": "You help {{who}}.", "greeting": "Hello {{who}}."}


class FakeWorker:
    """Speaks the uplink's protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self, kind: str, *, within: float = 60) -> dict[str, Any]:
        async with timeout(within):
            while True:
                message: dict[str, Any] = json.loads(await self.socket.recv())
                if message["type"] == kind:
                    return message

    async def exchange(self, ticket: str, *, job_id: str = "AJ_1", room: str = "proj_r") -> dict[str, Any]:
        await self.say(type="exchange", ticket=ticket, job_id=job_id, room_name=room)
        return await self.hear("exchanged")

    async def report(self, job: PersonaJob, sequence: int, **report: Any) -> dict[str, Any]:
        await self.say(
            type="report",
            session_id=job.session_id,
            epoch=job.epoch,
            sequence=sequence,
            capability=job.capability,
            report={"at": datetime.now(UTC).isoformat()} | report,
        )
        return await self.hear("verdict")


@asynccontextmanager
async def worker(
    platform: Platform, *, token: str = WORKER_TOKEN, name: str = "w1", url: str = "", capacity: int = 10
) -> AsyncIterator[FakeWorker]:
    url = (url or platform.url).replace("http", "ws") + "/uplink"
    async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}, proxy=None) as socket:
        fake = FakeWorker(socket)
        await fake.say(type="hello", worker_id=name, capacity=capacity)
        await fake.hear("welcome")
        await _is_known(platform, name)
        yield fake


async def _is_known(platform: Platform, name: str) -> None:
    """Until calls may be given to a worker: it is welcomed before it is written down."""
    async with timeout(60):
        while True:
            async with platform.database.platform() as db:
                known = await db.get(Worker, name)
            if known is not None and known.connected:
                return
            await sleep(0.01)


def lease_watch(platform: Platform) -> tuple[LeaseWatch, SteppedClock]:
    """Whoever misses jobs whose leases nobody renews, and its clock."""
    clock = SteppedClock(datetime.now(UTC))
    return LeaseWatch(platform.database, clock, lease=platform.settings.lease), clock


async def watch_for(leases: LeaseWatch, clock: SteppedClock, seconds: int) -> int:
    """Look each second for so long; how many jobs were failed."""
    failed = await leases.sweep()
    for _ in range(seconds):
        clock.step(seconds=1)
        failed += await leases.sweep()
    return failed


async def ticket_of(tenant: Tenant, room: str = "r") -> str:
    """A ticket as it comes to a worker, in a caller's token."""
    if not (await tenant.http.get("/agents")).json()["agents"]:
        await tenant.http.post("/agents", json=PERSONA)
    body = {"identity": "caller", "room": room, "variables": {"who": "Ada"}}
    token = (await tenant.http.post("/token", json=body)).json()["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    return str(json.loads(claims["roomConfig"]["agents"][0]["metadata"])["ticket"])
