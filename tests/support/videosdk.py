"""A project's server that speaks the VideoSDK's v2 REST reference, and what LiveKit tells of its rooms."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import jwt
from livekit import api

from control_plane.livekit_hooks.service import take
from tests.support.platform import Platform, Tenant

AUTO_START: dict[str, Any] = {
    "recording": {
        "transcription": {"enabled": True, "summary": {"enabled": "true", "prompt": "Title, Agenda, Notes"}},
        "config": {"layout": {"type": "GRID", "priority": "SPEAKER", "gridSize": 4}, "quality": "high"},
        "awsDirPath": "calls/2026",
    },
    "hls": {
        "transcription": {"enabled": "false"},
        "config": {"layout": {"type": "SIDEBAR", "priority": "PIN"}, "recording": {"enabled": "true"}},
    },
}


def token(tenant: Tenant, **claims: Any) -> str:
    """A token of a project's server."""
    said = {"apikey": tenant.key, "permissions": ["allow_join", "allow_mod"], "version": 2, "roles": ["crawler"]}
    return jwt.encode(said | {"exp": int(time.time()) + 600} | claims, tenant.secret, algorithm="HS256")


@asynccontextmanager
async def v2(platform: Platform, tenant: Tenant, **claims: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of `/v2`."""
    headers = {"Authorization": token(tenant, **claims)}
    async with httpx2.AsyncClient(base_url=f"{platform.url}/v2", headers=headers, timeout=30) as http:
        yield http


async def make_room(http: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    """A new room."""
    answer = await http.post("/rooms", json=body)
    assert answer.status_code == 200, answer.text
    room: dict[str, Any] = answer.json()
    return room


class Hooks:
    """LiveKit's hooks about one room."""

    def __init__(self, platform: Platform, full_name: str, sid: str = "RM_1") -> None:
        self.platform, self.room = platform, api.Room(name=full_name, sid=sid)
        self._count = 0

    async def tell(self, event: str, **more: Any) -> None:
        """One hook."""
        self._count += 1
        hook_id = f"EV_{self.room.sid}_{self.room.name}_{self._count}"
        async with self.platform.database.platform() as db:
            hook = api.WebhookEvent(id=hook_id, event=event, room=self.room, **more)
            await take(db, self.platform.app.state.clock, hook)

    async def joins(self, identity: str, name: str = "") -> None:
        """Somebody comes."""
        person = api.ParticipantInfo(sid=f"PA_{identity}", identity=identity, name=name)
        await self.tell("participant_joined", participant=person)

    async def leaves(self, identity: str) -> None:
        """Somebody goes."""
        await self.tell("participant_left", participant=api.ParticipantInfo(sid=f"PA_{identity}", identity=identity))

    async def publishes(self, identity: str, sid: str, source: str) -> None:
        """Somebody's microphone or camera is on."""
        kind = api.TrackType.AUDIO if "AUDIO" in source or source == "MICROPHONE" else api.TrackType.VIDEO
        track = api.TrackInfo(sid=sid, type=kind, source=api.TrackSource.Value(source))
        person = api.ParticipantInfo(sid=f"PA_{identity}", identity=identity)
        await self.tell("track_published", participant=person, track=track)

    async def ends(self) -> None:
        """The room is over."""
        await self.tell("room_finished")
