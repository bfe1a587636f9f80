"""Routes for people at a browser: what anybody may ask for, what needs their session, what goes over their account."""

from functools import partial
from typing import Final

from fastapi import Request

from control_plane.auth.callers import Caller
from control_plane.db.database import Database
from control_plane.errors import Forbidden
from control_plane.gate.operation import Operation, caller_of
from control_plane.gate.route import Door, Route
from control_plane.gate.turns import Turns

SESSION: Final = "session"
"""Scope of what only a browser's session may do."""


class OpenOperation(Route):
    """A route that needs no credential. Pages of other sites cannot use it: they would log people in as others."""

    @property
    def scope(self) -> str:
        return ""

    def admit(self, request: Request, database: Database) -> Door:
        if request.app.state.cookie.is_foreign(request.method, request.headers):
            raise Forbidden("A page of another site cannot do this")
        return database.platform


class SessionOperation(Route):
    """A route that needs a browser's session; a key does not do."""

    @property
    def scope(self) -> str:
        return SESSION

    def admit(self, request: Request, database: Database) -> Door:
        caller = caller_of(request)
        if not caller.is_console:
            raise Forbidden("This needs a browser's session; an API key does not do it")
        turns: Turns = request.app.state.turns
        return partial(turns.take, caller.account_id, database.platform)


class AccountOperation(Operation):
    """An operation on an account as a whole. Its transaction sees all projects: each question names the account."""

    def door(self, caller: Caller, database: Database) -> Door:
        return database.platform
