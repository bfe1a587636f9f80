"""A token for a room: one SQL round trip, and no call to LiveKit when the room is new; the dispatch is in the token."""

import json
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from agents.calling import DispatchMetadata
from agents.contract import AGENT_NAME
from control_plane import metrics
from control_plane.accounts.room_names import retired
from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.errors import Conflict, Forbidden, NotFound, PlatformError, QuotaExceeded, Unavailable
from control_plane.gate.transaction import Transaction
from control_plane.ids import fingerprint
from control_plane.media.server import MediaServer
from control_plane.names import RoomName, foreign_prefix, foreign_room, room_name
from control_plane.plans.catalogue import limit_of
from control_plane.sessions.slots import Ticket, TicketSigner, dispatch_of
from control_plane.tokens.schemas import Entry, TokenAnswer
from control_plane.tokens.signer import Grants, Pass, TokenSigner
from guard import traces

_ADMIT = """
    select status, culprit, personas, names, nonces, room_live from admit(
        %(project)s, %(account)s, %(session_limit)s, %(room)s, %(foreign_slug)s::text, %(personas)s::bigint[],
        %(ticket_hash)s, %(variables)s::jsonb, %(identity)s, %(now)s, %(expires)s, %(key)s, %(nonce)s
    )
"""
_OPEN = text("select exists (select from room where full_name = :room and status = 'open')")
_RELEASE = text("delete from slot where project_id = :project and ticket_hash = :ticket_hash and session_id is null")


class TokenService:
    """Admits callers to rooms."""

    def __init__(
        self,
        transaction: Transaction,
        caller: Caller,
        clock: Clock,
        signer: TokenSigner,
        tickets: TicketSigner,
        media: MediaServer,
        *,
        ws_url: str,
        slot_lifetime: timedelta,
        upgrade_url: str,
    ) -> None:
        self.transaction, self.caller, self.clock = transaction, caller, clock
        self.signer, self.tickets, self.media = signer, tickets, media
        self.ws_url, self.slot_lifetime, self.upgrade_url = ws_url, slot_lifetime, upgrade_url

    async def issue(self, body: Entry, *, called: str | None = None) -> TokenAnswer:
        """A token, and a slot for the agents that come with it; `called` is their name where it is not the published
        one.

        Agents that are in the room are not asked for again; those that wait for somebody to make it come with this
        token as with the one before. Raises `NotFound`, `Forbidden`, `Conflict` for agents that cannot be had,
        `Forbidden` where a budget is used up, `QuotaExceeded` for the sessions of the plan, `Unavailable` where a
        running room had to be told and LiveKit is away.
        """
        name = room_name(body.room, self.caller.slug)
        if "+" in name.short and not await (await self.transaction.begin()).scalar(_OPEN, {"room": name.full}):
            room_name(body.room, self.caller.slug, fresh=True)
        nonce = self.tickets.new_nonce()
        with traces.span("token", traces.trace_of(nonce), root=True):
            return await self._issue(body, name, nonce, called)

    async def _issue(self, body: Entry, name: RoomName, nonce: str, called: str | None) -> TokenAnswer:
        ticket_hash = fingerprint(self.tickets.secret(nonce))
        admitted = await self._admit(body, name, nonce, ticket_hash)
        dispatches = tuple(
            dispatch_of(Ticket(self.tickets.secret(own), persona), called or published)
            for own, persona, published in zip(admitted.nonces, admitted.personas, admitted.names, strict=True)
            if own == nonce or not admitted.room_live
        )
        if admitted.room_live and dispatches:
            await self._dispatch(name, dispatches, ticket_hash)
        metrics.DISPATCHES.labels("to_room" if admitted.room_live else "with_token").inc(len(dispatches))
        token = self.signer.sign(
            Pass(
                identity=body.identity,
                room=name.full,
                ttl=timedelta(seconds=body.ttl_seconds),
                grants=_grants(body),
                name=body.name,
                metadata=body.metadata,
                attributes=body.attributes,
                dispatches=() if admitted.room_live else dispatches,
            )
        )
        return TokenAnswer(token=token, room=name.full, wsUrl=self.ws_url, agents_dispatched=admitted.personas)

    async def _admit(self, body: Entry, name: RoomName, nonce: str, ticket_hash: bytes) -> Any:
        now = self.clock.now()
        limit = limit_of(self.caller.plan, "sessions")
        values = {
            "project": self.caller.project_id,
            "account": self.caller.account_id,
            "session_limit": limit,
            "room": name.full,
            "foreign_slug": foreign_prefix(body.room, self.caller.slug),
            "personas": body.wanted_agents(),
            "ticket_hash": ticket_hash,
            "nonce": nonce,
            "variables": json.dumps(body.variables),
            "identity": body.identity,
            "now": now,
            "expires": now + self.slot_lifetime,
            "key": self.caller.key_id,
        }
        row = await self.transaction.one(_ADMIT, values)
        if row.status != "admitted":
            metrics.TOKEN_REFUSALS.labels(row.status).inc()
        match row.status:
            case "admitted":
                return row
            case "foreign_room":
                raise foreign_room(body.room)
            case "retired_room":
                raise retired(name)
            case "unknown_agent":
                raise NotFound(f"There is no agent {row.culprit}")
            case "foreign_agent":
                raise Forbidden(f"Agent {row.culprit} belongs to another project")
            case "inactive_agent":
                raise Conflict(f"Agent {row.culprit} is not active")
            case "over_budget":
                whose = {"agent_config_id": row.culprit} if row.culprit else {}
                raise Forbidden("This month's budget is used up", details={"rule": "budget", **whose})
            case "no_worker":
                raise Unavailable("No worker has a free place for this call; try again", retry_after=5)
            case _:
                raise QuotaExceeded("sessions", limit=limit, used=row.culprit, upgrade_url=self.upgrade_url)

    async def _dispatch(self, name: RoomName, dispatches: tuple[DispatchMetadata, ...], ticket_hash: bytes) -> None:
        """Tell LiveKit, with the slot committed first; give the slot back where it refuses."""
        await self.transaction.commit()
        try:
            for dispatch in dispatches:
                await self.media.dispatch(name.full, agent_name=AGENT_NAME, metadata=dispatch.model_dump_json())
        except PlatformError:
            metrics.DISPATCHES.labels("failed").inc(len(dispatches))
            db = await self.transaction.begin()
            await db.execute(_RELEASE, {"project": self.caller.project_id, "ticket_hash": ticket_hash})
            await db.commit()
            raise


def _grants(body: Entry) -> Grants:
    wanted = body.grants
    return Grants(
        can_publish=wanted.canPublish,
        can_subscribe=wanted.canSubscribe,
        can_publish_data=wanted.canPublishData,
        can_publish_sources=None if wanted.canPublishSources is None else tuple(wanted.canPublishSources),
        can_update_own_metadata=wanted.canUpdateOwnMetadata,
    )
