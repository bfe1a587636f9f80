"""Three tenants do whatever comes, in any order: each has what it made; what the others have is out of its reach."""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import anyio.to_thread
import httpx2
import jwt
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from websockets.sync.client import ClientConnection, connect

from tests.support.platform import Platform
from tests.support.tried import FULL, sample, tried

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(1800 if FULL else 120)]

SLUGS: Final = ("one", "two", "three")
BODIES: Final[dict[str, dict[str, Any]]] = {
    "agents": {"name": "Ada"},
    "knowledge-bases": {"name": "FAQ"},
    "scenarios": {"name": "Pitch"},
    "webhooks": {"url": "http://127.0.0.1:9/hook", "events": ["session.started"]},
    "embed-keys": {"address_calls_per_hour": 1000, "visitor_calls_per_hour": 100},
}
OF_AN_AGENT: Final = ("scenarios", "embed-keys")
CHANGES: Final = {"webhooks": {"description": "changed"}, "embed-keys": {"label": "changed"}}
MOST: Final = 12
"""Of each kind, so that there is something to find and no plan's limit is reached."""
WHO = st.integers(0, 2)
KIND = st.sampled_from(sorted(BODIES))
PICK = st.integers(0, 1000)
ROOM = st.sampled_from(["r", *(f"{slug}_r" for slug in SLUGS)])
REFUSED: Final = (403, 404)


@dataclass
class Site:
    """The platform as the three of them see it."""

    clients: list[httpx2.Client]
    sockets: list[ClientConnection]
    visitors: httpx2.Client


