"""What is there before a simulation begins: a customer with an agent, a line, a number and two receivers."""

from datetime import datetime
from typing import Any

from control_plane.accounts.models import Account, Member, Project
from control_plane.auth.callers import Caller as ApiCaller
from control_plane.db.database import Database
from control_plane.events.facts import WEBHOOKS
from control_plane.personas.models import Persona as Agent
from control_plane.secrets.box import SecretBox
from control_plane.sessions.slots import StandingSigner, dispatch_of
from control_plane.settings import Settings
from control_plane.telephony.models import SipConfig, SipTrunk
from control_plane.webhooks.models import WebhookEndpoint
from control_plane.webhooks.targets import sealed_as
from tests.support.database import Clone
from tests.support.platform import SECRET_KEY, WORKER_TOKEN

LINE = "+18001234567"
ALL, SOME = "http://customer.example/all", "http://customer.example/some"
"""A receiver of everything, and one of what is sent without a filter."""


def settings_of(clone: Clone) -> Settings:
    """Of its processes."""
    return Settings.model_validate(
        {
            "environment": "development",
            "database_url": clone.app,
            "livekit_api_key": "devkey",
            "livekit_api_secret": "devsecret-devsecret-devsecret-devsecret",
            "secret_key": SECRET_KEY,
            "worker_token": WORKER_TOKEN,
        }
    )


async def furnish(database: Database, now: datetime) -> tuple[ApiCaller, Any]:
    """A customer with an agent, a line with a number that it answers, and two receivers; the caller, the dispatch."""
    account = Account(email="chaos@example.org", name="chaos", plan="professional")
    async with database.platform() as db:
        db.add(account)
        await db.flush()
        project = Project(account_id=account.id, slug="proj", name="proj")
        db.add_all([Member(account_id=account.id, email=account.email, name="chaos", role="owner"), project])
        await db.flush()
        agent = Agent(project_id=project.id, name="Ada")
        db.add(agent)
        await db.flush()
        trunk = SipTrunk(
            project_id=project.id,
            name="Line",
            phone_number=LINE,
            address="127.0.0.1:5060",
            inbound_trunk_id="ST_in",
            outbound_trunk_id="ST_out",
            calls_per_second=5,
        )
        config = SipConfig(project_id=project.id, name="Number", phone_number=LINE, agent_config_id=agent.id)
        db.add_all([trunk, config])
        await db.flush()
        for url in (ALL, SOME):
            events = [str(fact) for fact in sorted(WEBHOOKS)] if url == ALL else None
            hook = WebhookEndpoint(project_id=project.id, url=url, events=events, sealed_secret=b"", created_at=now)
            db.add(hook)
            await db.flush()
            hook.sealed_secret = SecretBox(SECRET_KEY).seal("whsec_" + "A" * 32, row=sealed_as(hook.id))
    caller = ApiCaller(project.id, project.slug, account.id, account.plan, "pk_chaos")
    ticket = StandingSigner(SECRET_KEY, "number").sign(config.id, agent.id)
    return caller, dispatch_of(ticket, agent.name)
