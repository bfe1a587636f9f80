"""What a room's webhook is told: each event of the list, from its cause, signed."""

import base64
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from control_plane.dialects.videosdk.webhooks import NAMES
from control_plane.media.recorder import EgressState
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver
from tests.support.recordings import BEGAN, complete, tell
from tests.support.videosdk import Hooks, make_room, v2
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio

LISTED = [
    "participant-joined",
    "participant-left",
    "session-started",
    "session-ended",
    "recording-starting",
    "recording-started",
    "recording-stopping",
    "recording-stopped",
    "recording-failed",
    "participant-recording-starting",
    "participant-recording-started",
    "participant-recording-stopping",
    "participant-recording-stopped",
    "participant-recording-failed",
    "participant-track-recording-starting",
    "participant-track-recording-started",
    "participant-track-recording-stopping",
    "participant-track-recording-stopped",
    "participant-track-recording-failed",
    "transcription-completed",
    "livestream-starting",
    "livestream-started",
    "livestream-stopping",
    "livestream-stopped",
    "livestream-failed",
    "hls-starting",
    "hls-started",
    "hls-playable",
    "hls-stopping",
    "hls-stopped",
    "hls-failed",
]
WHOM = {"participantId": "ada"}
STARTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "recording": ("/recordings/start", "/recordings/end", {}),
    "participant-recording": ("/recordings/participant/start", "/recordings/participant/stop", WHOM),
    "participant-track-recording": (
        "/recordings/participant/track/start",
        "/recordings/participant/track/stop",
        WHOM | {"kind": "audio"},
    ),
    "livestream": (
        "/livestreams/start",
        "/livestreams/end",
        {"outputs": [{"url": "rtmp://example.com/app", "streamKey": "k"}]},
    ),
    "hls": ("/hls/start", "/hls/end", {}),
}


def test_the_31_events_of_the_list_are_all_there_are() -> None:
    assert sorted(NAMES) == sorted(LISTED)
    assert len(LISTED) == 31


class Stage:
    """A room with a webhook for everything, and somebody in it who speaks."""

    def __init__(self, platform: Platform, http: httpx2.AsyncClient, receiver: Receiver, room: dict[str, Any]) -> None:
        self.platform, self.http, self.receiver, self.room = platform, http, receiver, room
        self.hooks = Hooks(platform, f"proj_{room['roomId']}")

    async def begin(self) -> None:
        await self.hooks.joins("ada", "Ada")
        await self.hooks.publishes("ada", "TR_1", "MICROPHONE")

    async def post(self, path: str, **body: Any) -> httpx2.Response:
        return await self.http.post(path, json={"roomId": self.room["roomId"], **body})

    async def told(self, name: str) -> dict[str, Any]:
        """The webhook of that name, once it is there."""

        async def find() -> Any:
            return [each.event for each in self.receiver.received if each.event["webhookType"] == name]

        (event,) = await until(find)
        data: dict[str, Any] = event["data"]
        assert set(event) == {"webhookType", "data"}
        assert data.pop("meetingId") == self.room["roomId"]
        assert len(data.pop("sessionId")) == 24
        return data

    async def run(self, kind: str, step: str) -> None:
        """Bring a recording or stream to a step."""
        start, stop, body = STARTS[kind]
        answer = await self.post(start, **body)
        assert answer.status_code == 200, answer.text
        recorder = self.platform.recorder
        if step == "failed":
            broken = recorder.says("EG_1", EgressState.FAILED, error="the bucket is gone")
            await tell(self.platform, broken)
        if step in ("stopping", "stopped"):
            await tell(self.platform, recorder.says("EG_1", EgressState.ACTIVE, started_at=BEGAN))
            asked = {name: value for name, value in body.items() if name != "outputs"}
            assert (await self.post(stop, **asked)).status_code == 200
        if step == "stopped" and kind == "livestream":
            ended = recorder.says("EG_1", EgressState.COMPLETE, ended_at=BEGAN + timedelta(seconds=5))
            await tell(self.platform, ended)
        elif step == "stopped":
            await complete(self.platform, "EG_1")
        elif step == "playable":
            recorder.write("EG_1", b"#EXTM3U\n")


async def make_stage(platform: Platform, http: httpx2.AsyncClient, receiver: Receiver, **room: Any) -> Stage:
    hook = {"endPoint": f"{receiver.url}/", "events": ["*"]}
    stage = Stage(platform, http, receiver, await make_room(http, **{"webhook": hook} | room))
    await stage.begin()
    return stage


