"""Nobody reaches what is somebody else's: every operation, every kind of foreign id, every kind of credential."""

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import httpx2
import psycopg
import pytest

from agents.calling import PersonaJob
from control_plane.accounts.keys import seal_key
from control_plane.accounts.models import Project
from control_plane.ids import random_secret
from control_plane.reference.document import describe
from control_plane.secrets.box import SecretBox
from control_plane.tables import TENANT_TABLES
from knowledge.tables import metadata as knowledge_metadata
from tests.integration.control_plane.test_monitor import monitor
from tests.support.attempts import Attempt, attempts
from tests.support.console import browser
from tests.support.database import Clone
from tests.support.estates import EMBED, FILLINGS, SHARE, Estate
from tests.support.furnishing import furnish, pointing_at, state_of
from tests.support.meetings import a_bot, meet_people
from tests.support.platform import SECRET_KEY, Platform, Tenant
from tests.support.tried import FULL, sample, tried
from tests.support.uplink import ticket_of, worker
from tests.support.videosdk import token

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(3600 if FULL else 400)]

LINE: Final = "isolation: operations × foreign ids"
SURFACES: Final = "isolation: sockets, links, tokens, embeds"
REFUSALS: Final = {400, 401, 402, 403, 404, 405, 409, 410, 413, 415, 422, 429}
UNREACHED: Final = "The calendars cannot be read now"
"""The house of a calendar, which no test asks."""
CARRIER: Final = re.compile(r"Carrier\([^)]*\)")
"""A trunk's name, address and user are whatever its owner likes."""
OF_THE_ACCOUNT: Final = ("/api/v1/projects", "/api/v1/api-keys", "/api/v1/account", "/api/v1/members", "/api/v1/usage")
"""What the projects of one account share."""


def test_every_table_of_a_tenant_is_furnished() -> None:
    wanted = {str(table.__tablename__) for table in TENANT_TABLES} | set(knowledge_metadata.tables)
    assert set(FILLINGS) == wanted, "tests/support/estates.py has to say what a row of a new table holds"


@dataclass
class Neighbours:
    """Two tenants with all that tenants may have, and a look at what the one's rows are."""

    platform: Platform
    theirs: Estate
    mine: Estate
    connection: psycopg.Connection[Any]
    document: dict[str, Any]
    state: dict[str, str] = field(default_factory=dict)
    wrong: list[Any] = field(default_factory=list)
    told: Counter[int] = field(default_factory=Counter)

    def look(self, what: object) -> None:
        """Note what has changed of theirs, and which of theirs a double was asked for."""
        state = state_of(self.connection, self.theirs)
        changed = [table for table in state if state[table] != self.state.get(table, state[table])]
        self.wrong += [(what, "changed", changed)] * bool(changed)
        self.state = state
        for double in (self.platform.media, self.platform.dialer, self.platform.recorder):
            # A packet's topic, and what it says, is whatever its sender likes.
            told = [call for call in double.calls if self._is_theirs(str(call[:2] if call[0] == "send_data" else call))]
            self.wrong += [(what, "a double was asked", told)] * bool(told)
            double.calls.clear()

    def _ids_in(self, said: str) -> set[str]:
        chosen = ("project", "custom_room")  # numbers as short as any; what people choose themselves
        known = {value for kind, value in self.theirs.foreign().items() if kind not in chosen}
        return {value for value in known if value in said}

    def _is_theirs(self, said: str) -> bool:
        names, said = self.theirs.names(), CARRIER.sub("", said)
        return any(f"'{names[kind]}'" in said for kind in ("room_name", "video_full", "bot_room", "egress"))

    def judge(self, attempt: Attempt, credential: str, answer: httpx2.Response, *, ids: bool = False) -> None:
        """Note an answer that is neither a refusal nor one's own; with `ids`, one with ids of theirs that nobody sent,
        which are no secret and may be somebody's words."""
        self.told[answer.status_code] += 1
        said = (attempt.operation, attempt.place, attempt.kind, credential, answer.status_code)
        if self.theirs.mark in answer.text.lower():
            self.wrong.append((*said, "a foreign word", answer.text[:300]))
        elif attempt.natural and attempt.place.startswith("path ") and answer.is_success:
            self.wrong.append((*said, "opened", answer.text[:300]))
        elif ids and (
            told := self._ids_in(answer.text) - self._ids_in(str((attempt.path, attempt.query, attempt.body)))
        ):
            self.wrong.append((*said, "foreign ids", sorted(told), answer.text[:300]))
        elif not answer.is_success and answer.status_code not in REFUSALS and UNREACHED not in answer.text:
            self.wrong.append((*said, answer.text[:300]))


@pytest.fixture
async def neighbours(platform: Platform, clone: Clone) -> Any:
    theirs, mine = await platform.tenant("alpha"), await platform.tenant("bravo", plan="enterprise")
    await platform.add_worker(100_000)
    estates = furnish(clone.superuser, theirs, 1), furnish(clone.superuser, mine, 2)
    with psycopg.connect(clone.superuser, autocommit=True) as connection:
        made = Neighbours(platform, *estates, connection, describe(platform.app))
        made.look("furnishing")
        yield made


