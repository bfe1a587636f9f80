"""`/v2/recordings`: of rooms, of participants, of single tracks."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, SettingsDep
from control_plane.dialects.videosdk.answers import VideoDone, VideoRecordingList, VideoRecordingRead
from control_plane.dialects.videosdk.auth import signed
from control_plane.dialects.videosdk.configs import Address, Composition, Folder, Transcription
from control_plane.dialects.videosdk.places import Places
from control_plane.dialects.videosdk.recordings import VideoRecordings
from control_plane.dialects.videosdk.session_routes import PagesDep, Sessions
from control_plane.dialects.videosdk.shapes import GivenName
from control_plane.dialects.videosdk.taking import Wish, picture_of, recorded
from control_plane.gate.addresses import check_address
from control_plane.plans.quota import QuotaDep
from control_plane.recordings.models import RecordingKind
from control_plane.recordings.removing import Remover
from control_plane.wire import Sent

router = signed()

Kind = Literal["audio", "video", "screen_audio", "screen_video"]
Narrowed = Annotated[GivenName | None, Query()]
Narrowing = dict[str, str | None]


async def of_room(roomId: Narrowed = None, sessionId: Narrowed = None, query: Narrowed = None) -> Narrowing:
    """What a list of a room's recordings or streams is narrowed to."""
    return {"room_id": roomId or query, "session_id": sessionId}


async def of_somebody(roomId: Narrowed = None, sessionId: Narrowed = None, participantId: Narrowed = None) -> Narrowing:
    """What a list of a participant's recordings is narrowed to."""
    return {"room_id": roomId, "session_id": sessionId, "participantId": participantId}


OfRoom = Annotated[Narrowing, Depends(of_room)]
OfSomebody = Annotated[Narrowing, Depends(of_somebody)]


class VideoRecordingStart(Sent):
    """`POST /v2/recordings/start`."""

    roomId: GivenName
    templateUrl: Address | None = None
    transcription: Transcription = Transcription()
    config: Composition = Composition()
    fileFormat: Literal["mp4", "webm"] = "mp4"
    awsDirPath: Folder = ""
    webhookUrl: Address | None = None


class VideoParticipantStart(Sent):
    """`POST /v2/recordings/participant/start`."""

    roomId: GivenName
    participantId: GivenName
    fileFormat: Literal["mp4", "webm"] = "webm"
    bucketDirPath: Folder = ""
    webhookUrl: Address | None = None


class VideoTrackStart(Sent):
    """`POST /v2/recordings/participant/track/start`."""

    roomId: GivenName
    participantId: GivenName
    kind: Kind
    fileFormat: Literal["mp4", "webm", "mp3"] = "webm"
    bucketDirPath: Folder = ""
    webhookUrl: Address | None = None


class VideoStop(Sent):
    """`POST …/end`: all of the room, or one by its id."""

    roomId: GivenName
    id: GivenName | None = None


class VideoParticipantStop(Sent):
    """`POST /v2/recordings/participant/stop`."""

    roomId: GivenName
    participantId: GivenName


class VideoTrackStop(VideoParticipantStop):
    """`POST /v2/recordings/participant/track/stop`."""

    kind: Kind


async def find_places(request: Request, settings: SettingsDep, clock: ClockDep) -> Places:
    """Where files of this installation can be had."""
    return Places(settings.public_url, request.app.state.links, clock)


async def find_recordings(
    request: Request,
    sessions: Sessions,
    quota: QuotaDep,
    clock: ClockDep,
    places: Annotated[Places, Depends(find_places)],
) -> VideoRecordings:
    """The recordings of this request's caller."""
    state = request.app.state
    return VideoRecordings(sessions, quota, clock, state.recorder, state.taker, state.secrets, places)


Recordings = Annotated[VideoRecordings, Depends(find_recordings)]


async def checked(request: Request, url: str | None, field: str = "webhookUrl") -> str | None:
    """An address that may be told of a recording, or drawn by its recorder. Raises `InvalidRequest`."""
    await check_address(request.app.state.outbound, field, url)
    return url


@router.post("/recordings/start", response_model=str)
async def start_video_recording(body: VideoRecordingStart, request: Request, recordings: Recordings) -> Any:
    """Record the session that goes on in a room."""
    picture = picture_of(body.config, await checked(request, body.templateUrl, "templateUrl"))
    asked = {"config": body.config.model_dump()}
    wish = recorded(picture, body.fileFormat, folder=body.awsDirPath, asked=asked, transcription=body.transcription)
    await recordings.start(body.roomId, wish, tell=await checked(request, body.webhookUrl))
    return "Recording started successfully."


@router.post("/recordings/end", response_model=str)
@router.post("/recordings/stop", name="stop_video_recording_as_others_say", response_model=str)
async def stop_video_recording(body: VideoStop, recordings: Recordings) -> Any:
    """End the recording of a room."""
    await recordings.stop(body.roomId, RecordingKind.ROOM, body.id)
    return "Recording stopped successfully."


