"""What is played by its address alone."""

from fastapi import APIRouter, Request, Response

from control_plane.dialects.videosdk.places import PLAYED
from control_plane.dialects.videosdk.playing import answer, find_played
from control_plane.wire import RowId

router = APIRouter(prefix=PLAYED)


@router.api_route("/{signature}/{recording_id}/{name}", methods=["GET", "HEAD"], include_in_schema=False)
async def play(signature: str, recording_id: RowId, name: str, request: Request) -> Response:
    """The list, piece or text behind an address."""
    recording, written = await find_played(request, signature, recording_id)
    return await answer(request, recording, written, name)
