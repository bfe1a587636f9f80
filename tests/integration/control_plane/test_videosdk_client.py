"""The official client package `@videosdk.live/server-sdk`, with its address changed and nothing else."""

import asyncio
import json
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from control_plane.media.recorder import EgressState
from tests.support.database import CHECKOUT
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver
from tests.support.recordings import BEGAN, complete, tell
from tests.support.videosdk import Hooks

PACKAGE = CHECKOUT / "web" / "node_modules" / "@videosdk.live" / "server-sdk" / "dist" / "index.mjs"
DRIVER = CHECKOUT / "tests" / "support" / "videosdk_client.mjs"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(NODE is None or not PACKAGE.exists(), reason="node or the package is missing"),
]


class Refused(Exception):
    """What the client raised."""


class Client:
    """The package in a process of its own."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def call(self, name: str, *args: Any) -> Any:
        """What a method of the client answers; a page is all of its pages. Raises `Refused`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"call": name, "args": args}).encode() + b"\n")
        answer = json.loads(await asyncio.wait_for(self.process.stdout.readline(), 60))
        if "error" in answer:
            raise Refused(answer["error"], answer.get("status"), answer["message"])
        return answer["value"]

    async def refused(self, name: str, *args: Any) -> tuple[str, int]:
        """How a call was refused."""
        with pytest.raises(Refused) as refusal:
            await self.call(name, *args)
        return refusal.value.args[0], refusal.value.args[1]