@router.post("/recordings/participant/start", response_model=str)
async def start_participant_recording(body: VideoParticipantStart, request: Request, recordings: Recordings) -> Any:
    """Record one participant, voice and camera."""
    whom = await recordings.present(body.roomId, body.participantId)
    asked = {"participantId": body.participantId}
    wish = Wish(RecordingKind.PARTICIPANT, body.fileFormat, whom=whom, folder=body.bucketDirPath, asked=asked)
    await recordings.start(body.roomId, wish, tell=await checked(request, body.webhookUrl))
    return "participant recording started successfully."


@router.post("/recordings/participant/stop", response_model=str)
async def stop_participant_recording(body: VideoParticipantStop, recordings: Recordings) -> Any:
    """End the recording of a participant."""
    await recordings.stop(body.roomId, RecordingKind.PARTICIPANT, asked={"participantId": body.participantId})
    return "participant recording stopped successfully."


@router.post("/recordings/participant/track/start", response_model=str)
async def start_track_recording(body: VideoTrackStart, request: Request, recordings: Recordings) -> Any:
    """Record one track of a participant."""
    whom = await recordings.track_of(body.roomId, body.participantId, body.kind)
    seen = body.kind.endswith("video")
    kept = body.fileFormat if seen or body.fileFormat != "webm" else "ogg"
    asked = {"participantId": body.participantId, "kind": body.kind}
    wish = Wish(RecordingKind.TRACK, kept, whom=whom, folder=body.bucketDirPath, asked=asked)
    await recordings.start(body.roomId, wish, tell=await checked(request, body.webhookUrl))
    return "track recording started successfully."


@router.post("/recordings/participant/track/stop", response_model=str)
async def stop_track_recording(body: VideoTrackStop, recordings: Recordings) -> Any:
    """End the recording of a track."""
    asked = {"participantId": body.participantId, "kind": body.kind}
    await recordings.stop(body.roomId, RecordingKind.TRACK, asked=asked)
    return "track recording stopped successfully."


@router.get("/recordings/participant/track", response_model=VideoRecordingList)
async def list_track_recordings(recordings: Recordings, pages: PagesDep, narrow: OfSomebody) -> Any:
    """List recordings of tracks, newest first."""
    return await recordings.page(RecordingKind.TRACK, pages, **narrow)


@router.get("/recordings/participant/track/{recording_id}", response_model=VideoRecordingRead)
async def read_track_recording(recording_id: GivenName, recordings: Recordings) -> Any:
    """Read the recording of a track."""
    return (await recordings.get(RecordingKind.TRACK, recording_id))[1]


@router.delete("/recordings/participant/track/{recording_id}", response_model=VideoDone)
async def delete_track_recording(
    recording_id: GivenName, request: Request, recordings: Recordings, caller: CallerDep
) -> Any:
    """Delete the recording of a track, and its file."""
    return await remove(request, recordings, caller.key_id, RecordingKind.TRACK, recording_id)


@router.get("/recordings/participant", response_model=VideoRecordingList)
async def list_participant_recordings(recordings: Recordings, pages: PagesDep, narrow: OfSomebody) -> Any:
    """List recordings of participants, newest first."""
    return await recordings.page(RecordingKind.PARTICIPANT, pages, **narrow)


@router.get("/recordings/participant/{recording_id}", response_model=VideoRecordingRead)
async def read_participant_recording(recording_id: GivenName, recordings: Recordings) -> Any:
    """Read the recording of a participant."""
    return (await recordings.get(RecordingKind.PARTICIPANT, recording_id))[1]


@router.delete("/recordings/participant/{recording_id}", response_model=VideoDone)
async def delete_participant_recording(
    recording_id: GivenName, request: Request, recordings: Recordings, caller: CallerDep
) -> Any:
    """Delete the recording of a participant, and its file."""
    return await remove(request, recordings, caller.key_id, RecordingKind.PARTICIPANT, recording_id)


@router.get("/recordings", response_model=VideoRecordingList)
async def list_video_recordings(
    recordings: Recordings, pages: PagesDep, narrow: OfRoom, withTranscription: bool = False
) -> Any:
    """List recordings of rooms, newest first; a transcription is always shown with them."""
    return await recordings.page(RecordingKind.ROOM, pages, **narrow)


@router.get("/recordings/{recording_id}", response_model=VideoRecordingRead)
async def read_video_recording(
    recording_id: GivenName,
    recordings: Recordings,
    withTranscription: bool = False,
) -> Any:
    """Read the recording of a room, with its transcription."""
    return (await recordings.get(RecordingKind.ROOM, recording_id))[1]


@router.delete("/recordings/{recording_id}", response_model=VideoDone)
async def delete_video_recording(
    recording_id: GivenName, request: Request, recordings: Recordings, caller: CallerDep
) -> Any:
    """Delete the recording of a room, and its file."""
    return await remove(request, recordings, caller.key_id, RecordingKind.ROOM, recording_id)


async def remove(
    request: Request, recordings: VideoRecordings, by: str, kind: RecordingKind, recording_id: str
) -> dict[str, str]:
    """Delete a recording or stream with its files; what a store cannot do now it does as soon as it can."""
    state = request.app.state
    row = await recordings.mark_deleted(kind, recording_id)
    await recordings.db.commit()
    await Remover(state.database, state.clock, state.recordings).remove(row.id, by=by)
    return {"message": "Recording deleted successfully"}
