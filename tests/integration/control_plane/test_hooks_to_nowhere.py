"""A real livekit-server whose hooks go to nowhere: passes of the reconciler tell everything, once."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from livekit import rtc
from sqlmodel import col, select

from control_plane.events.models import Event
from control_plane.supervisor.reconciler import Reconciler
from tests.support.livekit import livekit_of
from tests.support.platform import Platform, Tenant
from tests.support.ports import free_port
from tests.support.rooms import somebody

pytestmark = pytest.mark.anyio


async def facts(platform: Platform) -> list[tuple[str, str | None, str | None]]:
    async with platform.database.platform() as db:
        events = (await db.exec(select(Event).order_by(col(Event.id)))).all()
    return [(event.type, event.data.get("identity"), event.data.get("reason")) for event in events]


async def until(look: Callable[[], Awaitable[None]], platform: Platform, wanted: set[tuple[str, str | None]]) -> None:
    """Passes, until these were told."""
    async with asyncio.timeout(60):
        while not wanted <= {(fact, who) for fact, who, _ in await facts(platform)}:
            await look()
            await asyncio.sleep(0.2)


async def join(tenant: Tenant, identity: str) -> str:
    body = {"identity": identity, "room": "r", "no_agent": True}
    return str((await tenant.http.post("/token", json=body)).json()["token"])


async def test_everything_is_told_once_without_any_hook(platform: Platform, tenant: Tenant, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/livekit/webhook"
    async with livekit_of(platform, tmp_path, hooks=nowhere) as url:
        look = Reconciler(platform.database, platform.app.state.media, platform.app.state.clock).reconcile
        async with somebody(url, await join(tenant, "ada")) as ada:
            await until(look, platform, {("participant.joined", "ada")})
            assert (await tenant.http.post("/sessions", json={"room_name": "r"})).status_code == 201
            async with somebody(url, await join(tenant, "bob")) as bob:
                await bob.speak(440)
                await until(look, platform, {("track.published", "bob")})
                (publication,) = bob.room.local_participant.track_publications.values()
                await bob.room.local_participant.unpublish_track(publication.sid)
                await until(look, platform, {("track.unpublished", "bob")})
            await until(look, platform, {("participant.left", "bob")})
            assert ada.room.connection_state == rtc.ConnectionState.CONN_CONNECTED
            await platform.app.state.media.close_room("proj_r")
            await until(look, platform, {("room.finished", None), ("session.ended", None)})
        for _ in range(2):
            await look()
    told = [fact for fact in await facts(platform) if fact[0] != "session.started"]
    assert told == [
        ("room.created", None, None),
        ("room.started", None, None),
        ("participant.joined", "ada", None),
        ("participant.joined", "bob", None),
        ("track.published", "bob", None),
        ("track.unpublished", "bob", None),
        ("participant.left", "bob", "left"),
        ("participant.left", "ada", "room_closed"),
        ("room.finished", None, None),
        ("session.ended", None, None),
    ]
    shown = (await tenant.http.get("/rooms/r")).json()["room"]
    assert (shown["status"], shown["numParticipants"]) == ("closed", 0)
