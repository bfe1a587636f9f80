"""A visitor of another site comes: how the button looks, and a token within the limits of its key."""

import hashlib
from datetime import timedelta
from typing import Final

from sqlalchemy import text

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.embeds.models import EmbedKey, EmbedMode
from control_plane.embeds.schemas import EmbedAgent, EmbedConfig, EmbedToken, EmbedTokenRequest
from control_plane.errors import Conflict, Forbidden, PlatformError, RateLimited
from control_plane.gate.embed import Visit
from control_plane.gate.transaction import Transaction
from control_plane.gate.window import HOUR, RateLimiter, Taken, whence
from control_plane.ids import random_id
from control_plane.personas.repository import PersonaRepository
from control_plane.tokens.identities import VISITOR
from control_plane.tokens.schemas import Entry, GrantsRequest
from control_plane.tokens.service import TokenService

JOIN_WITHIN: Final = timedelta(minutes=2)
"""How long a visitor's token opens its room; LiveKit renews it for those who are in."""
FREE_AGAIN: Final = 15
"""Seconds after which another try is worth its while where all of a key's calls are taken."""

_USE = text("update embed_key set last_used_at = :now where id = :key and is_active returning id")
_TAKEN = text("""
    select count(*) from slot where embed_key_id = :key and (session_id is not null or expires_at > :now)
""")
_MARK = text("""
    update slot set embed_key_id = :key, only_text = :only_text, longest_call = :longest
    where room_name = :room and caller_identity = :identity
""")


async def read_config(db: Db, visit: Visit) -> EmbedConfig:
    """How the button of a key looks. Raises `NotFound`, `Conflict` where its agent is not in service."""
    key = await db.get_one(EmbedKey, visit.key_id)
    shown = key.model_dump(include={"mode", "theme", "accent", "button", "greeting"})
    return EmbedConfig(agent=await _agent(db, visit), **shown)


async def _agent(db: Db, visit: Visit) -> EmbedAgent:
    serving = await PersonaRepository(db, project_id=visit.caller.project_id).serving(visit.persona_id)
    if not serving.persona.is_active:
        raise Conflict("The agent of this embed key is not active")
    return EmbedAgent(name=serving.persona.name)


class Doorkeeper:
    """Admits visitors of one embed key."""

    def __init__(
        self, transaction: Transaction, visit: Visit, clock: Clock, limiter: RateLimiter, tokens: TokenService
    ) -> None:
        self.transaction, self.visit, self.clock = transaction, visit, clock
        self.limiter, self.tokens = limiter, tokens

    async def admit(self, body: EmbedTokenRequest, address: str | None) -> EmbedToken:
        """A token for a room of the visitor's own, which its agent enters.

        Raises `Forbidden` for a mode that the key does not offer, `RateLimited` beyond its limits, and what
        `TokenService.issue` raises; what is refused does not count against the limits.
        """
        if self.visit.mode not in (EmbedMode.BOTH, body.mode):
            raise Forbidden(f"This embed key is for {self.visit.mode} only", details={"rule": "mode"})
        counted = hashlib.sha256(body.visitor.encode()).hexdigest()[:32]
        windows = (
            (f"embed:{self.visit.key_id}:from:{whence(address)}", self.visit.address_calls_per_hour, "address"),
            (f"embed:{self.visit.key_id}:by:{counted}", self.visit.visitor_calls_per_hour, "visitor"),
        )
        held: list[tuple[str, Taken]] = []
        try:
            for window, limit, rule in windows:
                taken = await self.limiter.take(window, limit, seconds=HOUR)
                held.append((window, taken))
                if not taken.admitted:
                    raise _too_many(rule, limit, taken.retry_after)
            return await self._admit(body)
        except PlatformError:
            for window, taken in held:
                await self.limiter.give_back(window, taken)
            raise

    async def _admit(self, body: EmbedTokenRequest) -> EmbedToken:
        visit, now = self.visit, self.clock.now()
        db = await self.transaction.begin()
        # Its row is locked until the commit, so that of many visitors at once only as many come in as may.
        if await db.scalar(_USE, {"key": visit.key_id, "now": now}) is None:
            raise Forbidden("This embed key is switched off", details={"rule": "inactive"})
        taken = await db.scalar(_TAKEN, {"key": visit.key_id, "now": now})
        if taken is not None and taken >= visit.calls_at_once:
            raise _too_many("at_once", visit.calls_at_once, FREE_AGAIN)
        agent = await _agent(db, visit)
        room, identity = random_id("embed-"), random_id(VISITOR)
        by_voice = body.mode == "voice"
        issued = await self.tokens.issue(
            Entry(
                identity=identity,
                room=room,
                name="Visitor",
                agent_config_id=visit.persona_id,
                ttl_seconds=int(JOIN_WITHIN.total_seconds()),
                variables=dict(body.variables),
                grants=GrantsRequest(
                    canPublish=by_voice,
                    canPublishSources=["microphone"] if by_voice else None,
                    canPublishData=visit.mode != EmbedMode.VOICE,
                ),
            )
        )
        marked = {"key": visit.key_id, "only_text": not by_voice, "longest": visit.longest_call}
        await db.execute(_MARK, marked | {"room": issued.room, "identity": identity})
        return EmbedToken(
            token=issued.token, wsUrl=issued.wsUrl, agent=agent, mode=body.mode, longest_call=visit.longest_call
        )


def _too_many(rule: str, limit: int, retry_after: int) -> RateLimited:
    said = {
        "visitor": f"A visitor may begin {limit} calls in an hour",
        "address": f"From one address {limit} calls may begin in an hour",
        "at_once": f"All {limit} calls of this button are taken",
    }
    return RateLimited(limit=limit, retry_after=retry_after, message=said[rule])