async def sibling(platform: Platform, tenant: Tenant) -> str:
    """The key of another project of a tenant's account."""
    project = Project(account_id=tenant.project.account_id, slug="sibling", name="sibling")
    await platform.add(project)
    key, secret = random_secret("pk_"), random_secret("sk_")
    box = SecretBox(SECRET_KEY)
    await platform.add(seal_key(box, project_id=project.id, label="test", key=key, secret=secret, scopes=["*"]))
    return key


def credentials(attempt: Attempt, mine: Tenant, theirs: Tenant, beside: str) -> Iterator[tuple[str, dict[str, str]]]:
    """As whom a request is sent: each with its headers. `beside` is a key of a project of their account."""
    key = {"X-API-Key": mine.key}
    if "SignedToken" in attempt.security:
        yield "signed token", {"Authorization": token(mine)}
        if attempt.natural:
            yield "their key, my secret", {"Authorization": token(mine, apikey=theirs.key)}
        return
    if "EmbedKey" in attempt.security:
        yield "embed key", {"X-Embed-Key": EMBED.format(slug="bravo"), "Origin": "https://bravo.example.org"}
        return
    yield "key", key
    if attempt.natural and "ApiKey" in attempt.security:
        yield "key, their project named", key | {"X-Project": str(theirs.project.id)}
        if not attempt.operation.partition(" ")[2].startswith(OF_THE_ACCOUNT) and "project" not in attempt.operation:
            yield "key of a project beside it", {"X-API-Key": beside}
    if attempt.natural and not attempt.security:
        yield "nothing", {}


async def test_no_operation_reaches_what_is_somebody_elses(neighbours: Neighbours) -> None:
    mine, theirs, platform = neighbours.mine, neighbours.theirs, neighbours.platform
    beside = await sibling(platform, theirs.tenant)
    dice, count, last = random.Random(3), 0, ""
    seen = set[str]()
    http = httpx2.AsyncClient(base_url=platform.url, timeout=30)
    platform.clients.append(http)
    for attempt in attempts(neighbours.document, mine, theirs, every=FULL, some=sample(0, 1), dice=dice):
        if attempt.operation != last and last:
            neighbours.look(last)
        if attempt.operation != last:
            await platform.app.state.limiter._redis.flushall()  # else the windows of strangers would answer
        last = attempt.operation
        seen.add(last)
        for name, headers in credentials(attempt, mine.tenant, theirs.tenant, beside):
            answer = await http.request(
                attempt.method, attempt.path, params=attempt.query, json=attempt.body, headers=headers
            )
            count += 1
            neighbours.judge(attempt, name, answer)
    neighbours.look(last)
    for project in (mine.tenant.project.id, theirs.tenant.project.id + 2):
        neighbours.wrong += pointing_at(neighbours.connection, theirs, project)
    tried(LINE, count, len(neighbours.wrong))
    assert neighbours.wrong == [], "\n".join(map(str, neighbours.wrong[:40]))
    assert len(seen) > 225, "every operation"
    assert neighbours.told[404] + neighbours.told[403] > count / 5, "foreign ids are what is refused"


async def test_a_browser_reaches_its_own_projects_alone(neighbours: Neighbours) -> None:
    theirs, platform = neighbours.theirs, neighbours.platform
    count, dice = 0, random.Random(4)
    async with browser(platform) as grace:
        who = {"email": "grace@example.org", "password": "correct horse battery staple", "name": "Grace"}
        assert (await grace.post("/auth/signup", json=who)).status_code == 201
        for attempt in attempts(neighbours.document, neighbours.mine, theirs, every=False, some=0, dice=dice):
            if not attempt.natural or "ApiKey" not in attempt.security or (not FULL and count % 2):
                count += not FULL
                continue
            for headers in ({}, {"X-Project": str(theirs.tenant.project.id)}):
                url = platform.url + attempt.path
                answer = await grace.request(
                    attempt.method, url, params=attempt.query, json=attempt.body, headers=headers
                )
                count += 1
                neighbours.judge(attempt, f"cookie {headers}", answer)
                if headers and answer.is_success:
                    neighbours.wrong.append((attempt.operation, "a foreign project was opened", answer.text[:200]))
    neighbours.look("a browser")
    tried(LINE, count, len(neighbours.wrong))
    assert neighbours.wrong == [], "\n".join(map(str, neighbours.wrong[:40]))


