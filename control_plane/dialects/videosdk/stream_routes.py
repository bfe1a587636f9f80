"""`/v2/hls` and `/v2/livestreams`, and the key that webhooks are signed with."""

from typing import Annotated, Any

from fastapi import Request
from pydantic import Field

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import SettingsDep
from control_plane.dialects.videosdk.answers import (
    VideoActive,
    VideoDone,
    VideoPublicKey,
    VideoRecordingList,
    VideoRecordingRead,
)
from control_plane.dialects.videosdk.auth import signed
from control_plane.dialects.videosdk.configs import Address, Composition, Kept, Transcription
from control_plane.dialects.videosdk.recording_routes import OfRoom, Recordings, VideoStop, checked, remove
from control_plane.dialects.videosdk.session_routes import PagesDep
from control_plane.dialects.videosdk.shapes import GivenName
from control_plane.dialects.videosdk.taking import SEALED, Wish, picture_of, recorded
from control_plane.dialects.videosdk.webhooks import SIGNING_KEY
from control_plane.errors import Conflict
from control_plane.gate.addresses import check_address
from control_plane.recordings.models import RecordingKind
from control_plane.secrets.keys import find_rsa_key, public_pem
from control_plane.wire import Sent, formed
from guard.outbound import RTMP

router = signed()

Rtmp = Annotated[
    str,
    formed(
        r"^rtmps?://[!-~]+$", "must begin with rtmp:// or rtmps:// and hold no spaces", min_length=8, max_length=1024
    ),
]


class StreamComposition(Composition):
    """How a stream looks, and whether it is recorded, too."""

    recording: Kept = Kept()


class HlsStart(Sent):
    """`POST /v2/hls/start`."""

    roomId: GivenName
    templateUrl: Address | None = None
    transcription: Transcription = Transcription()
    config: StreamComposition = StreamComposition()
    recording: Kept = Kept()
    webhookUrl: Address | None = None


class Output(Sent):
    """A server that takes a stream."""

    url: Rtmp
    streamKey: Annotated[str, formed(r"^[!-~]*$", "must be printed ASCII without spaces", max_length=512)] = ""

    @property
    def address(self) -> str:
        """With its key: never to be told."""
        return f"{self.url.rstrip('/')}/{self.streamKey}" if self.streamKey else self.url

    @property
    def shown(self) -> str:
        """Without its key."""
        return self.url if self.streamKey else self.url.rpartition("/")[0]


class LivestreamStart(Sent):
    """`POST /v2/livestreams/start`."""

    roomId: GivenName
    outputs: Annotated[list[Output], Field(min_length=1, max_length=8)]
    templateUrl: Address | None = None
    transcription: Transcription = Transcription()
    config: Composition = Composition()


@router.post("/hls/start", response_model=VideoRecordingRead)
async def start_hls(body: HlsStart, request: Request, recordings: Recordings, settings: SettingsDep) -> Any:
    """Stream a room as HLS."""
    if settings.recordings_sealed:
        raise Conflict(SEALED)
    look = body.config
    picture = picture_of(look, await checked(request, body.templateUrl, "templateUrl"))
    asked = {"config": look.model_dump(exclude={"recording"})}
    wish = Wish(RecordingKind.HLS, "m3u8", picture, asked=asked, transcription=body.transcription)
    begun = await recordings.start(body.roomId, wish, tell=await checked(request, body.webhookUrl))
    if look.recording.enabled or body.recording.enabled:
        await recordings.start(body.roomId, recorded(picture, asked=asked))
    return await recordings.shown(begun)


@router.post("/hls/end", response_model=str)
@router.post("/hls/stop", name="stop_hls_as_others_say", response_model=str)
async def stop_hls(body: VideoStop, recordings: Recordings) -> Any:
    """End the HLS of a room."""
    await recordings.stop(body.roomId, RecordingKind.HLS, body.id)
    return "Hls stopped successfully."


@router.get("/hls", response_model=VideoRecordingList)
async def list_hls(recordings: Recordings, pages: PagesDep, narrow: OfRoom) -> Any:
    """List HLS streams, newest first."""
    return await recordings.page(RecordingKind.HLS, pages, **narrow)


@router.get("/hls/{room_id}/active", response_model=VideoActive)
async def read_active_hls(room_id: GivenName, recordings: Recordings) -> Any:
    """The HLS stream that runs in a room."""
    return {"data": await recordings.active(RecordingKind.HLS, room_id)}


@router.get("/hls/{hls_id}", response_model=VideoRecordingRead)
async def read_hls(hls_id: GivenName, recordings: Recordings) -> Any:
    """Read an HLS stream."""
    return (await recordings.get(RecordingKind.HLS, hls_id))[1]


@router.delete("/hls/{hls_id}", response_model=VideoDone)
async def delete_hls(hls_id: GivenName, request: Request, recordings: Recordings, caller: CallerDep) -> Any:
    """Delete an HLS stream with all its pieces."""
    return await remove(request, recordings, caller.key_id, RecordingKind.HLS, hls_id)


@router.post("/livestreams/start", response_model=VideoRecordingRead)
async def start_livestream(body: LivestreamStart, request: Request, recordings: Recordings) -> Any:
    """Stream a room to RTMP servers. Their keys are never shown again."""
    for number, output in enumerate(body.outputs):
        await check_address(request.app.state.outbound, f"outputs.{number}.url", output.address, RTMP)
    picture = picture_of(body.config, await checked(request, body.templateUrl, "templateUrl"))
    asked = {"config": body.config.model_dump(), "outputs": [{"url": each.shown} for each in body.outputs]}
    urls = tuple(each.address for each in body.outputs)
    wish = Wish(RecordingKind.LIVESTREAM, "flv", picture, asked=asked, transcription=body.transcription, urls=urls)
    begun = await recordings.start(body.roomId, wish)
    return await recordings.shown(begun)


@router.post("/livestreams/end", response_model=str)
@router.post("/livestreams/stop", name="stop_livestream_as_others_say", response_model=str)
async def stop_livestream(body: VideoStop, recordings: Recordings) -> Any:
    """End the livestream of a room."""
    await recordings.stop(body.roomId, RecordingKind.LIVESTREAM, body.id)
    return "Livestream stopped successfully."


@router.get("/livestreams", response_model=VideoRecordingList)
async def list_livestreams(recordings: Recordings, pages: PagesDep, narrow: OfRoom) -> Any:
    """List livestreams, newest first."""
    return await recordings.page(RecordingKind.LIVESTREAM, pages, **narrow)


@router.get("/livestreams/{livestream_id}", response_model=VideoRecordingRead)
async def read_livestream(livestream_id: GivenName, recordings: Recordings) -> Any:
    """Read a livestream."""
    return (await recordings.get(RecordingKind.LIVESTREAM, livestream_id))[1]


@router.get("/public/rsa-public-key", response_model=VideoPublicKey)
async def read_public_key(request: Request) -> Any:
    """The key that the signatures of webhooks are checked with."""
    state = request.app.state
    return {"publicKey": public_pem(await find_rsa_key(state.database, state.secrets, SIGNING_KEY))}
