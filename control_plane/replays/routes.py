"""`/sessions/{id}/replay` and what shows it to others."""

from typing import Annotated, Any

from fastapi import Depends, Request

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep, SettingsDep
from control_plane.auth.scopes import granting
from control_plane.gate.bodies import described, optional
from control_plane.gate.console import OpenOperation
from control_plane.gate.operation import USED_UP, primary
from control_plane.replays.reading import ReplayReader
from control_plane.replays.schemas import (
    Replay,
    ShareAsked,
    SharedReplay,
    ShareList,
    ShareMade,
    ShareShown,
)
from control_plane.replays.sharing import Shares, open_share, secret_of
from control_plane.sessions.routes import Sessions
from control_plane.wire import Done, RowId

router = primary("/sessions", tags=["Sessions"])
open_router = primary("/shared", route_class=OpenOperation, tags=["Sessions"])

UNSEEN = {"costs", "caller_identity", "metadata"}
"""What those do not see to whom a session was shown."""


async def find_reader(
    request: Request, db: DbDep, caller: CallerDep, clock: ClockDep, settings: SettingsDep
) -> ReplayReader:
    """What this caller's sessions were like."""
    state = request.app.state
    return ReplayReader(db, caller.project_id, clock, state.recordings, state.links, settings.public_url)


async def find_shares(db: DbDep, caller: CallerDep, clock: ClockDep) -> Shares:
    """The links of this request's caller."""
    return Shares(db, caller, clock)


SharesDep = Annotated[Shares, Depends(find_shares)]


@router.get("/{session_id}/replay", response_model=Replay)
async def read_replay(
    session_id: RowId, reader: Annotated[ReplayReader, Depends(find_reader)], caller: CallerDep
) -> Any:
    """All that is known of a session: words with their times, where each answer's time went, tools, passages, sound."""
    return await reader.read(session_id, plays=not granting("recordings:read").isdisjoint(caller.scopes))


@router.post("/{session_id}/share", status_code=201, response_model=ShareMade, openapi_extra=described(ShareAsked))
async def share_replay(
    session_id: RowId,
    sessions: Sessions,
    shares: SharesDep,
    caller: CallerDep,
    settings: SettingsDep,
    body: Annotated[ShareAsked, Depends(optional(ShareAsked))],
) -> Any:
    """Make a link that shows a session's replay, and plays its sound, to whoever has it, for a time. Needs the scope
    `recordings:read` too."""
    caller.demand("recordings", write=False)
    await sessions.get(session_id)
    share, secret = await shares.make(session_id, seconds=body.expires_in)
    url = f"{settings.public_url}/replay#{secret}"
    return {"share": {"id": share.id, "url": url, "expires_at": share.expires_at}}


@router.get("/{session_id}/shares", response_model=ShareList)
async def list_shares(session_id: RowId, sessions: Sessions, shares: SharesDep) -> Any:
    """List the links to a session's replay, newest first."""
    await sessions.get(session_id)
    found = await shares.all(session_id)
    return {"shares": [ShareShown(**share.model_dump(), active=shares.is_active(share)) for share in found]}


@router.delete("/{session_id}/shares/{share_id}", response_model=Done)
async def revoke_share(session_id: RowId, share_id: RowId, sessions: Sessions, shares: SharesDep) -> Any:
    """Take a link back: it opens nothing any more."""
    await sessions.get(session_id)
    await shares.revoke(session_id, share_id)
    return Done(message="Link revoked")


@open_router.get("/replay", response_model=SharedReplay, openapi_extra=USED_UP)
async def read_shared_replay(request: Request, clock: ClockDep, settings: SettingsDep) -> Any:
    """What a link shows: a session's replay without its costs and without who called from where.

    The link's secret is shown as `Authorization: Bearer rpl_…`.
    """
    state = request.app.state
    share = await open_share(state.database, clock, secret_of(request.headers.get("authorization")))
    async with state.database.tenant(share.project_id) as db:
        reader = ReplayReader(db, share.project_id, clock, state.recordings, state.links, settings.public_url)
        replay = await reader.read(share.session_id, plays=True, until=share.expires_at)
    return for_others(replay) | {"expires_at": share.expires_at}


def for_others(replay: dict[str, Any]) -> dict[str, Any]:
    """A replay without what an outsider must not see. On the telephone a name is a number, and a room is called after
    who calls."""
    by_phone = replay["session"]["session_type"] == "sip"
    unnamed = {"room_name": ""} if by_phone else {}
    return {name: part for name, part in replay.items() if name not in UNSEEN} | {
        "session": {name: part for name, part in replay["session"].items() if name not in UNSEEN} | unnamed,
        "lines": [line | {"name": ""} if by_phone and line["speaker"] == "user" else line for line in replay["lines"]],
        "recordings": [sound | {"peaks_url": None} for sound in replay["recordings"]],
    }
