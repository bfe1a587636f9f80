"""Which trunks there may be outside development: nobody calls on another's bill, and no stranger calls in."""

from contextlib import suppress
from typing import Any

import pytest
from sqlmodel import select

from control_plane.bots.addresses import Line
from control_plane.bots.dialling import dial as dial_meeting
from control_plane.bots.models import Bot
from control_plane.clock import Clock
from control_plane.meetings.attending import CannotJoin
from control_plane.sessions.models import Session
from control_plane.settings import read_carriers
from control_plane.telephony.carriers import TrunkRules
from control_plane.telephony.models import SipTrunk
from control_plane.telephony.numbers import find_callee, host_of
from control_plane.telephony.placing import CallPlacer
from guard.addresses import parse_networks
from guard.outbound import Outbound
from tests.support.calls import asked_for, call_of, dial
from tests.support.platform import Platform, Tenant
from tests.support.spellings import Names

pytestmark = pytest.mark.anyio

OPEN = {"name": "Line", "phone_number": "+18001234599", "address": "127.0.0.1:5060"}
WHOLE = OPEN | {"password": "secret", "allowed_addresses": ["192.0.2.0/24"]}


def production(platform: Platform, trusting: str = "") -> None:
    """From now on nothing is for development."""
    settings: dict[str, Any] = {"environment": "production", "trunks_without_password": trusting}
    platform.app.state.settings = platform.settings.model_copy(update=settings)


async def create(tenant: Tenant, **body: object) -> tuple[int, str]:
    """The status, and the field that is wrong, or the rule."""
    answer = await tenant.http.post("/sip/trunks", json=body)
    details = answer.json().get("details", {})
    return answer.status_code, details["fields"][0]["field"] if "fields" in details else details.get("rule", "")


async def networks(tenant: Tenant, trunk_id: int) -> list[str]:
    return list((await tenant.http.get(f"/sip/trunks/{trunk_id}")).json()["trunk"]["allowed_addresses"])


async def test_a_trunk_shows_a_password_unless_the_operator_names_its_host(platform: Platform, tenant: Tenant) -> None:
    production(platform)
    assert await create(tenant, **OPEN) == (400, "password")
    assert await create(tenant, **OPEN, password="") == (400, "password")
    assert await create(tenant, **WHOLE) == (201, "")
    production(platform, "sip.example.com, 127.0.0.1")
    assert await create(tenant, **OPEN | {"phone_number": "+18001234598"}) == (201, "")


async def test_a_password_is_not_taken_away_later(platform: Platform, tenant: Tenant) -> None:
    production(platform)
    made = (await tenant.http.post("/sip/trunks", json=WHOLE)).json()["trunk"]["id"]
    path = f"/sip/trunks/{made}"
    refused = await tenant.http.patch(path, json={"password": ""})
    assert (refused.status_code, refused.json()["details"]["fields"][0]["field"]) == (400, "password")
    assert "PARLEY_TRUNKS_WITHOUT_PASSWORD" in refused.json()["error"]
    assert (await tenant.http.get(path)).json()["trunk"]["has_password"] is True
    assert (await tenant.http.patch(path, json={"name": "Other"})).status_code == 200


async def test_a_host_that_knows_this_machine_is_called_by_the_projects_that_are_named(
    platform: Platform, tenant: Tenant
) -> None:
    other = await platform.tenant("other")
    production(platform, "127.0.0.1=proj")
    assert await create(tenant, **OPEN) == (201, "")
    assert await create(other, **WHOLE) == (403, "carriers"), "a password proves nothing to such a host"
    assert await create(other, **WHOLE | {"address": "localhost:5060"}) == (403, "carriers"), "by another name"
    elsewhere = WHOLE | {"address": "127.0.0.2", "phone_number": "+18001234500"}
    made = (await other.http.post("/sip/trunks", json=elsewhere)).json()["trunk"]["id"]
    moved = await other.http.patch(f"/sip/trunks/{made}", json={"address": "127.0.0.1"})
    assert (moved.status_code, moved.json()["details"]) == (403, {"rule": "carriers"})


async def test_nobody_calls_in_but_from_the_carriers_networks(platform: Platform, tenant: Tenant) -> None:
    production(platform)
    made = await tenant.http.post("/sip/trunks", json=OPEN | {"password": "secret"})
    trunk_id = made.json()["trunk"]["id"]
    assert await networks(tenant, trunk_id) == ["127.0.0.1"], "the addresses of its host, where none were given"
    told = [call[1].allowed_addresses for call in platform.dialer.calls if call[0] == "open_inbound"]
    assert told[-1] == ("127.0.0.1",)
    path = f"/sip/trunks/{trunk_id}"
    assert (await tenant.http.patch(path, json={"allowed_addresses": ["192.0.2.0/24"]})).status_code == 200
    assert (await tenant.http.patch(path, json={"allowed_addresses": []})).status_code == 200
    assert await networks(tenant, trunk_id) == ["127.0.0.1"]
    nowhere = OPEN | {"password": "secret", "address": "10.0.0.7", "phone_number": "+18001234597"}
    assert await create(tenant, **nowhere) == (400, "allowed_addresses"), "nothing is known of a closed network"
    assert await create(tenant, **nowhere, allowed_addresses=["10.0.0.0/24"]) == (201, "")


