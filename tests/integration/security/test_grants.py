"""Whatever a request for a token asks for, the token says no more than the list of grants allows."""

import json
import random
import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.errors import PlatformError
from control_plane.gate.strict import StrictRequest
from control_plane.sessions.slots import TicketSigner
from control_plane.tokens.identities import is_reserved
from control_plane.tokens.schemas import TokenRequest
from control_plane.tokens.service import TokenService
from control_plane.tokens.signer import TokenSigner
from tests.integration.control_plane.test_supervision import a_call
from tests.support.calls import CALLEE, TRUNK
from tests.support.grantlike import Twice, claims_of, excess, requests, smuggled, written
from tests.support.meetings import a_bot, make_scenario, meet_people
from tests.support.platform import Platform, Tenant
from tests.support.tried import sample, tried
from tests.support.uplink import worker

pytestmark = pytest.mark.anyio

KEY, SECRET = "devkey", "devsecret-devsecret-devsecret-devsecret"
SHOP = "https://shop.example.org"
JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
LONGEST = 21_600


class Admitting:
    """Stands for the database: it admits whoever asks, with one agent, and knows a project `theirs`."""

    async def begin(self) -> "Admitting":
        return self

    async def scalar(self, *_: Any) -> bool:
        return False

    async def one(self, _: str, values: dict[str, Any]) -> Any:
        status = "foreign_room" if values["foreign_slug"] == "theirs" else "admitted"
        personas = [1] if values["personas"] is None else values["personas"]
        nonces = [values["nonce"]] * len(personas)
        names = ["Ada"] * len(personas)
        return SimpleNamespace(
            status=status, culprit=None, personas=personas, names=names, nonces=nonces, room_live=False
        )


