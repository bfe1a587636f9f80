"""Call control on a real livekit-server with real clients: what is asked over HTTP is what they see and may do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from livekit import rtc

from tests.support.livekit import livekit_of
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

PATIENCE = 60
PROBE = "probe"


@pytest.fixture
async def livekit(platform: Platform, tmp_path: Path) -> AsyncIterator[str]:
    """A livekit-server that the platform controls and hears of."""
    async with livekit_of(platform, tmp_path) as url:
        yield url


@dataclass
class Client:
    """Somebody in the room `r`, and what happened to them."""

    room: rtc.Room
    packets: "asyncio.Queue[tuple[str, str | None, rtc.RemoteParticipant | None]]" = field(
        default_factory=asyncio.Queue
    )
    happened: asyncio.Queue[tuple[str, Any]] = field(default_factory=asyncio.Queue)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for(self, wanted: str) -> Any:
        """What came with the next event of that name."""
        async with asyncio.timeout(PATIENCE):
            while True:
                name, about = await self.happened.get()
                if name == wanted:
                    return about

    async def packet(self) -> tuple[str, str | None, rtc.RemoteParticipant | None]:
        """The next packet: its text, its topic, its sender."""
        async with asyncio.timeout(PATIENCE):
            return await self.packets.get()


@asynccontextmanager
async def joined(tenant: Tenant, url: str, identity: str) -> AsyncIterator[Client]:
    """A client in the room `r`, with a token of the platform."""
    body = {"identity": identity, "room": "r", "no_agent": True}
    token = (await tenant.http.post("/token", json=body)).json()["token"]
    client = Client(rtc.Room())
    happened = client.happened

    @client.room.on("data_received")
    def on_data(packet: rtc.DataPacket) -> None:
        if packet.topic == PROBE:
            client.reached.set()
        else:
            client.packets.put_nowait((packet.data.decode(), packet.topic or None, packet.participant))

    client.room.on("track_published", lambda track, _: happened.put_nowait(("published", track.sid)))
    client.room.on("track_unpublished", lambda track, _: happened.put_nowait(("unpublished", track.sid)))
    client.room.on("track_muted", lambda who, _: happened.put_nowait(("muted", who.identity)))
    client.room.on("track_unmuted", lambda who, _: happened.put_nowait(("unmuted", who.identity)))
    client.room.on("participant_name_changed", lambda who, *_: happened.put_nowait(("named", who.name)))
    client.room.on("disconnected", lambda reason: happened.put_nowait(("disconnected", reason)))
    await asyncio.wait_for(client.room.connect(url, token), PATIENCE)
    try:
        yield client
    finally:
        await client.room.disconnect()


async def reach(tenant: Tenant, **clients: Client) -> None:
    """Until packets come to these: to who has only just joined LiveKit may not be able to send one yet."""
    async with asyncio.timeout(PATIENCE):
        for identity, client in clients.items():
            while not client.reached.is_set():
                probe = {"data": "there?", "topic": PROBE, "destination_identities": [identity]}
                await tenant.http.post("/rooms/r/send-data", json=probe)
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await client.reached.wait()


async def publish(client: Client) -> None:
    """Publish a microphone that says nothing."""
    track = rtc.LocalAudioTrack.create_audio_track("mic", rtc.AudioSource(48_000, 1))
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await client.room.local_participant.publish_track(track, options)


async def participants(tenant: Tenant) -> dict[str, dict[str, Any]]:
    answer = await tenant.http.get("/rooms/r/participants")
    return {row["identity"]: row for row in answer.json()["participants"]}


async def ask(tenant: Tenant, action: str, body: object = None) -> dict[str, Any]:
    answer = await tenant.http.post(f"/rooms/r/{action}", json=body)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    assert content["success"] is True
    return content


async def test_broadcasts_reach_everybody_and_whispers_only_whom_they_are_for(platform: Platform, livekit: str) -> None:
    tenant = await platform.tenant()
    await tenant.http.post("/rooms", json={"name": "r"})
    async with joined(tenant, livekit, "ada") as ada, joined(tenant, livekit, "bob") as bob:
        await reach(tenant, ada=ada, bob=bob)
        await ask(tenant, "send-data", {"data": "Grüße an alle", "topic": "chat"})
        for client in (ada, bob):
            assert await client.packet() == ("Grüße an alle", "chat", None)
        await ask(tenant, "send-data", {"data": {"say": "hush"}, "destination_identities": ["ada"]})
        await ask(tenant, "send-data", {"data": "last"})
        assert await ada.packet() == ('{"say":"hush"}', None, None)
        assert await ada.packet() == ("last", None, None)
        assert await bob.packet() == ("last", None, None)
        refused = {"data": "x", "destination_identities": ["ada", "nobody"]}
        assert (await tenant.http.post("/rooms/r/send-data", json=refused)).status_code == 404
        await ask(tenant, "send-data", {"data": "after"})
        assert await ada.packet() == ("after", None, None)


async def test_others_see_who_is_muted_renamed_and_may_no_longer_speak(platform: Platform, livekit: str) -> None:
    tenant = await platform.tenant()
    await tenant.http.post("/rooms", json={"name": "r"})
    async with joined(tenant, livekit, "ada") as ada, joined(tenant, livekit, "bob") as bob:
        silent = await tenant.http.post("/rooms/r/participants/ada/mute", json={"muted": True})
        assert (silent.status_code, silent.json()["code"]) == (409, "CONFLICT")
        await publish(ada)
        track = await bob.wait_for("published")

        for muted, event in ((True, "muted"), (False, "unmuted")):
            told = await ask(tenant, "participants/ada/mute", {"muted": muted})
            assert (told["track_sid"], told["muted"]) == (track, muted)
            assert await bob.wait_for(event) == "ada"
            assert (await participants(tenant))["ada"]["tracks"][0]["muted"] is muted

        renamed = await ask(tenant, "participants/ada", {"name": "Countess", "metadata": "vip"})
        assert await bob.wait_for("named") == "Countess"
        assert (renamed["participant"]["name"], renamed["participant"]["metadata"]) == ("Countess", "vip")
        assert (await participants(tenant))["ada"]["name"] == "Countess"

        await ask(tenant, "participants/ada", {"permission": {"canPublishData": False}})
        merged = await ask(tenant, "participants/ada", {"permission": {"canPublish": False}})
        assert merged["participant"]["permission"] == {
            "canPublish": False,
            "canSubscribe": True,
            "canPublishData": False,
            "canPublishSources": [],
        }
        assert await bob.wait_for("unpublished") == track
        with pytest.raises(rtc.participant.PublishTrackError):
            await publish(ada)
        shown = await ask(tenant, "participants/ada", {"metadata": "quiet"})
        assert (shown["participant"]["metadata"], shown["participant"]["tracks"]) == ("quiet", [])


async def test_who_is_kicked_is_disconnected_and_no_longer_listed(platform: Platform, livekit: str) -> None:
    tenant = await platform.tenant()
    await tenant.http.post("/rooms", json={"name": "r"})
    async with joined(tenant, livekit, "ada") as ada, joined(tenant, livekit, "bob"):
        await ask(tenant, "kick/ada")
        assert await ada.wait_for("disconnected") == rtc.DisconnectReason.PARTICIPANT_REMOVED
        async with asyncio.timeout(PATIENCE):
            while "ada" in await participants(tenant):
                await asyncio.sleep(0.05)
        assert set(await participants(tenant)) == {"bob"}
        assert (await tenant.http.post("/rooms/r/kick/ada")).status_code == 404