async def test_for_development_a_trunk_may_be_as_it_likes(platform: Platform, tenant: Tenant) -> None:
    answer = await tenant.http.post("/sip/trunks", json=OPEN)
    assert answer.status_code == 201
    assert await networks(tenant, answer.json()["trunk"]["id"]) == []


def test_the_operators_hosts_are_read_as_they_are_written() -> None:
    read = read_carriers(" sip.Example.com, sip.example.org=acme,sip.example.org=other,")
    assert read == {"sip.example.com": frozenset(), "sip.example.org": frozenset({"acme", "other"})}
    for wrong in ("sip.example.com=", "=acme", "a b", "sip:host"):
        with pytest.raises(ValueError, match="must be hosts"):
            read_carriers(wrong)


def test_the_host_of_a_meetings_line_is_known_however_it_is_written() -> None:
    hosts = {"sip:room@Host.Example:5080": "host.example", "sips:a@h.": "h", "tel:+18005550100": "", "+18005550100": ""}
    assert {address: host_of(find_callee(address, (), ()).host) for address in hosts} == hosts


@pytest.mark.parametrize(
    ("address", "leads_to", "is_called"),
    [
        ("sip:room@alias.example", ["192.0.2.9"], False),
        ("sip:+18005550100@alias.example", ["192.0.2.9"], False),
        ("sip:room@192.0.2.9", [], False),
        ("sip:+18005550100@trusting.example", ["192.0.2.9"], False),
        ("sip:room@trusting.example.:5060", ["192.0.2.9"], False),
        ("sip:room@alias.example", ["192.0.2.10"], True),
    ],
)
async def test_no_bot_calls_by_a_carrier_of_others_under_another_name(
    platform: Platform, tenant: Tenant, address: str, leads_to: list[str], is_called: bool
) -> None:
    bot = await a_bot(platform, tenant)
    async with platform.database.platform() as db:
        known = (await db.exec(select(Bot).where(Bot.id == bot.id).with_for_update())).one()
        with suppress(CannotJoin):
            await dial_meeting(db, Clock(), known, Line(address), RULES)
    await place_all(platform, leads_to)
    assert await asked_for(platform, "call") == is_called


@pytest.mark.parametrize(("leads_to", "is_called"), [(["192.0.2.9"], False), (["192.0.2.10"], True)])
async def test_a_trunk_whose_name_leads_to_a_carrier_of_others_by_now_calls_nobody(
    platform: Platform, tenant: Tenant, leads_to: list[str], is_called: bool
) -> None:
    line: dict[str, Any] = {"phone_number": "+18001234500", "address": "alias.example", "outbound_trunk_id": "ST_7"}
    await platform.add(SipTrunk(project_id=tenant.project.id, name="Moved", **line))
    placed = await dial(tenant, caller_id="+18001234500")
    await place_all(platform, leads_to)
    assert await asked_for(platform, "call") == is_called
    assert (await call_of(tenant, placed["id"]))["status"] == ("answered" if is_called else "failed")


RULES = TrunkRules(trusting={host: frozenset({"other"}) for host in ("closed.example", "trusting.example")})


async def a_bot(platform: Platform, tenant: Tenant) -> Bot:
    now = Clock().now()
    mine: dict[str, Any] = {"project_id": tenant.project.id, "room_name": "proj_bot"}
    session = Session(**mine, status="active", started_at=now)
    await platform.add(session)
    mine |= {"key_id": "k", "bot_name": "Notetaker", "meeting_url": "", "session_id": session.id}
    bot = Bot(**mine, due_at=now, created_at=now)
    await platform.add(bot)
    return bot


async def place_all(platform: Platform, alias_leads_to: list[str]) -> None:
    """Place what waits, where `alias.example` leads to these addresses."""
    names = Names(
        closed_example=[["10.0.0.1"]], trusting_example=[["192.0.2.9"]], alias_example=[alias_leads_to or ["192.0.2.1"]]
    )
    platform.dialer.picked_up.set()
    async with Outbound(parse_networks("192.0.2.0/24"), resolver=names) as outbound:
        placer = CallPlacer(platform.database, Clock(), platform.media, platform.dialer, outbound, RULES)
        for call_id in await placer.claim():
            await placer.place(call_id)