class Tenants(RuleBasedStateMachine):
    """Who owns what, and whether the platform agrees."""

    site: ClassVar[Site]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.owners: dict[str, dict[int, int]] = {kind: {} for kind in BODIES}
        """Of each kind: ids and who has them."""
        self.keys: dict[int, str] = {}
        """Of embed keys: what pages show."""

    def teardown(self) -> None:
        """What was made is removed: agents last, which others need."""
        for kind in sorted(BODIES, reverse=True):
            for number, who in self.owners[kind].items():
                self.site.clients[who].delete(f"/{kind}/{number}")

    def _some(self, kind: str, pick: int) -> int | None:
        known = sorted(self.owners[kind])
        return known[pick % len(known)] if known else None

    def _ask(self, who: int, method: str, path: str, **more: Any) -> httpx2.Response:
        type(self).steps += 1
        return self.site.clients[who].request(method, path, **more)

    @rule(who=WHO, kind=KIND, pick=PICK)
    def make(self, who: int, kind: str, pick: int) -> None:
        """Somebody makes something, of an agent perhaps that is another's."""
        if len(self.owners[kind]) >= MOST:
            return
        body, mine = dict(BODIES[kind]), True
        if kind in OF_AN_AGENT:
            agent = self._some("agents", pick)
            if agent is None:
                return
            mine = self.owners["agents"][agent] == who
            body["agent_id"] = agent
        if kind == "embed-keys":
            body["origins"] = [f"https://{SLUGS[who]}.example.org"]
        answer = self._ask(who, "POST", f"/{kind}", json=body)
        assert answer.status_code == 201 if mine else answer.status_code in REFUSED, (kind, answer.text)
        if mine:
            made = next(part for part in answer.json().values() if isinstance(part, dict))
            self.owners[kind][made["id"]] = who
            if kind == "embed-keys":
                self.keys[made["id"]] = made["key"]

    @rule(who=WHO, kind=KIND, pick=PICK)
    def read(self, who: int, kind: str, pick: int) -> None:
        """Somebody reads one of all there are."""
        if (number := self._some(kind, pick)) is not None:
            answer = self._ask(who, "GET", f"/{kind}/{number}")
            mine = self.owners[kind][number] == who
            assert answer.status_code == 200 if mine else answer.status_code in REFUSED, (kind, answer.text)

    @rule(who=WHO, kind=KIND, pick=PICK)
    def change(self, who: int, kind: str, pick: int) -> None:
        """Somebody changes one of all there are."""
        if (number := self._some(kind, pick)) is not None:
            answer = self._ask(who, "PATCH", f"/{kind}/{number}", json=CHANGES.get(kind, {"name": f"by {who}"}))
            mine = self.owners[kind][number] == who
            assert answer.is_success if mine else answer.status_code in REFUSED, (kind, answer.text)

    @rule(who=WHO, kind=KIND, pick=PICK)
    def remove(self, who: int, kind: str, pick: int) -> None:
        """Somebody removes one of all there are; an agent only once nothing needs it."""
        number = self._some(kind, pick)
        if number is None or (kind == "agents" and self._is_needed(self.owners[kind][number])):
            return
        answer = self._ask(who, "DELETE", f"/{kind}/{number}")
        if self.owners[kind][number] != who:
            assert answer.status_code in REFUSED, (kind, answer.text)
        else:
            assert answer.is_success, (kind, answer.text)
            del self.owners[kind][number]

    def _is_needed(self, owner: int) -> bool:
        return any(owner in self.owners[kind].values() for kind in OF_AN_AGENT)

    @rule(who=WHO, kind=KIND)
    def look(self, who: int, kind: str) -> None:
        """Each sees what it has, and nothing else."""
        answer = self._ask(who, "GET", f"/{kind}", params={"per_page": 100} if kind == "scenarios" else {})
        assert answer.status_code == 200, answer.text
        listed = next(part for part in answer.json().values() if isinstance(part, list))
        mine = sorted(number for number, owner in self.owners[kind].items() if owner == who)
        assert sorted(each["id"] for each in listed) == mine, kind

    @rule(who=WHO, pick=PICK, room=ROOM)
    def join(self, who: int, pick: int, room: str) -> None:
        """Somebody asks for a token, perhaps into another's room, perhaps with another's agent."""
        body = {"identity": "u", "room": room, "no_agent": True}
        number = self._some("agents", pick)
        if number is not None and pick % 2:
            body = {"identity": "u", "room": room, "agent_config_id": number}
        answer = self._ask(who, "POST", "/token", json=body)
        foreign = room != "r" and not room.startswith(f"{SLUGS[who]}_")
        strange = "agent_config_id" in body and self.owners["agents"][int(str(number))] != who
        if foreign or strange:
            assert answer.status_code in REFUSED, answer.text
        else:
            assert answer.status_code == 200, answer.text
            assert _room_of(answer.json()["token"]).startswith(f"{SLUGS[who]}_")

    @rule(who=WHO, room=ROOM)
    def watch(self, who: int, room: str) -> None:
        """Somebody has what happens in a room told to them, perhaps in another's."""
        type(self).steps += 1
        socket = self.site.sockets[who]
        socket.send(json.dumps({"action": "subscribe", "channel": f"room:{room}", "after": 0}))
        foreign = room != "r" and not room.startswith(f"{SLUGS[who]}_")
        kind, heard = "", list[str]()
        while kind not in ("subscribed", "error"):
            heard.append(str(socket.recv(20)))
            kind = json.loads(heard[-1])["type"]
        assert kind == ("error" if foreign else "subscribed"), heard
        if not foreign:
            socket.send(json.dumps({"action": "unsubscribe", "channel": f"room:{room}"}))
            while json.loads(heard[-1])["type"] != "unsubscribed":
                heard.append(str(socket.recv(20)))
            strangers = [slug for slug in SLUGS if slug != SLUGS[who]]
            assert not any(f"{slug}_" in message for slug in strangers for message in heard), heard

    @rule(whose=WHO, pick=PICK, talks=st.booleans())
    def visit(self, whose: int, pick: int, talks: bool) -> None:
        """A visitor of somebody's page, which shows a key, perhaps another's."""
        if (number := self._some("embed-keys", pick)) is None:
            return
        type(self).steps += 1
        owner = self.owners["embed-keys"][number]
        headers = {"X-Embed-Key": self.keys[number], "Origin": f"https://{SLUGS[whose]}.example.org"}
        if talks:
            body = {"visitor": f"visitor-{pick:04}", "mode": "voice"}
            answer = self.site.visitors.post("/embed/token", headers=headers, json=body)
        else:
            answer = self.site.visitors.get("/embed/config", headers=headers)
        if whose != owner:
            assert answer.status_code == 403, answer.text
        elif answer.status_code != 429:  # so many calls an hour
            assert answer.status_code == 200, answer.text
            assert not talks or _room_of(answer.json()["token"]).startswith(f"{SLUGS[owner]}_")


def _room_of(token: str) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    return str(claims["video"]["room"])


async def test_three_tenants_have_what_they_made_whatever_they_do(platform: Platform) -> None:
    await platform.add_worker(1_000_000)
    tenants = [await platform.tenant(slug, plan="enterprise") for slug in SLUGS]
    wanted = settings(
        max_examples=sample(200, 4),
        stateful_step_count=sample(60, 30),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    address, socket = f"{platform.url}/api/v1", platform.url.replace("http", "ws")
    Tenants.steps = 0

    def play() -> None:
        with ExitStack() as stack:
            keys = [{"X-API-Key": each.key} for each in tenants]
            clients = [
                stack.enter_context(httpx2.Client(base_url=address, headers=key, timeout=30)) for key in (*keys, {})
            ]
            sockets = [
                stack.enter_context(connect(f"{socket}/ws/monitor?api_key={each.key}", proxy=None)) for each in tenants
            ]
            Tenants.site = Site(clients[:3], sockets, clients[3])
            run_state_machine_as_test(Tenants, settings=wanted)

    violations = 1
    try:
        await anyio.to_thread.run_sync(play)  # the platform is served by this test's own loop meanwhile
        violations = 0
    finally:
        tried("tenants: steps of the state machine", Tenants.steps, violations)
    assert Tenants.steps >= sample(5000, 60)
