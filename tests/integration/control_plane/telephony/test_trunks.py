"""Trunks of which LiveKit takes a part: what it has is known, and what it has not is told again."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select, update

from control_plane.clock import Clock
from control_plane.gate.models import IdempotentRequest
from control_plane.telephony.models import SipTrunk
from control_plane.telephony.sync import repair_trunks
from sip.dialer import Carrier, Line, SipAwayError
from tests.support.calls import LINE, TRUNK
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio


async def trunks(platform: Platform) -> list[SipTrunk]:
    async with platform.database.platform() as db:
        return list((await db.exec(select(SipTrunk).order_by(col(SipTrunk.id)))).all())


async def test_the_repair_keeps_what_livekit_gave_before_it_went_away(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    old: dict[str, Any] = {"created_at": Clock().now() - timedelta(minutes=1), "project_id": tenant.project.id}
    await platform.add(*(SipTrunk(name=n, phone_number=f"+1800123456{n}", address="a.example", **old) for n in "89"))
    opened = platform.dialer.open_inbound
    away = True

    async def open_inbound(carrier: Carrier, trunk_id: str | None) -> str:
        if away and carrier.name == "9":
            raise SipAwayError("LiveKit cannot be reached")
        return await opened(carrier, trunk_id)

    monkeypatch.setattr(platform.dialer, "open_inbound", open_inbound)
    with pytest.raises(SipAwayError):
        await repair_trunks(platform.database, platform.app.state.trunks)
    _, whole, half = await trunks(platform)
    assert whole.synced_at is not None
    assert (half.outbound_trunk_id, half.inbound_trunk_id, half.synced_at) != (None, None, None)
    assert half.outbound_trunk_id is not None
    away = False
    assert await repair_trunks(platform.database, platform.app.state.trunks) == 1
    _, _, repaired = await trunks(platform)
    assert (repaired.outbound_trunk_id, repaired.synced_at is None) == (half.outbound_trunk_id, False)


async def test_a_configuration_that_livekit_takes_for_one_of_its_trunks_alone_is_taken_back(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = "+18001234568"
    assert (await tenant.http.post("/sip/trunks", json=TRUNK | {"phone_number": second})).status_code == 201
    agent = (await tenant.http.get("/agents")).json()["agents"][0]["id"]
    body = {"name": "Inbound", "phone_number": LINE, "agent_config_id": agent}
    config = (await tenant.http.post("/sip/configs", json=body)).json()["config"]
    told = platform.dialer.open_rule

    async def open_rule(carrier: Carrier, line: Line, inbound_id: str, rule_id: str | None) -> str:
        if carrier.number == second:
            raise SipAwayError("LiveKit cannot be reached")
        return await told(carrier, line, inbound_id, rule_id)

    monkeypatch.setattr(platform.dialer, "open_rule", open_rule)
    moved = await tenant.http.patch(f"/sip/configs/{config['id']}", json={"phone_number": second})
    assert moved.status_code == 503
    assert (await tenant.http.get("/sip/configs")).json() == {"configs": [config]}
    assert [trunk.synced_at for trunk in await trunks(platform)] == [None, None]
    async with platform.database.platform() as db:
        for trunk in (await db.exec(select(SipTrunk))).all():
            trunk.created_at -= timedelta(minutes=1)
    assert await repair_trunks(platform.database, platform.app.state.trunks) == 2
    rules = [call[1].number for call in platform.dialer.calls if call[0] == "open_rule"]
    assert rules[-1] == LINE


async def test_a_change_that_livekit_does_not_take_undoes_its_own_fields_alone(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    (before,) = await trunks(platform)

    async def open_inbound(carrier: Carrier, trunk_id: str | None) -> str:
        raise SipAwayError("LiveKit cannot be reached")

    async def open_trunk(carrier: Carrier, trunk_id: str | None) -> str:
        return "ST_made_again"  # LiveKit had lost it

    monkeypatch.setattr(platform.dialer, "open_trunk", open_trunk)
    monkeypatch.setattr(platform.dialer, "open_inbound", open_inbound)
    change = {"name": "Other", "password": "hunter2hunter2", "calls_per_second": 5}
    assert (await tenant.http.patch(f"/sip/trunks/{before.id}", json=change)).status_code == 503
    (after,) = await trunks(platform)
    kept = {"outbound_trunk_id": "ST_made_again", "synced_at": None}
    assert after.model_dump() == before.model_dump() | kept


async def test_a_trunk_says_how_many_calls_a_second_its_carrier_takes(platform: Platform, tenant: Tenant) -> None:
    (trunk,) = await trunks(platform)
    assert trunk.calls_per_second == 1
    url = f"/sip/trunks/{trunk.id}"
    assert (await tenant.http.patch(url, json={"calls_per_second": 12.5})).status_code == 200
    for wrong in (0, 0.05, 51, "many", None):
        assert (await tenant.http.patch(url, json={"calls_per_second": wrong})).status_code == 400
    (trunk,) = await trunks(platform)
    assert trunk.calls_per_second == 12.5
    made = TRUNK | {"phone_number": "+18001234568", "calls_per_second": 50}
    assert (await tenant.http.post("/sip/trunks", json=made)).status_code == 201
    assert (await trunks(platform))[1].calls_per_second == 50


async def test_what_livekit_has_lost_is_told_again_and_what_it_has_is_not(platform: Platform, tenant: Tenant) -> None:
    sync, dialer = platform.app.state.trunks, platform.dialer
    agent = (await tenant.http.get("/agents")).json()["agents"][0]["id"]
    body = {"name": "Inbound", "phone_number": LINE, "agent_config_id": agent}
    assert (await tenant.http.post("/sip/configs", json=body)).status_code == 201
    second = TRUNK | {"phone_number": "+18001234568"}
    assert (await tenant.http.post("/sip/trunks", json=second)).status_code == 201
    told = len(dialer.calls)
    for passes in (1, 2):
        assert await repair_trunks(platform.database, sync) == 0
        assert (dialer.listed, len(dialer.calls)) == (passes, told)
    before = await trunks(platform)

    dialer.forget()
    assert await repair_trunks(platform.database, sync) == 2
    said = ["open_trunk", "open_inbound", "open_rule", "open_trunk", "open_inbound"]
    assert [call[0] for call in dialer.calls[told:]] == said
    after = await trunks(platform)
    for was, now in zip(before, after, strict=True):
        ids = {now.outbound_trunk_id, now.inbound_trunk_id, now.dispatch_rule_id} - {None}
        assert ids <= dialer.known
        assert not ids & {was.outbound_trunk_id, was.inbound_trunk_id, was.dispatch_rule_id}
        assert now.synced_at is not None
    assert after[0].dispatch_rule_id is not None
    assert await repair_trunks(platform.database, sync) == 0

    dialer.known.discard(after[0].dispatch_rule_id)
    dialer.numbers[LINE] = "somebody else"
    assert await repair_trunks(platform.database, sync) == 1
    assert await repair_trunks(platform.database, sync) == 0, "what is refused is not told for ever"


async def test_livekit_is_asked_nothing_where_it_has_nothing_of_ours(platform: Platform) -> None:
    assert await repair_trunks(platform.database, platform.app.state.trunks) == 0
    assert platform.dialer.listed == 0


async def test_a_trunk_is_read_back_without_its_password(platform: Platform, tenant: Tenant) -> None:
    (listed,) = (await tenant.http.get("/sip/trunks")).json()["trunks"]
    url = f"/sip/trunks/{listed['id']}"
    change = {"address": "sip.example.org:15060", "transport": "tls", "username": "me", "calls_per_second": 5}
    assert (await tenant.http.patch(url, json=change | {"allowed_addresses": ["192.0.2.0/24"]})).status_code == 200
    shown = listed | change | {"allowed_addresses": ["192.0.2.0/24"], "has_password": False}
    assert (await tenant.http.get(url)).json() == {"trunk": shown}
    assert (await tenant.http.patch(url, json={"password": "hunter2hunter2"})).status_code == 200
    read = await tenant.http.get(url)
    assert read.json()["trunk"]["has_password"] is True
    assert "hunter2" not in read.text
    other = await platform.tenant("other")
    assert (await other.http.get(url)).status_code == 403
    assert (await tenant.http.get("/sip/trunks/999999")).status_code == 404


SECOND = TRUNK | {"phone_number": "+18001234568"}


async def listed(tenant: Tenant, number: str) -> list[int]:
    """The trunks of a number, as their customer sees them."""
    trunks = (await tenant.http.get("/sip/trunks")).json()["trunks"]
    return [trunk["id"] for trunk in trunks if trunk["phone_number"] == number]


async def test_a_request_whose_process_died_after_livekit_had_the_trunk_is_gone_on_with(
    platform: Platform, tenant: Tenant
) -> None:
    key = {"Idempotency-Key": "once"}
    assert (await tenant.http.post("/sip/trunks", json=SECOND, headers=key)).status_code == 201
    async with platform.database.platform() as db:  # as it is where the last commit never came
        given = {"outbound_trunk_id": None, "inbound_trunk_id": None, "synced_at": None}
        await db.exec(update(SipTrunk).where(col(SipTrunk.phone_number) == SECOND["phone_number"]).values(given))
        unanswered = {"status": None, "sealed_body": None, "lease_until": Clock().now() - timedelta(seconds=1)}
        await db.exec(update(IdempotentRequest).values(unanswered))
    again = await tenant.http.post("/sip/trunks", json=SECOND, headers=key)
    assert again.status_code == 201, again.text
    assert await listed(tenant, SECOND["phone_number"]) == [again.json()["trunk"]["id"]]


async def test_what_livekit_made_without_our_hearing_of_it_is_in_nobodys_way(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = platform.dialer.open_inbound

    async def open_inbound(carrier: Carrier, trunk_id: str | None) -> str:
        await opened(carrier, trunk_id)
        raise SipAwayError("LiveKit cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(platform.dialer, "open_inbound", open_inbound)
        assert (await tenant.http.post("/sip/trunks", json=SECOND)).status_code == 503
    again = await tenant.http.post("/sip/trunks", json=SECOND)
    assert again.status_code == 201, again.text
    (first, second) = await trunks(platform)
    kept = {getattr(trunk, name) for trunk in (first, second) for name in ("inbound_trunk_id", "outbound_trunk_id")}
    assert platform.dialer.known == kept, "LiveKit has what rows tell of, and nothing else"


async def test_a_number_whose_change_was_lost_with_its_process_is_told_again(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = (await tenant.http.get("/agents")).json()["agents"][0]["id"]
    told = platform.dialer.open_rule

    async def open_rule(carrier: Carrier, line: Line, inbound_id: str, rule_id: str | None) -> str:
        await told(carrier, line, inbound_id, rule_id)
        raise Dead

    monkeypatch.setattr(platform.dialer, "open_rule", open_rule)
    body = {"name": "Inbound", "phone_number": LINE, "agent_config_id": agent}
    assert (await tenant.http.post("/sip/configs", json=body)).status_code == 500
    async with platform.database.platform() as db:
        await db.exec(update(SipTrunk).values(created_at=Clock().now() - timedelta(minutes=1)))
    assert await repair_trunks(platform.database, platform.app.state.trunks) == 1
    assert not [each for each in platform.dialer.known if each.startswith("SDR")], "nobody answers the number"


class Dead(Exception):
    """The process is no more: nothing is undone."""


async def test_a_configuration_says_whether_its_number_can_be_called(platform: Platform, tenant: Tenant) -> None:
    agent, number = (await tenant.http.get("/agents")).json()["agents"][0]["id"], "+18001234569"
    body = {"name": "Early", "phone_number": number, "agent_config_id": agent}
    made = (await tenant.http.post("/sip/configs", json=body)).json()["config"]
    assert made["has_trunk"] is False

    assert (await tenant.http.post("/sip/trunks", json=TRUNK | {"phone_number": number})).status_code == 201
    assert (await tenant.http.get("/sip/configs")).json() == {"configs": [made | {"has_trunk": True}]}
    changed = await tenant.http.patch(f"/sip/configs/{made['id']}", json={"name": "Late"})
    assert changed.json()["config"]["has_trunk"] is True
