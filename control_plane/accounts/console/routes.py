"""`/auth`: the way into the console."""

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request, Response

from control_plane.accounts.activity.service import OwnActivity
from control_plane.accounts.console.resetting import ResetSigner
from control_plane.accounts.console.schemas import (
    LoggedIn,
    LogIn,
    OwnSession,
    PasswordChange,
    PasswordReset,
    SignedUp,
    SignUp,
)
from control_plane.accounts.console.service import Console
from control_plane.auth.callers import Caller, CallerDep
from control_plane.auth.deps import ClockDep, DbDep, SettingsDep
from control_plane.errors import Forbidden, Unauthorized
from control_plane.gate.console import OpenOperation, SessionOperation
from control_plane.gate.operation import primary
from control_plane.gate.route import audit_entry
from control_plane.gate.window import whence
from control_plane.wire import Done

open_router = primary("/auth", route_class=OpenOperation, tags=["Console"])
session_router = primary("/auth", route_class=SessionOperation, tags=["Console"])


async def find_console(request: Request, db: DbDep) -> Console:
    """The way in, for this request."""
    state = request.app.state
    return Console(db, state.clock, state.secrets, state.limiter, state.passwords, partial(audit_entry, request))


ConsoleDep = Annotated[Console, Depends(find_console)]


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return whence(request.client.host if request.client else None)


@open_router.post("/signup", status_code=201, response_model=SignedUp)
async def sign_up(
    body: SignUp, request: Request, response: Response, console: ConsoleDep, settings: SettingsDep
) -> Any:
    """Make an account of your own, with a project and a key that is shown only here, and log in."""
    if not settings.sign_up:
        raise Forbidden("Accounts of this server are made by its operator")
    opened, token = await console.sign_up(body, address_of(request))
    request.app.state.cookie.set(response, token)
    return {"account": opened.account, "project": opened.project, "api_key": opened.key}


@open_router.post("/login", response_model=LoggedIn)
async def log_in(body: LogIn, request: Request, response: Response, console: ConsoleDep) -> Any:
    """Log in: the answer sets a cookie with which a browser may use the API."""
    account, token = await console.log_in(body, address_of(request), request.scope["state"]["caller"])
    request.app.state.cookie.set(response, token)
    return {"account": account}


@open_router.post("/reset", response_model=LoggedIn)
async def reset_password(
    body: PasswordReset, request: Request, response: Response, console: ConsoleDep, settings: SettingsDep
) -> Any:
    """Set another password with a link of the operator's, once; all sessions end, and you are logged in."""
    account, token = await console.reset_password(body, ResetSigner(settings.secret_keys), address_of(request))
    request.app.state.cookie.set(response, token)
    return {"account": account}


@open_router.get("/session", response_model=OwnSession)
async def read_own_session(request: Request, db: DbDep, clock: ClockDep) -> Any:
    """Read whose session this browser has: the account, or null where nobody has logged in. No answer is 401."""
    admitted = request.scope["state"]
    caller: Caller | None = admitted["caller"]
    if caller is None and not isinstance(admitted["refusal"], Unauthorized):
        raise admitted["refusal"]
    if caller is None or not caller.is_console:
        return {"account": None}
    return {"account": await OwnActivity(db, clock, caller.account_id).info()}


@session_router.post("/logout", response_model=Done)
async def log_out(request: Request, response: Response, caller: CallerDep, console: ConsoleDep) -> Any:
    """Log out: the session ends."""
    await console.log_out(caller)
    request.app.state.cookie.clear(response)
    return Done(message="Logged out")


@session_router.post("/password", response_model=Done)
async def change_password(
    body: PasswordChange, request: Request, response: Response, caller: CallerDep, console: ConsoleDep
) -> Any:
    """Change your password; all other sessions end."""
    request.app.state.cookie.set(response, await console.change_password(body, caller))
    return Done(message="Password changed; other sessions have ended")
