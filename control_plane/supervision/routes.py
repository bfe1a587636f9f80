"""`POST /rooms/{roomName}/supervise`."""

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep, SettingsDep
from control_plane.gate.operation import AUDITED, primary
from control_plane.gate.route import audit_entry
from control_plane.supervision.schemas import Supervise, Supervised
from control_plane.supervision.service import Supervisor
from control_plane.wire import RoomPath

router = primary("/rooms", tags=["Rooms"])


async def find_supervisor(
    request: Request, db: DbDep, caller: CallerDep, clock: ClockDep, settings: SettingsDep
) -> Supervisor:
    """What supervises the rooms of this request's caller."""
    state = request.app.state
    entry = partial(audit_entry, request)
    ws_url = settings.livekit_public_url
    return Supervisor(db, caller, clock, state.media, state.token_signer, state.live, entry, ws_url=ws_url)


@router.post("/{room_name}/supervise", response_model=Supervised, openapi_extra=AUDITED)
async def supervise(
    room_name: RoomPath, body: Supervise, supervisor: Annotated[Supervisor, Depends(find_supervisor)]
) -> Any:
    """Listen to a call, whisper to its persona, speak to both, take it over, give it back."""
    return await supervisor.run(room_name, body)