def asking(text: str) -> StrictRequest:
    """A request with this body."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": text.encode(), "more_body": False}

    return StrictRequest({"type": "http", "headers": []}, receive)


async def test_no_generated_request_makes_a_token_that_says_more_than_the_list() -> None:
    caller = Caller(project_id=1, slug="proj", account_id=1, plan="enterprise", key_id="1001")
    service = TokenService(
        Admitting(),  # type: ignore[arg-type]
        caller,
        Clock(),
        TokenSigner(KEY, SECRET),
        TicketSigner("k"),
        None,  # type: ignore[arg-type]
        ws_url="ws://x",
        slot_lifetime=timedelta(minutes=2),
        upgrade_url="",
    )
    signed = count = 0
    wrong: list[Any] = []
    for body, text in requests(12, sample(100_000, 6_000)):
        count += 1
        try:
            read = TokenRequest.model_validate(await asking(text).json())
            answer = await service.issue(read)
        except (ValidationError, PlatformError, json.JSONDecodeError):
            continue
        signed += 1
        asked = dict(body)
        room = "proj_" + str(asked["room"]).removeprefix("proj_")
        beyond = excess(claims_of(answer.token), room=room, ttl=int(asked.get("ttl_seconds", LONGEST)))
        if len(body.pairs) != len(asked):
            beyond.append("a key occurs twice")
        if beyond:
            wrong.append((text, beyond))
    tried("grants: generated objects", count, len(wrong))
    assert wrong == []
    assert count / 20 < signed < count * 0.8, "both answers are met often"


LOOKALIKES = (
    ("AGENT-1", "ａgent-1", "agent\u20111", "\u0430gent-1", "\u200bagent-1", "Sip_5", "EG_x", "eg_x", "b\u043et-1"),
    ("SUPERVISOR-1-voice", " agent-1", "p_1", "Visitor-1", "tester\uff0d1", "a\u0301gent-1", "ag\u034fent-1"),
)
PEOPLE = (
    ("user1", "Zoë", "ada@example.org", "\u0430\u0433\u0435\u043d\u0442 007", "用户-1", "egon", "support", "spirit"),
    ("agent", "agents-1", "visitor1", "pete_1", "P1_x", "botany-1"),
)


@pytest.mark.parametrize("identity", sum(LOOKALIKES, ()))
def test_what_looks_like_the_platforms_identities_is_refused(identity: str) -> None:
    assert is_reserved(identity)
    with pytest.raises(ValidationError):
        TokenRequest.model_validate({"identity": identity, "room": "r"})


@pytest.mark.parametrize("identity", sum(PEOPLE, ()))
def test_people_may_be_called_what_they_are_called(identity: str) -> None:
    assert TokenRequest.model_validate({"identity": identity, "room": "r"}).identity == identity


@pytest.mark.parametrize("hidden", ["a\u202eb", "a\u200db", "a\tb", "a\ufeff", "\u00ada"])
def test_an_identity_hides_nothing(hidden: str) -> None:
    with pytest.raises(ValidationError, match="nobody sees"):
        TokenRequest.model_validate({"identity": hidden, "room": "r"})


@pytest.mark.parametrize("name", ["parley.recorded", "lk.agent.state", "sip.callStatus", "SIP.callStatus", "ｌk.x"])
def test_attributes_of_the_platform_are_not_to_be_chosen(name: str) -> None:
    with pytest.raises(ValidationError, match="must not hold names"):
        TokenRequest.model_validate({"identity": "a", "room": "r", "attributes": {name: "yes"}})


class Surface:
    """An operation whose answer holds a token, and what such a token may say."""

    def __init__(
        self, path: str, body: dict[str, Any], room: str | None, ttl: int, *, kind: str = "standard", **headers: str
    ) -> None:
        self.path, self.body, self.room, self.ttl, self.kind, self.headers = path, body, room, ttl, kind, headers


async def surfaces(platform: Platform, tenant: Tenant, agent: int) -> list[Surface]:
    """Every operation that answers with a token."""
    key = (await tenant.http.post("/embed-keys", json={"agent_id": agent, "origins": [SHOP], **EASY})).json()
    shown = {"X-Embed-Key": key["embed_key"]["key"], "Origin": SHOP}
    scenario = (await make_scenario(tenant))["id"]
    assert (await tenant.http.post("/sip/trunks", json=TRUNK)).status_code == 201
    day, minutes = 24 * 3600, 120
    return [
        Surface("/token", {"identity": "u", "room": "r"}, "proj_r", LONGEST),
        Surface("/embed/token", {"visitor": "visitor-0001", "mode": "voice"}, None, minutes, **shown),
        Surface(f"/agents/{agent}/try", {"mode": "voice"}, None, minutes),
        Surface("/meetings", {"name": "Ada", "scenario_id": scenario}, None, day),
        Surface("/meetings/dynamic", {"name": "Ada", "email": "a@x.example", "scenario_id": scenario}, None, day),
        Surface("/rooms/r/supervise", {"mode": "barge"}, "proj_r", LONGEST, kind="agent"),
        Surface("/sip/dial", {"phone_number": CALLEE}, None, LONGEST),
    ]


EASY = {"visitor_calls_per_hour": 1000, "address_calls_per_hour": 1000, "calls_at_once": 1000}


def disturbed(body: dict[str, Any], dice: random.Random) -> Twice:
    """A good body with one to three fields more, at its top or below `grants`, and now and then one twice."""
    pairs = list(body.items())
    for _ in range(dice.randrange(1, 4)):
        name, value = smuggled(dice)
        place = (
            (name, value) if dice.random() < 0.6 else (dice.choice(("grants", "controls", "settings")), {name: value})
        )
        pairs.insert(dice.randrange(len(pairs) + 1), place)
    if dice.random() < 0.15:
        pairs.append(dice.choice(pairs))
    return Twice(pairs)


async def test_no_surface_signs_more_than_its_own_tokens(platform: Platform) -> None:
    tenant = await platform.tenant(plan="enterprise")
    await platform.add_worker(100_000)
    await platform.tenant("theirs")
    agent = await tenant.make_agent()
    dice, count, signed = random.Random(5), 0, dict[str, int]()
    wrong: list[Any] = []
    async with worker(platform) as at:
        await a_call(platform, tenant, at)
        for surface in await surfaces(platform, tenant, agent):
            for number in range(sample(150, 12)):
                body = surface.body if number == 0 else disturbed(surface.body, dice)
                headers = {"Content-Type": "application/json", **surface.headers}
                answer = await tenant.http.post(surface.path, content=written(body), headers=headers)
                count += 1
                assert answer.status_code < 500, (surface.path, written(body), answer.text)
                for token in JWT.findall(answer.text):
                    claims = claims_of(token)
                    room = surface.room or claims["video"]["room"]
                    beyond = excess(claims, room=room, ttl=surface.ttl, kind=surface.kind, own_identity=True)
                    beyond += [] if room.startswith("proj_") else [f"room {room}"]
                    if beyond:
                        wrong.append((surface.path, written(body), beyond))
                    signed[surface.path] = signed.get(surface.path, 0) + 1
        assert len(signed) == 7, signed
    tried("grants: over HTTP, on every surface", count, len(wrong))
    assert wrong == []


async def test_a_socket_of_a_meeting_gives_out_tokens_for_that_meeting_alone(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await meet_people(tenant)
    dice, wrong, signed = random.Random(7), list[Any](), 0
    count = sample(60, 6)
    for number in range(count):
        extra = dict(smuggled(dice) for _ in range(number and 3))
        async with a_bot(platform.url) as bot:
            asked = {"meetingId": made["meetingId"], "name": "Ada"} | extra
            await bot.socket.emit("join-meeting", asked)
            await bot.until_any()
            for token in JWT.findall(json.dumps(bot.heard)):
                signed += 1
                room = f"proj_{made['meetingId']}"
                wrong += excess(claims_of(token), room=room, ttl=24 * 3600, own_identity=True)
    tried("grants: over HTTP, on every surface", count, len(wrong))
    assert signed
    assert wrong == []
