"""Trying an agent as it is being written: a call of its own, with settings that no other call uses."""

import json
from datetime import timedelta
from typing import Final

from sqlalchemy import text

from control_plane.auth.callers import Caller
from control_plane.gate.transaction import Transaction
from control_plane.ids import random_id
from control_plane.personas.service import PersonaService
from control_plane.tokens.identities import TESTER
from control_plane.tokens.schemas import Entry, GrantsRequest
from control_plane.tokens.service import TokenService
from control_plane.trials.schemas import Trial, TrialAnswer

JOIN_WITHIN: Final = timedelta(minutes=2)
"""How long a token opens its room; LiveKit renews it for whoever is in."""

_MARK = text("""
    update slot set draft = cast(:draft as jsonb), only_text = :only_text
    where room_name = :room and caller_identity = :identity
""")


class Trials:
    """Calls with drafts of one caller's agents."""

    def __init__(
        self, transaction: Transaction, caller: Caller, personas: PersonaService, tokens: TokenService
    ) -> None:
        self.transaction, self.caller, self.personas, self.tokens = transaction, caller, personas, tokens

    async def begin(self, persona_id: int, body: Trial) -> TrialAnswer:
        """A token for a room of its own, which the agent enters with its draft and these changes of it.

        It counts as any other call: against the sessions of the plan and against budgets. Raises `Forbidden` where the
        key may not make tokens, `NotFound` for an agent or knowledge base that is none, and what
        `TokenService.issue` raises.
        """
        self.caller.demand("tokens", write=True)
        draft = await self.personas.draft(persona_id, body.settings)
        identity, by_voice = random_id(TESTER), body.mode == "voice"
        issued = await self.tokens.issue(
            Entry(
                identity=identity,
                room=random_id("try-"),
                agent_config_id=persona_id,
                ttl_seconds=int(JOIN_WITHIN.total_seconds()),
                variables=body.variables,
                grants=GrantsRequest(canPublish=by_voice, canPublishSources=["microphone"] if by_voice else None),
            ),
            called=draft["name"],
        )
        values = {"draft": json.dumps(draft), "only_text": not by_voice, "room": issued.room, "identity": identity}
        await (await self.transaction.begin()).execute(_MARK, values)
        return TrialAnswer(token=issued.token, room=issued.room, wsUrl=issued.wsUrl)
