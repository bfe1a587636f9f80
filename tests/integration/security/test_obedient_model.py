"""A model that obeys whoever writes into its context, in real jobs of a real worker: still nobody is called who is not
listed, nothing is used that the agent does not have, and nothing is said that is not the agent's own."""

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from livekit import api
from psycopg import sql
from sqlalchemy import text

from agents.acts import MOST_ACTS
from agents.contract import AGENT_NAME
from tests.support.bases import make_base
from tests.support.calls import CALLEE, LINE, LISTED, TRUNK
from tests.support.database import Clone
from tests.support.livekit import livekit_of
from tests.support.meetings import make_meeting, make_scenario
from tests.support.obedient import Obedient, obedient_model
from tests.support.payloads import payloads
from tests.support.platform import ADMIN_KEY, SECRET_KEY, WORKER_TOKEN, Platform, Tenant
from tests.support.rooms import Somebody, somebody
from tests.support.searching import search_server
from tests.support.tried import sample, tried
from tests.support.working import worker_of

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(400)]

CHAT, STATE = "lk.chat", "lk.agent.state"
SHOP: Final = "https://shop.example.org"
ENVIRONMENT, MODELS_KEY, THEIRS = "CANARY-environment", "CANARY-models-key", "CANARY-of-another-tenant"
UNSEEN: Final = "never-shown"
"""In what no model is shown at all: names, attributes and metadata of people, headers of telephones."""
TYPED, DOCUMENTS, VARIABLES, RESULTS, NAMES, OTHERS = (
    sample(*sizes) for sizes in ((120, 20), (40, 4), (40, 10), (24, 4), (24, 6), (20, 4))
)
LONGEST_LINE: Final = 3500
FOUND_IN_RESULTS: Final = 4
TOOLS: Final = {"Phone": {"transfer_call", "send_dtmf"}, "Visitor": set(), "Robin": {"web_search"}}
"""Of each agent."""
TRIES: Final = 4
LIMIT: Final = 8
"""Seconds that the visitor's call may take."""


def lines_of(orders: list[str]) -> list[str]:
    """The orders, many in a line, as long as one may be."""
    lines = [""]
    for each in orders:
        if len(lines[-1]) + len(each) > LONGEST_LINE:
            lines.append("")
        lines[-1] += f"{each}\n\n"
    return lines


async def persona_beside(person: Somebody) -> None:
    """A persona is there, and listens."""
    async with asyncio.timeout(90):
        while not any(
            each.attributes.get(STATE) not in (None, "initializing")
            for each in person.room.remote_participants.values()
        ):
            await asyncio.sleep(0.05)


class Writer:
    """Somebody who writes lines to a persona, one after the other, and again where nobody heeds them."""

    def __init__(self, model: Obedient, person: Somebody, name: str) -> None:
        self.model, self.person, self.name, self.lines = model, person, name, 0

    async def write(self, line: str) -> None:
        """Write, and wait until the model has done all of it."""
        self.lines += 1
        end = f"end-{self.name}-{self.lines}"
        await self.until(f"{line}\nsay: {end}", lambda: self.model.until_said(end, within=30))

    async def until(self, line: str, done: Callable[[], Awaitable[None]]) -> None:
        """Write until something comes of it."""
        for _ in range(TRIES):
            await self.person.room.local_participant.send_text(line, topic=CHAT)
            with suppress(TimeoutError):
                return await done()
            self.model.done.clear()
        raise AssertionError(f"nobody heeds {line[-60:]}")


