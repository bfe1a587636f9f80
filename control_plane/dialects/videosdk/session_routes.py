"""`/v2/sessions`."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request

from control_plane.dialects.videosdk.answers import (
    VideoDone,
    VideoParticipantRead,
    VideoPeople,
    VideoSessionList,
    VideoSessionRead,
)
from control_plane.dialects.videosdk.auth import signed
from control_plane.dialects.videosdk.life import end_live
from control_plane.dialects.videosdk.room_routes import Rooms
from control_plane.dialects.videosdk.sessions import Narrow, VideoSessions
from control_plane.dialects.videosdk.shapes import GivenName, Pages
from control_plane.errors import Conflict, InvalidRequest, NotFound
from control_plane.rooms.endings import note_removal
from control_plane.wire import Sent

router = signed()

Millis = Annotated[int, Query(ge=0, le=253_402_300_799_000)]


class VideoSessionEnd(Sent):
    """`POST /v2/sessions/end`."""

    roomId: GivenName
    sessionId: GivenName | None = None
    vsdkForceKill: bool | None = None
    ignoreClosed: bool = False


class VideoParticipantRemove(Sent):
    """`POST /v2/sessions/participants/remove`."""

    participantId: GivenName
    roomId: GivenName | None = None
    sessionId: GivenName | None = None


async def find_sessions(rooms: Rooms) -> VideoSessions:
    """The sessions of this request's caller."""
    return VideoSessions(rooms)


Sessions = Annotated[VideoSessions, Depends(find_sessions)]
PagesDep = Annotated[Pages, Depends()]


@router.get("/sessions", response_model=VideoSessionList)
async def list_video_sessions(
    sessions: Sessions,
    pages: PagesDep,
    query: Annotated[GivenName | None, Query()] = None,
    roomId: Annotated[GivenName | None, Query()] = None,
    customRoomId: Annotated[GivenName | None, Query()] = None,
    startDate: Millis | None = None,
    endDate: Millis | None = None,
    status: Literal["ongoing", "ended"] | None = None,
) -> Any:
    """List sessions with their people, newest first."""
    is_live = None if status is None else status == "ongoing"
    narrow = Narrow(query, roomId, customRoomId, startDate, endDate, is_live)
    return await sessions.page(pages, narrow)


@router.get("/sessions/{session_id}", response_model=VideoSessionRead)
async def read_video_session(session_id: GivenName, sessions: Sessions) -> Any:
    """Read a session."""
    return await sessions.shown(*await sessions.get(session_id))


@router.get("/sessions/{session_id}/participants", response_model=VideoPeople)
async def list_video_participants(session_id: GivenName, sessions: Sessions, pages: PagesDep) -> Any:
    """Everybody who has been in a session."""
    session, room = await sessions.get(session_id)
    return await sessions.people(session, room, pages, present=False)


@router.get("/sessions/{session_id}/participants/active", response_model=VideoPeople)
async def list_present_video_participants(session_id: GivenName, sessions: Sessions, pages: PagesDep) -> Any:
    """Everybody who is in a session now."""
    session, room = await sessions.get(session_id)
    return await sessions.people(session, room, pages, present=True)


@router.get("/sessions/{session_id}/participants/{participant_id}", response_model=VideoParticipantRead)
async def read_video_participant(session_id: GivenName, participant_id: GivenName, sessions: Sessions) -> Any:
    """One of a session's people."""
    session, _ = await sessions.get(session_id)
    return await sessions.person(session, participant_id)


@router.post("/sessions/end", response_model=VideoSessionRead)
async def end_video_session(body: VideoSessionEnd, request: Request, rooms: Rooms, sessions: Sessions) -> Any:
    """End the session of a room; with `ignoreClosed` one that is over is fine."""
    room = await rooms.get(body.roomId)
    try:
        session = await sessions.live(room, body.sessionId, lock=True)
    except NotFound:
        if not body.ignoreClosed:
            raise
        return await sessions.shown(await sessions.newest(room, body.sessionId), room)
    state = request.app.state
    await end_live(rooms.db, state.clock, state.media, session, reason="api")
    return await sessions.shown(session, room)


@router.post("/sessions/participants/remove", response_model=VideoDone)
async def remove_video_participant(
    body: VideoParticipantRemove, request: Request, rooms: Rooms, sessions: Sessions
) -> Any:
    """Send somebody away."""
    if body.roomId is not None:
        room = await rooms.get(body.roomId)
        await sessions.live(room, body.sessionId)
    elif body.sessionId is not None:
        session, room = await sessions.get(body.sessionId)
        if session.closed_at is not None:
            raise Conflict("This session is over")
    else:
        raise InvalidRequest.field("roomId", "is required where there is no sessionId")
    await note_removal(rooms.db, room.full_name, body.participantId)
    await rooms.db.commit()
    await request.app.state.media.remove_participant(room.full_name, body.participantId)
    return {"message": "Participant removed successfully"}