@asynccontextmanager
async def official(platform: Platform, tenant: Tenant) -> AsyncIterator[Client]:
    """The client, with a project's key and secret."""
    assert NODE is not None
    environment = {"VIDEOSDK_API_KEY": tenant.key, "VIDEOSDK_SECRET": tenant.secret, "PATH": "/usr/bin:/bin"}
    command = (NODE, str(DRIVER), PACKAGE.as_uri(), platform.url)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=environment, limit=2**24)
    try:
        yield Client(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(60):
            await process.wait()


async def test_rooms_and_sessions(platform: Platform, tenant: Tenant) -> None:
    async with official(platform, tenant) as client:
        made = await client.call(
            "rooms.create",
            {
                "customRoomId": "standup",
                "geoFence": "us002",
                "webhook": {"url": "https://example.com/hook", "events": ["session*"]},
                "autoCloseConfig": {"afterInactiveSeconds": 60, "type": "session-ends"},
                "multiComposition": {"recording": True},
            },
        )
        assert made["webhook"] == {"endPoint": "https://example.com/hook", "events": ["session*"]}
        assert made["autoCloseConfig"] == {"type": "session-ends", "duration": 60}
        assert await client.call("rooms.create", {"customRoomId": "standup"}) == made
        for _ in range(24):
            await client.call("rooms.create")
        assert len(await client.call("rooms.list", {"perPage": 10})) == 25
        assert await client.call("rooms.get", "standup") == made
        room_id = made["roomId"]
        assert await client.call("rooms.validate", room_id) == {"valid": True, "roomId": room_id, "room": made}
        assert await client.call("rooms.validate", "nobody") == {"valid": False, "roomId": "nobody"}
        assert await client.refused("rooms.get", "nobody") == ("RoomNotFoundError", 402)
        hooks = Hooks(platform, f"proj_{room_id}")
        assert await client.call("participants.list", room_id) == []
        await hooks.joins("ada", "Ada")
        await hooks.joins("bob", "Bob")
        await hooks.leaves("bob")
        (session,) = await client.call("sessions.list", {"roomId": room_id, "status": "ongoing"})
        assert (await client.call("sessions.get", session["id"]))["status"] == "ongoing"
        everybody = await client.call("sessions.listParticipants", session["id"], {"perPage": 1})
        assert [each["name"] for each in everybody] == ["Ada", "Bob"]
        (there,) = await client.call("sessions.listActiveParticipants", session["id"])
        assert there == await client.call("sessions.getParticipant", session["id"], "ada")
        assert await client.call("participants.list", room_id) == [there]
        assert await client.call("participants.get", room_id, "ada") == there
        assert await client.refused("participants.remove", room_id, "nobody") == ("RoomNotFoundError", 404)
        assert (await client.call("sessions.end", {"roomId": room_id}))["status"] == "ended"
        assert await client.refused("sessions.end", {"roomId": room_id}) == ("RoomNotFoundError", 404)
        assert (await client.call("rooms.end", room_id))["disabled"] is True


def unsigned(recording: dict[str, Any]) -> dict[str, Any]:
    """A recording without the signature of its link, which is another each second."""
    return recording | {"file": recording["file"] | {"fileUrl": recording["file"]["fileUrl"].partition("?")[0]}}


async def test_recordings_of_rooms_participants_and_tracks(platform: Platform, tenant: Tenant) -> None:
    async with official(platform, tenant) as client:
        room_id = (await client.call("rooms.create"))["roomId"]
        assert await client.refused("recordings.start", room_id) == ("RoomNotFoundError", 404)
        hooks = Hooks(platform, f"proj_{room_id}")
        await hooks.joins("ada", "Ada")
        await hooks.publishes("ada", "TR_1", "CAMERA")
        look = {"layout": "sidebar", "quality": "high", "theme": "DARK", "orientation": "portrait"}
        handle = await client.call("recordings.start", room_id, {"composition": look, "dirPath": "calls"})
        assert (handle["type"], handle["roomId"]) == ("recording", room_id)
        assert await client.refused("recordings.start", room_id) == ("ResourceConflictError", 409)
        await client.call("recordings.participant.start", room_id, {"participantId": "ada"})
        await client.call("recordings.track.start", room_id, {"participantId": "ada", "kind": "video"})
        no_sound = {"participantId": "ada", "kind": "audio"}
        assert await client.refused("recordings.track.start", room_id, no_sound) == ("RoomNotFoundError", 404)
        whole, person, track = [order for call, order in platform.recorder.calls if call == "start"]
        picture = whole.picture
        assert (picture.width, picture.height, picture.layout) == (720, 1280, "speaker-dark")
        assert (whole.format, person.format, track.format) == ("mp4", "webm", "webm")
        assert "/calls/" in whole.key
        assert (person.kind, person.identity, track.video_track) == ("participant", "ada", "TR_1")
        await client.call("recordings.stop", handle)
        await client.call("recordings.participant.stop", room_id, "ada")
        await client.call("recordings.track.stop", room_id, "ada", "video")
        assert await client.refused("recordings.track.stop", room_id, "ada", "audio") == ("RoomNotFoundError", 404)
        for egress_id in ("EG_1", "EG_2", "EG_3"):
            await complete(platform, egress_id)
        (recording,) = await client.call("recordings.list", {"roomId": room_id})
        once_more = await client.call("recordings.get", recording["id"])
        assert unsigned(once_more) == unsigned(recording)
        async with httpx2.AsyncClient(timeout=30) as http:
            url = recording["file"]["fileUrl"].replace(platform.settings.public_url, platform.url)
            file = await http.get(url)
        assert (file.status_code, file.headers["content-type"]) == (200, "video/mp4")
        for kind in ("participant", "track"):
            (found,) = await client.call(f"recordings.{kind}.list", {"participantId": "ada"})
            assert found["participantId"] == "ada"
            assert (await client.call(f"recordings.{kind}.get", found["id"]))["files"][0][
                "size"
            ] == file.num_bytes_downloaded
            assert "message" in await client.call(f"recordings.{kind}.delete", found["id"])
            assert await client.call(f"recordings.{kind}.list") == []
        await client.call("recordings.delete", recording["id"])
        assert await client.refused("recordings.get", recording["id"]) == ("RoomNotFoundError", 404)


async def test_hls_and_livestreams(platform: Platform, tenant: Tenant) -> None:
    async with official(platform, tenant) as client, httpx2.AsyncClient(timeout=30) as http:
        room_id = (await client.call("rooms.create"))["roomId"]
        assert await client.refused("hls.get", room_id) == ("RoomNotFoundError", 404)
        await Hooks(platform, f"proj_{room_id}").joins("ada", "Ada")
        handle = await client.call("hls.start", room_id, {"composition": {"layout": "grid", "gridSize": 4}})
        assert len(handle["id"]) == 24
        running = await client.call("hls.get", room_id)
        assert running["id"] == handle["id"]
        url = running["playbackHlsUrl"].replace(platform.settings.public_url, platform.url)
        assert (await http.get(url)).status_code == 404
        key = next(order.key for call, order in platform.recorder.calls if call == "start")
        stem = key.rpartition("/")[2].removesuffix(".m3u8")
        platform.recorder.write("EG_1", f"#EXTM3U\n#EXTINF:4,\n{stem}_00000.ts\n#EXT-X-ENDLIST\n".encode())
        piece = platform.recorder.folder / key.replace(".m3u8", "_00000.ts")
        piece.write_bytes(b"piece")
        listed = await http.get(url)
        assert listed.headers["content-type"] == "application/vnd.apple.mpegurl"
        assert listed.headers["access-control-allow-origin"] == "*"
        assert (await http.get(f"{url.rpartition('/')[0]}/{stem}_00000.ts")).content == b"piece"
        for name in (f"{stem}.m3u8", "../x.ts", f"{stem}_9.ts", "summary.txt"):
            assert (await http.get(f"{url.rpartition('/')[0]}/{name}")).status_code == 404
        wrong = url.replace("/streams/", "/streams/1")
        assert (await http.get(wrong)).status_code == 403
        await client.call("hls.stop", handle)
        await complete(platform, "EG_1", listed.content)
        assert (await client.call("hls.getById", handle["id"]))["status"] == "completed"
        assert len(await client.call("hls.list", {"roomId": room_id})) == 1
        await client.call("hls.delete", handle["id"])
        assert not piece.exists()
        outputs = [{"url": "rtmp://example.com/live", "streamKey": "secret"}]
        live = await client.call("rtmp.start", room_id, {"streams": outputs, "composition": {"layout": "spotlight"}})
        order = [order for call, order in platform.recorder.calls if call == "start"][-1]
        assert order.urls == ("rtmp://example.com/live/secret",)
        await tell(platform, platform.recorder.says("EG_2", EgressState.ACTIVE, started_at=BEGAN))
        (shown,) = await client.call("rtmp.list", {"roomId": room_id})
        assert shown["outputs"] == [{"url": "rtmp://example.com/live"}]
        await client.call("rtmp.stop", live)
        ended = platform.recorder.says("EG_2", EgressState.COMPLETE, ended_at=BEGAN)
        await tell(platform, ended)
        over = await client.call("rtmp.get", live["id"])
        assert (over["status"], "secret" in str(over)) == ("completed", False)


async def test_the_package_believes_our_webhooks(platform: Platform, tenant: Tenant, receiver: Receiver) -> None:
    async with official(platform, tenant) as client, platform.jobs():
        hook = {"url": f"{receiver.url}/", "events": ["participant-joined"]}
        room_id = (await client.call("rooms.create", {"webhook": hook}))["roomId"]
        await Hooks(platform, f"proj_{room_id}").joins("ada", "Ada")
        (received,) = await receiver.wait_for(1)
        body, signature = received.body.decode(), received.headers["videosdk-signature"]
        event = await client.call("webhooks.verify", body, signature)
        assert (event["type"], event["data"]["participantName"]) == ("participant-joined", "Ada")
        forged = await client.refused("webhooks.verify", body.replace("Ada", "Eve"), signature)
        assert forged[0] == "WebhookVerificationError"
