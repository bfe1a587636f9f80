"""`/v2/rooms`."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep, SettingsDep
from control_plane.dialects.videosdk.answers import VideoRoomList, VideoRoomRead
from control_plane.dialects.videosdk.auth import ClaimsDep, signed
from control_plane.dialects.videosdk.configs import AutoClose, AutoHls, AutoRecording, AutoStart, Several, Webhook
from control_plane.dialects.videosdk.rooms import VideoRooms, deactivate
from control_plane.dialects.videosdk.shapes import GivenName, Links, Pages
from control_plane.dialects.videosdk.taking import SEALED
from control_plane.errors import InvalidRequest
from control_plane.gate.addresses import check_address
from control_plane.gate.bodies import described, optional
from control_plane.wire import Sent

router = signed()


class VideoRoomCreate(Sent):
    """`POST /v2/rooms`; the whole body may be left out."""

    customRoomId: GivenName | None = None
    geoFence: GivenName | None = None
    webhook: Webhook | None = None
    autoCloseConfig: AutoClose | None = None
    autoStartConfig: AutoStart | None = None
    multiComposition: Several | None = None


class VideoRoomNamed(Sent):
    """A room in a body."""

    roomId: GivenName


async def find_links(settings: SettingsDep) -> Links:
    """Addresses of this surface."""
    return Links(settings.public_url)


LinksDep = Annotated[Links, Depends(find_links)]


async def find_rooms(db: DbDep, caller: CallerDep, claims: ClaimsDep, clock: ClockDep, links: LinksDep) -> VideoRooms:
    """The rooms of this request's caller."""
    return VideoRooms(db, caller, claims, clock, links)


Rooms = Annotated[VideoRooms, Depends(find_rooms)]


@router.post("/rooms", openapi_extra=described(VideoRoomCreate), response_model=VideoRoomRead)
async def create_video_room(
    request: Request,
    rooms: Rooms,
    settings: SettingsDep,
    body: Annotated[VideoRoomCreate, Depends(optional(VideoRoomCreate))],
) -> Any:
    """Create a room, or find the one of this `customRoomId`."""
    if body.autoStartConfig and body.autoStartConfig.hls and settings.recordings_sealed:
        raise InvalidRequest.field("autoStartConfig.hls", SEALED)
    sent = await request.json() if body.model_fields_set else {}
    values = {
        "custom_room_id": body.customRoomId,
        "geo_fence": body.geoFence,
        "webhook": sent.get("webhook"),
        "auto_close": sent.get("autoCloseConfig"),
        "auto_start": sent.get("autoStartConfig"),
        "multi_composition": sent.get("multiComposition"),
    }
    state = request.app.state
    webhook = (body.webhook.endPoint, body.webhook.events) if body.webhook else None
    auto = body.autoStartConfig or AutoStart()
    recording, hls = auto.recording or AutoRecording(), auto.hls or AutoHls()
    for name, page in (("recording", recording.templateUrl), ("hls", hls.templateUrl)):
        await check_address(state.outbound, f"autoStartConfig.{name}.templateUrl", page)
    return rooms.show(await rooms.create(values, webhook, state.secrets, state.outbound))


@router.get("/rooms", response_model=VideoRoomList)
async def list_video_rooms(
    rooms: Rooms, pages: Annotated[Pages, Depends()], query: Annotated[GivenName | None, Query()] = None
) -> Any:
    """List rooms, newest first."""
    return await rooms.page(pages, query)


@router.get("/rooms/validate/{room_id}", response_model=VideoRoomRead)
async def validate_video_room(room_id: GivenName, rooms: Rooms) -> Any:
    """The room, where it is the caller's."""
    return rooms.show(await rooms.get(room_id))


@router.get("/rooms/{room_id}", response_model=VideoRoomRead)
async def read_video_room(room_id: GivenName, rooms: Rooms) -> Any:
    """Read a room."""
    return rooms.show(await rooms.get(room_id))


@router.post("/rooms/deactivate", response_model=VideoRoomRead)
async def deactivate_video_room(body: VideoRoomNamed, request: Request, rooms: Rooms) -> Any:
    """Have nobody enter a room any more, and close it."""
    room = await rooms.exact(body.roomId, lock=True)
    await deactivate(rooms.db, rooms.clock, room)
    await rooms.db.commit()
    await request.app.state.media.close_room(room.full_name)
    return rooms.show(room)
