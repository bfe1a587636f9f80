"""`/embed-keys` of a project, and `/embed` for the pages that show one."""

from typing import Annotated, Any

from fastapi import Depends, Request, Response

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import DbDep
from control_plane.embeds.schemas import (
    EmbedConfig,
    EmbedKeyAnswer,
    EmbedKeyCreate,
    EmbedKeyList,
    EmbedKeyUpdate,
    EmbedToken,
    EmbedTokenRequest,
)
from control_plane.embeds.service import EmbedKeys
from control_plane.embeds.visiting import Doorkeeper, read_config
from control_plane.gate.embed import EmbedOperation, Visit
from control_plane.gate.operation import AUDITED, primary
from control_plane.tokens.routes import tokens_of
from control_plane.wire import Done, RowId

router = primary("/embed-keys", tags=["Embeds"])
visitor_router = primary("/embed", tags=["Embeds"], route_class=EmbedOperation)

KEPT = "private, max-age=60"
"""How long a page may show what it knows of its button."""


async def find_keys(db: DbDep, caller: CallerDep) -> EmbedKeys:
    """The embed keys of this request's project."""
    return EmbedKeys(db, project_id=caller.project_id)


async def find_visit(request: Request) -> Visit:
    """What the embed key of this request opens."""
    visit: Visit = request.state.visit
    return visit


async def find_doorkeeper(request: Request) -> Doorkeeper:
    """Who admits the visitors of this request's embed key."""
    state, visit, transaction = request.app.state, request.state.visit, request.state.transaction
    return Doorkeeper(transaction, visit, state.clock, state.limiter, tokens_of(request, visit.caller))


Keys = Annotated[EmbedKeys, Depends(find_keys)]


@router.get("", response_model=EmbedKeyList)
async def list_embed_keys(keys: Keys) -> Any:
    """List the project's embed keys."""
    return {"embed_keys": await keys.all()}


@router.post("", status_code=201, response_model=EmbedKeyAnswer)
async def create_embed_key(body: EmbedKeyCreate, keys: Keys) -> Any:
    """Create a public key with which pages of these origins open one agent."""
    return {"embed_key": await keys.create(body)}


@router.get("/{embed_key_id}", response_model=EmbedKeyAnswer)
async def read_embed_key(embed_key_id: RowId, keys: Keys) -> Any:
    """Read an embed key."""
    return {"embed_key": await keys.get(embed_key_id)}


@router.patch("/{embed_key_id}", response_model=EmbedKeyAnswer)
async def update_embed_key(embed_key_id: RowId, body: EmbedKeyUpdate, keys: Keys) -> Any:
    """Change an embed key, or switch it off; what is not sent stays."""
    return {"embed_key": await keys.update(embed_key_id, body)}


@router.delete("/{embed_key_id}", response_model=Done)
async def delete_embed_key(embed_key_id: RowId, keys: Keys) -> Any:
    """Delete an embed key; calls that it began go on."""
    await keys.delete(embed_key_id)
    return Done(message="Embed key deleted")


@visitor_router.get("/config", response_model=EmbedConfig)
async def read_embed_config(db: DbDep, visit: Annotated[Visit, Depends(find_visit)], response: Response) -> Any:
    """Read how the button of an embed key looks. For pages of its origins."""
    response.headers["Cache-Control"], response.headers["Vary"] = KEPT, "X-Embed-Key"
    return await read_config(db, visit)


@visitor_router.post("/token", response_model=EmbedToken, openapi_extra=AUDITED)
async def issue_embed_token(
    body: EmbedTokenRequest, request: Request, doorkeeper: Annotated[Doorkeeper, Depends(find_doorkeeper)]
) -> EmbedToken:
    """Let a visitor speak with the agent of an embed key, in a room of their own. For pages of its origins."""
    return await doorkeeper.admit(body, request.client.host if request.client else None)
