"""Visitors of other sites: a public key in a page opens one agent, from the origins that stand beside it.

The key is no secret. What keeps it to its purpose is what it opens (the operations below `wire.EMBED`, and nothing
else of the API), the origin that browsers say truthfully of a page, and the limits of whoever made it.
"""

import re
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from fastapi import Request
from sqlalchemy import text
from starlette.datastructures import Headers

from control_plane.auth.callers import KEY_LENGTH, Caller
from control_plane.db.database import Database
from control_plane.errors import Forbidden, Unauthorized, Unavailable
from control_plane.gate.route import Door, Route
from control_plane.gate.turns import Turns
from control_plane.ids import is_mistyped
from control_plane.wire import SAFE

PREFIX: Final = "ek_"
HEADER: Final = "x-embed-key"
LONGEST_ORIGIN: Final = 300
SCOPE: Final = "embed"
"""Of what embed keys open; no API key has it."""

_FIND = text("""
    select key.id, key.persona_id, key.origins, key.mode, key.is_active,
           key.visitor_calls_per_hour, key.address_calls_per_hour, key.calls_at_once, key.longest_call,
           project.id as project_id, project.slug, account.id as account_id, account.plan
    from embed_key as key
    join project on project.id = key.project_id
    join account on account.id = project.account_id
    where key.key = :wanted
""")
_NAMED = text("select exists (select from embed_key where origins @> array[cast(:origin as text)])")

_ORIGINS = text("select origins from embed_key where key = :key and is_active")
_FRAMES = text("""
    select exists (select from embed_key where is_active and origins @> array[cast(:origin as text)])
        or exists (select from project where allowed_origins ? :origin)
""")
ORIGIN: Final = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that showed an embed key. `caller` is on whose account its visitors call."""

    key_id: int
    persona_id: int
    origins: tuple[str, ...]
    mode: str
    is_active: bool
    visitor_calls_per_hour: int
    address_calls_per_hour: int
    calls_at_once: int
    longest_call: int
    caller: Caller

    def demand(self, origins: list[str]) -> None:
        """Raise `Forbidden` where these `Origin` headers are not exactly one origin of the key, or it is off."""
        if len(origins) != 1 or origins[0] not in self.origins:
            named = f"The origin {origins[0][:300]}" if len(origins) == 1 else "A request without an origin"
            raise Forbidden(f"{named} is not among the origins of this embed key", details={"rule": "origin"})
        if not self.is_active:
            raise Forbidden("This embed key is switched off", details={"rule": "inactive"})


async def find_visit(database: Database, headers: Headers) -> Visit:
    """Whose embed key a request shows. Raises `Unauthorized`, `Unavailable`."""
    keys = headers.getlist(HEADER)
    if not keys:
        raise Unauthorized("Missing X-Embed-Key header")
    key = keys[0]
    if len(keys) > 1 or not _could_be_one(key):
        raise Unauthorized("Unknown embed key")
    async with database.platform() as db:
        row: Any = (await db.execute(_FIND, {"wanted": key})).one_or_none()
    if row is None:
        raise Unauthorized("Unknown embed key")
    return Visit(
        key_id=row.id,
        persona_id=row.persona_id,
        origins=tuple(row.origins),
        mode=row.mode,
        is_active=row.is_active,
        visitor_calls_per_hour=row.visitor_calls_per_hour,
        address_calls_per_hour=row.address_calls_per_hour,
        calls_at_once=row.calls_at_once,
        longest_call=row.longest_call,
        caller=Caller(
            project_id=row.project_id,
            slug=row.slug,
            account_id=row.account_id,
            plan=row.plan,
            key_id=f"embed_{row.id}",
            scopes=(),
        ),
    )


async def is_named(database: Database, origin: str) -> bool:
    """Whether any embed key names an origin: a preflight shows no key."""
    if "\x00" in origin:
        return False
    async with database.platform() as db:
        return bool(await db.scalar(_NAMED, {"origin": origin}))


async def find_framing(database: Database, key: str, origin: str) -> tuple[str, ...]:
    """Whose pages may show ours in a frame: those of an embed key's origins, or of the one that says it is, where an
    embed key or a project names it. Nobody's where the database is away."""
    try:
        async with database.platform() as db:
            if _could_be_one(key):
                origins = await db.scalar(_ORIGINS, {"key": key}) or ()
                return tuple(each for each in origins if ORIGIN.fullmatch(each))
            if ORIGIN.fullmatch(origin) and len(origin) <= LONGEST_ORIGIN:
                return (origin,) if await db.scalar(_FRAMES, {"origin": origin}) else ()
    except Unavailable:
        return ()
    return ()


def _could_be_one(key: str) -> bool:
    shaped = key.startswith(PREFIX) and key.isascii() and key.isprintable() and len(key) <= KEY_LENGTH
    return shaped and not is_mistyped(key, PREFIX)


class EmbedOperation(Route):
    """A route for visitors with an embed key; an API key does not open it."""

    @property
    def scope(self) -> str:
        return SCOPE

    def admit(self, request: Request, database: Database) -> Door:
        state = request.scope["state"]
        visit: Visit | None = state["visit"]
        if visit is None:
            raise state["refusal"]
        visit.demand(request.headers.getlist("origin"))
        door = partial(database.tenant, visit.caller.project_id)
        if request.method in SAFE:
            return door
        turns: Turns = request.app.state.turns
        return partial(turns.take, visit.caller.account_id, door)