@pytest.mark.parametrize("name", LISTED)
async def test_a_room_is_told(platform: Platform, tenant: Tenant, receiver: Receiver, name: str) -> None:
    async with v2(platform, tenant) as http, platform.jobs():
        stage = await make_stage(platform, http, receiver)
        kind, _, step = name.rpartition("-")
        match name:
            case "participant-left":
                await stage.hooks.leaves("ada")
            case "session-ended":
                await stage.hooks.ends()
            case "transcription-completed":
                await say_and_record(stage, tenant)
            case _ if kind in STARTS:
                await stage.run(kind, step)
        data = await stage.told(name)
        expect(name, data)
        if name == "participant-joined":
            assert await check_signatures(stage) >= 1


def expect(name: str, data: dict[str, Any]) -> None:
    """What is told with an event, key by key."""
    kind, _, step = name.rpartition("-")
    keys: set[str] = set()
    if kind in STARTS:
        keys |= {"id"}
        keys |= {"participantId"} if kind.startswith("participant") else set()
        keys |= {"kind"} if "track" in kind else set()
        keys |= {"reason"} if step == "failed" else set()
        keys |= {"filePath", "fileUrl"} if step == "stopped" and kind.endswith("recording") else set()
        streamed = kind == "hls" and step in ("started", "playable", "stopping", "stopped")
        keys |= {"downstreamUrl", "playbackHlsUrl", "livestreamUrl"} if streamed else set()
    else:
        keys = {
            "participant-joined": {"participantId", "participantName"},
            "participant-left": {"participantId", "participantName"},
            "session-started": {"start"},
            "session-ended": {"start", "end"},
            "transcription-completed": {"id", "status", "transcriptionFilePaths"},
        }[name]
    assert set(data) == keys
    assert data.get("participantName", "Ada") == "Ada"
    assert data.get("participantId", "ada") == "ada"
    assert data.get("reason", "the bucket is gone") == "the bucket is gone"


async def say_and_record(stage: Stage, tenant: Tenant) -> None:
    full = f"proj_{stage.room['roomId']}"
    assert (await tenant.http.post("/sessions", json={"room_name": full})).status_code == 201
    answer = await stage.post("/recordings/start", transcription={"enabled": True})
    assert answer.status_code == 200, answer.text
    line = {"speaker": "user", "content": "Good morning.", "timestamp_ms": 1000}
    assert (await tenant.http.post(f"/sessions/{full}/transcript", json=line)).status_code == 201
    await complete(stage.platform, "EG_1")


async def check_signatures(stage: Stage) -> int:
    """How many webhooks were signed; each must be, with the key that is shown."""
    shown = (await stage.http.get("/public/rsa-public-key")).json()["publicKey"]
    key = load_pem_public_key(shown.encode())
    assert isinstance(key, RSAPublicKey)
    for each in stage.receiver.received:
        signature = base64.b64decode(each.headers["videosdk-signature"])
        key.verify(signature, each.body, PKCS1v15(), SHA256())
    return len(stage.receiver.received)


async def test_a_room_is_told_only_what_it_asked_for_and_of_itself(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    async with v2(platform, tenant) as http, platform.jobs():
        hook = {"endPoint": f"{receiver.url}/one", "events": ["session*", "participant-left"]}
        one = await make_stage(platform, http, receiver, webhook=hook)
        other = await make_stage(platform, http, receiver)
        await one.hooks.leaves("ada")
        await one.hooks.ends()
        received = await receiver.wait_for(3, "/one")
        await receiver.wait_for(2, "/")
    assert [each.event["webhookType"] for each in received] == ["session-started", "participant-left", "session-ended"]
    assert {each.event["data"]["meetingId"] for each in received} == {one.room["roomId"]}
    assert {each.event["data"]["meetingId"] for each in receiver.at("/")} == {other.room["roomId"]}


async def test_a_recordings_own_address_is_told_of_its_kind(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    async with v2(platform, tenant) as http, platform.jobs():
        stage = await make_stage(platform, http, receiver)
        refused = await stage.post("/recordings/start", webhookUrl="http://169.254.169.254/")
        assert (refused.status_code, refused.json()["message"].partition(":")[0]) == (400, "webhookUrl")
        assert (await stage.post("/recordings/start", webhookUrl=f"{receiver.url}/own")).status_code == 200
        received = await receiver.wait_for(2, "/own")
    assert [each.event["webhookType"] for each in received] == ["recording-starting", "recording-started"]
