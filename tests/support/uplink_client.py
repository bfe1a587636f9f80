"""The worker's own half of the uplink, as tests drive it: its connection, and a report as it travels."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from agents.calling import PersonaJob
from agents.contract import Command, Submission
from agents.spool import Spool
from agents.uplink import Uplink


@asynccontextmanager
async def uplink_to(
    port: int,
    spool: Spool,
    *,
    token: str = "token",
    capacity: int = 3,
    calls: Callable[[], list[str]] = list,
    on_command: Callable[[Command], None] = lambda _: None,
    stands: asyncio.Event | None = None,
) -> AsyncIterator[Uplink]:
    """A worker's uplink to whoever listens at a port, connected; `stands` is set each time that it is."""
    connected = stands or asyncio.Event()
    uplink = Uplink(
        f"http://127.0.0.1:{port}",
        token,
        spool,
        worker_id="w1",
        capacity=capacity,
        calls=calls,
        on_command=on_command,
        on_connected=connected.set,
    )
    running = asyncio.create_task(uplink.run())
    try:
        async with asyncio.timeout(60):
            await connected.wait()
        yield uplink
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def submission_of(job: PersonaJob, sequence: int, **report: Any) -> Submission:
    """A report of a job, said now unless it tells when."""
    return Submission(
        session_id=job.session_id,
        epoch=job.epoch,
        sequence=sequence,
        capability=job.capability,
        report={"at": datetime.now(UTC).isoformat()} | report,
    )