async def test_sockets_and_links_open_what_they_were_made_for(neighbours: Neighbours) -> None:
    platform, mine, theirs = neighbours.platform, neighbours.mine, neighbours.theirs
    count, wrong, http = 0, neighbours.wrong, httpx2.AsyncClient(base_url=platform.url, timeout=30)
    platform.clients.append(http)
    async with monitor(platform, mine.tenant.key) as socket:
        for kind, value in theirs.foreign().items():
            for channel in (f"room:{value}", value, f"sessions:{value}", f"calls:{value}"):
                await socket.send(json.dumps({"action": "subscribe", "channel": channel, "after": 0}))
                answer = json.loads(await socket.recv())
                count += 1
                own = answer["type"] == "subscribed" and not value.startswith(f"{theirs.slug}_")
                if (answer["type"] != "error" and not own) or theirs.mark in json.dumps(answer).lower():
                    wrong.append((kind, channel, answer))
                if own:
                    await socket.send(json.dumps({"action": "unsubscribe", "channel": channel}))
                    while answer["type"] != "unsubscribed":
                        answer = json.loads(await socket.recv())
                        wrong += [answer] * (theirs.mark in json.dumps(answer).lower())
        heard = ""
        for channel in ("calls", "sessions", "rooms"):
            await socket.send(json.dumps({"action": "subscribe", "channel": channel, "after": 0}))
        async with asyncio.timeout(60):
            while "bravo_hall" not in heard:  # the log holds an event of each in its room
                heard += str(await socket.recv())
        wrong += [heard] * ("alpha" in heard)
        count += 3
    signer, later = platform.app.state.links, platform.app.state.clock.now() + timedelta(hours=1)
    mine_signed = signer.sign(mine.tenant.project.id, mine.ids["recording"], expires_at=later)
    crossed = signer.sign(mine.tenant.project.id, theirs.ids["recording"], expires_at=later)
    for signature in (mine_signed, crossed, SHARE.format(slug="bravo"), ""):
        for name in (f"/streams/{signature}/{theirs.ids['recording']}/index.m3u8", _file(theirs, signature)):
            answer = await http.get(name)
            count += 1
            wrong += [(name, answer.status_code, answer.text[:200])] * (answer.status_code not in REFUSALS)
    origins = [f"https://{slug}.example.org" for slug in ("alpha", "bravo")]
    for key, origin in ((EMBED.format(slug="bravo"), origins[0]), (EMBED.format(slug="alpha"), origins[1])):
        for method, path in (("GET", "config"), ("POST", "token")):
            headers = {"X-Embed-Key": key, "Origin": origin}
            answer = await http.request(method, f"/api/v1/embed/{path}", headers=headers, json=VISITOR)
            count += 1
            wrong += [(key, origin, answer.status_code)] * (answer.status_code != 403)
    shown = await http.get("/api/v1/shared/replay", headers={"Authorization": f"Bearer {SHARE.format(slug='bravo')}"})
    wrong += [("a share", shown.text)] * (shown.status_code != 200 or theirs.mark in shown.text.lower())
    count += 1 + await _joins(neighbours) + await _reports(neighbours)
    neighbours.look("sockets and links")
    tried(SURFACES, count, len(wrong))
    assert wrong == [], "\n".join(map(str, wrong[:20]))


VISITOR: Final = {"visitor": "visitor-0001", "mode": "voice"}


def _file(theirs: Estate, signature: str) -> str:
    return f"/api/v1/recordings/{theirs.ids['recording']}/file?signature={signature}&token={signature}"


async def _joins(neighbours: Neighbours) -> int:
    """With tokens of one's own to their meeting."""
    mine, theirs = neighbours.mine.tenant, neighbours.theirs
    token_of_mine = (await mine.http.post("/token", json={"identity": "eve", "room": "r", "no_agent": True})).json()
    people = await meet_people(mine)
    shown = (
        {"token": token_of_mine["token"]},
        {"adminToken": people["adminToken"], "admin": True},
        {"adminToken": mine.key},
        {"token": mine.key},
    )
    for more in shown:
        async with a_bot(neighbours.platform.url) as bot:
            await bot.socket.emit("join-meeting", {"meetingId": f"code-of-{theirs.slug}", "name": "Eve", **more})
            await bot.until_any()
            if bot.heard[0][0] != "join-error":
                neighbours.wrong.append(("a meeting", more, bot.heard))
    return len(shown)


async def _reports(neighbours: Neighbours) -> int:
    """Of their session, with the capability of one's own."""
    mine, theirs, sequence = neighbours.mine, neighbours.theirs, 0
    line = {"type": "line.spoken.v1", "speaker": "user", "identity": "eve", "timestamp_ms": 1, "content": "smuggled"}
    async with worker(neighbours.platform) as at:
        told = await at.exchange(await ticket_of(mine.tenant), room="bravo_r")
        job = PersonaJob.model_validate(told["job"])
        for number in (theirs.ids["session"], theirs.ids["persona"]):
            for epoch in (job.epoch, 1):
                sequence += 1
                changed = job.model_copy(update={"session_id": number, "epoch": epoch})
                verdict = await at.report(changed, sequence, **line)
                if verdict.get("refused") is None:
                    neighbours.wrong.append(("a report", verdict))
    return sequence
