"""Recordings of a platform whose recorder does as it is told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from control_plane.clock import Clock
from control_plane.events.models import Event
from control_plane.media.recorder import Egress, EgressState
from control_plane.recordings.hooks import egress_changed
from control_plane.recordings.watching import RecordingWatch
from tests.support.platform import Platform, Tenant

SOUND = bytes(range(256)) * 400
BEGAN = datetime.now(UTC).replace(microsecond=0)


async def start(tenant: Tenant, **body: Any) -> dict[str, Any]:
    answer = await tenant.http.post("/rooms/r/recordings/start", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["recording"])


async def get(tenant: Tenant, recording_id: int) -> dict[str, Any]:
    return dict((await tenant.http.get(f"/recordings/{recording_id}")).json()["recording"])


async def tell(platform: Platform, egress: Egress) -> None:
    """What LiveKit's hook says, and what follows it."""
    async with platform.database.platform() as db:
        recording = await egress_changed(db, Clock(), egress)
    if recording is not None:
        await platform.app.state.finisher.finish(recording.id)


async def complete(
    platform: Platform,
    egress_id: str,
    content: bytes = SOUND,
    *,
    ends: EgressState = EgressState.COMPLETE,
    error: str = "",
) -> None:
    platform.recorder.write(egress_id, content)
    told: dict[str, Any] = {
        "started_at": BEGAN,
        "ended_at": BEGAN + timedelta(seconds=5),
        "seconds": 5.0,
        "size": len(content),
        "filename": platform.recorder.egresses[egress_id].paths[0],
    }
    egress = platform.recorder.says(egress_id, ends, error=error, **told)
    await tell(platform, egress)


async def facts(platform: Platform) -> list[tuple[str, Any]]:
    async with platform.database.platform() as db:
        steps = ("recording.started", "recording.stopped", "recording.failed")
        query = select(Event).where(col(Event.type).in_(steps)).order_by(col(Event.id))
        return [(event.type, event.data["status"]) for event in (await db.exec(query)).all()]


def watch(platform: Platform, clock: Clock | None = None) -> RecordingWatch:
    state = platform.app.state
    return RecordingWatch(
        platform.database, clock or Clock(), platform.recorder, state.finisher, longest=timedelta(hours=4)
    )


@pytest.fixture
async def room(tenant: Tenant) -> str:
    """A room to be recorded, `r`."""
    assert (await tenant.http.post("/rooms", json={"name": "r"})).status_code == 201
    return "r"


@pytest.fixture
async def recorded(platform: Platform, tenant: Tenant, room: str) -> dict[str, Any]:
    """A recording that is complete."""
    made = await start(tenant)
    await complete(platform, made["egress_id"])
    return await get(tenant, made["id"])
