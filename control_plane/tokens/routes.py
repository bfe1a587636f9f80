"""`POST /token`."""

from typing import Annotated

from fastapi import Depends, Request

from control_plane.auth.callers import Caller
from control_plane.gate.operation import AUDITED, primary
from control_plane.plans.quota import upgrade_url
from control_plane.tokens.schemas import TokenAnswer, TokenRequest
from control_plane.tokens.service import TokenService

router = primary(tags=["Tokens"])


async def find_tokens(request: Request) -> TokenService:
    """The token service of this request's caller. It asks the request itself: this is the most frequent operation."""
    return tokens_of(request, request.state.caller)


def tokens_of(request: Request, caller: Caller) -> TokenService:
    """The token service of a caller, in the transaction of this request."""
    state = request.app.state
    return TokenService(
        request.state.transaction,
        caller,
        state.clock,
        state.token_signer,
        state.tickets,
        state.media,
        ws_url=state.settings.livekit_public_url,
        slot_lifetime=state.settings.slot_lifetime,
        upgrade_url=upgrade_url(state.settings.public_url),
    )


@router.post("/token", response_model=TokenAnswer, openapi_extra=AUDITED)
async def issue_token(body: TokenRequest, tokens: Annotated[TokenService, Depends(find_tokens)]) -> TokenAnswer:
    """Generate a LiveKit room token; agents are on their way when the caller joins."""
    return await tokens.issue(body)
