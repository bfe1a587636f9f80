"""`POST /token`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep, SettingsDep
from control_plane.gate.operation import AUDITED, Operation
from control_plane.plans.quota import QuotaDep
from control_plane.tokens.schemas import TokenAnswer, TokenRequest
from control_plane.tokens.service import TokenService

router = APIRouter(tags=["Tokens"], route_class=Operation)


def find_tokens(
    request: Request, db: DbDep, caller: CallerDep, clock: ClockDep, settings: SettingsDep, quota: QuotaDep
) -> TokenService:
    """The token service of this request's caller."""
    state = request.app.state
    return TokenService(
        db,
        caller,
        clock,
        state.token_signer,
        state.media,
        quota,
        ws_url=settings.livekit_public_url,
        slot_lifetime=settings.slot_lifetime,
    )


@router.post("/token", response_model=TokenAnswer, openapi_extra=AUDITED)
async def issue_token(body: TokenRequest, tokens: Annotated[TokenService, Depends(find_tokens)]) -> TokenAnswer:
    """Generate a LiveKit room token; agents are on their way when the caller joins."""
    return await tokens.issue(body)