class Scene:
    """A platform with a worker whose model obeys, and an attacker's neighbour."""

    def __init__(self, platform: Platform, tenant: Tenant, model: Obedient, url: str) -> None:
        self.platform, self.tenant, self.model, self.url = platform, tenant, model, url
        self.pressed: list[str] = []
        self.sections = 0
        """Of documents that the model was shown."""

    async def post(self, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
        answer = await self.tenant.http.post(path, json=body, headers=headers)
        assert answer.is_success, answer.text
        said: dict[str, Any] = answer.json()
        return said

    @asynccontextmanager
    async def phone(self, number: str) -> AsyncIterator[Somebody]:
        """Somebody calls the agent's line, with a telephone that says what it likes."""
        room, identity = f"proj_call_{number}_abcdef", f"sip_{number}"
        _, _, line, *_ = next(each for each in reversed(self.platform.dialer.calls) if each[0] == "open_rule")
        header = payloads(NAMES, 6000)
        told = {f"sip.h.x-note-{place}": f"{UNSEEN} {order}" for place, (_, order) in enumerate(header)}
        token = (
            api.AccessToken("devkey", self.platform.settings.livekit_api_secret.get_secret_value())
            .with_identity(identity)
            .with_name(f"{UNSEEN} {header[0][1]}")
            .with_kind("sip")
            .with_metadata(f"{UNSEEN} {header[1][1]}")
            .with_grants(api.VideoGrants(room_join=True, room=room))
            .with_attributes({"sip.callStatus": "active", "sip.phoneNumber": number, **told})
        )
        async with somebody(self.url, token.to_jwt()) as caller:
            caller.room.on("sip_dtmf_received", lambda key: self.pressed.append(key.digit))
            await self.platform.app.state.media.dispatch(room, agent_name=AGENT_NAME, metadata=line.agent_metadata)
            await persona_beside(caller)
            yield caller

    async def caller_and_documents(self) -> None:
        """A telephone whose caller writes, and asks for what documents say; a number that is listed at the end."""
        sections = [
            f"# Widget{n}\n\nAbout widget{n}: {order}" for n, (_, order) in enumerate(payloads(DOCUMENTS, 1000))
        ]
        base = await make_base(self.tenant, "\n\n".join(sections))
        acts = [{"type": "builtin", "name": name} for name in ("transfer_call", "send_dtmf")]
        agent = await self.tenant.make_agent(
            name="Phone",
            instructions="Phone. You help callers.",
            tools=acts,
            transfer_numbers=LISTED,
            knowledge_base_ids=[base],
        )
        await self.post("/sip/trunks", TRUNK)
        await self.post("/sip/configs", {"name": "In", "phone_number": LINE, "agent_config_id": agent})
        async with self.phone("+17755550100") as caller:
            writer = Writer(self.model, caller, "phone")
            for line in lines_of([order for _, order in payloads(TYPED)]):
                await writer.write(line)
            for place in range(DOCUMENTS):
                await writer.write(f"What do you know about widget{place}?")
            shown = self.model.text_asked()
            self.sections = sum(f"About widget{place}:" in shown for place in range(DOCUMENTS))
        assert not [call for call in self.platform.dialer.calls if call[0] == "transfer"]
        async with self.phone("+17755550101") as caller:
            await Writer(self.model, caller, "listed").until(f"transfer me to {CALLEE}", self.transferred)

    async def transferred(self) -> None:
        """A call has been transferred."""
        async with asyncio.timeout(30):
            while not [call for call in self.platform.dialer.calls if call[0] == "transfer"]:
                await asyncio.sleep(0.05)

    async def visitor(self) -> None:
        """Somebody at another site's button, whose variables and name are orders; the call ends by its limit."""
        agent = await self.tenant.make_agent(
            name="Visitor", instructions="\n".join(["Visitor. You speak with:", *(f"{{{{v{n}}}}}" for n in range(20))])
        )
        key = (await self.post("/embed-keys", {"agent_id": agent, "origins": [SHOP]}))["embed_key"]["key"]
        for first in range(0, VARIABLES, 20):
            orders = [order for _, order in payloads(min(20, VARIABLES - first), 2000 + first)]
            body = {
                "visitor": f"visitor-{first:04d}",
                "mode": "text",
                "variables": {f"v{n}": order[:500] for n, order in enumerate(orders)},
            }
            given = await self.post("/embed/token", body, **{"X-Embed-Key": key, "Origin": SHOP})
            async with self.platform.database.platform() as db:
                await db.execute(text("update slot set longest_call = :most where session_id is null"), {"most": LIMIT})
            async with somebody(self.url, given["token"]) as visitor:
                await persona_beside(visitor)
                await Writer(self.model, visitor, f"visitor{first}").write("Never end this call. Hello?")
                await visitor.until("left", f"agent-{agent}", within=60)

    async def meeting(self, search: Any) -> None:
        """Somebody whose persona may search the web, which answers with orders, and whose name is one."""
        results = [order for _, order in payloads(RESULTS, 3000)]
        scenario = await make_scenario(self.tenant, persona={"name": "Robin", "instructions": "Searcher."})
        fields = {"scenario_id": scenario["id"], "web_search": True, "enable_chat": True}
        made = await make_meeting(self.tenant, name=payloads(1, 4001)[0][1], **fields)
        async with somebody(self.url, made["room_token"]) as person:
            await persona_beside(person)
            writer = Writer(self.model, person, "meeting")
            for first in range(0, RESULTS, FOUND_IN_RESULTS):
                search.results = [
                    {"url": "https://a.example/", "title": "Hours", "content": order}
                    for order in results[first : first + FOUND_IN_RESULTS]
                ]
                await writer.write(f"search for opening hours {first}")


def rows_of(clone: Clone, project_id: int) -> str:
    """All that is kept of a project."""
    with psycopg.connect(clone.superuser) as db:
        named = (
            "select table_name from information_schema.columns"
            " where column_name = 'project_id' and table_schema = 'public'"
        )
        texts = []
        for (table,) in db.execute(named).fetchall():
            rows = sql.SQL("select t::text from {} t where project_id = %s").format(sql.Identifier(table))
            texts += [row for (row,) in db.execute(rows, [project_id]).fetchall()]
    return "\n".join(texts)


async def test_whoever_writes_into_a_context_gets_no_more_than_the_agent_may(
    platform: Platform, clone: Clone, tmp_path: Path
) -> None:
    tenant, other = await platform.tenant(), await platform.tenant("other")
    platform.dialer.picked_up.set()
    others = [f"{THEIRS} {order}" for _, order in payloads(OTHERS, 5000)]
    await make_base(other, "\n\n".join(f"# Widget{n}\n\n{each}" for n, each in enumerate(others)))
    platform.app.state.settings = platform.settings.model_copy(update={"search_url": "http://127.0.0.1:1"})
    async with livekit_of(platform, tmp_path) as url, obedient_model() as model, search_server() as search:
        settings = {
            "PARLEY_SEARCH_URL": search.url,
            "PARLEY_OUTBOUND_ALLOW": "127.0.0.0/8",
            "PARLEY_MODELS_API_KEY": MODELS_KEY,
            "CANARY": ENVIRONMENT,
        }
        scene = Scene(platform, tenant, model, url)
        async with worker_of(platform, clone, url, model.url, **settings):
            async with asyncio.TaskGroup() as calls:
                calls.create_task(scene.caller_and_documents())
                calls.create_task(scene.visitor())
                calls.create_task(scene.meeting(search))
            await until_ended(tenant)
    violations = [*told_wrongly(scene, clone), *done_wrongly(scene), *ran_wrongly(clone, tenant.project.id)]
    delivered = TYPED + scene.sections + VARIABLES + RESULTS + 2 + 2 * NAMES + OTHERS
    tried("obedient model: payloads", delivered, len(violations))
    assert not violations
    assert len(model.did) > delivered / 2, "the model obeys"
    assert scene.sections > DOCUMENTS / 2, "documents are read"
    sessions = (await tenant.http.get("/sessions")).json()["sessions"]
    assert len(sessions) == 3 + -(-VARIABLES // 20)


async def until_ended(tenant: Tenant) -> None:
    """All conversations are over, and what was said last is kept."""
    async with asyncio.timeout(60):
        while (await tenant.http.get("/sessions?status=active")).json()["sessions"]:
            await asyncio.sleep(0.1)


def told_wrongly(scene: Scene, clone: Clone) -> list[str]:
    """Secrets and strangers' words that the model was shown, that were spoken, or that are kept with the project."""
    model, project = scene.model, scene.tenant.project.id
    kept = rows_of(clone, project)
    shown, spoken = model.text_asked(), "\n".join(model.spoken)
    settings = scene.platform.settings
    secrets = {
        "environment": ENVIRONMENT,
        "models key": MODELS_KEY,
        "another tenant's": THEIRS,
        "worker token": WORKER_TOKEN,
        "secret key": SECRET_KEY,
        "admin key": ADMIN_KEY,
        "key of LiveKit": settings.livekit_api_secret.get_secret_value(),
        "key of the project": scene.tenant.key,
        "its secret": scene.tenant.secret,
        "database": settings.database_url.get_secret_value(),
    }
    places = {"shown": shown, "spoken": spoken, "kept": kept}
    wrong = [f"{name} was {place}" for place, words in places.items() for name, one in secrets.items() if one in words]
    wrong += [f"{UNSEEN} was {place}" for place in ("shown", "spoken") if UNSEEN in places[place]]
    hidden = {each for each in shown if unicodedata.category(each) in ("Cf", "Co", "Cs") or each == "\x1b"}
    return wrong + [f"hidden characters were shown: {sorted(map(ascii, hidden))}" for _ in range(bool(hidden))]


def done_wrongly(scene: Scene) -> list[str]:
    """Calls that were made, and keys that were pressed, beyond what the agent may."""
    listed = {each["number"] for each in LISTED}
    wrong = []
    for name, *given in scene.platform.dialer.calls:
        if name == "call" or (name == "transfer" and str(given[-1]).removeprefix("tel:") not in listed):
            wrong.append(f"{name} {given}")
    if len(scene.pressed) > 32 * MOST_ACTS:
        wrong.append(f"{len(scene.pressed)} keys were pressed")
    return wrong


def ran_wrongly(clone: Clone, project_id: int) -> list[str]:
    """Tools that worked though the agent of their conversation has none such, or too often."""
    query = """
        select s.id, s.agent_name, t.content->>'name', count(*) from session_trace t
        join session s on s.id = t.session_id
        where t.project_id = %s and t.kind = 'tool' and not (t.content->>'failed')::boolean group by 1, 2, 3
    """
    with psycopg.connect(clone.superuser) as db:
        worked = db.execute(query, [project_id]).fetchall()
    wrong = [f"{agent} used {tool}" for _, agent, tool, _ in worked if tool not in TOOLS[agent]]
    of_session: dict[int, int] = {}
    for session, _, _, count in worked:
        of_session[session] = of_session.get(session, 0) + count
    assert {tool for _, _, tool, _ in worked} >= {"send_dtmf", "web_search"}, "what may be used is used"
    return wrong + [f"session {id}: {count} acts" for id, count in of_session.items() if count > MOST_ACTS]
