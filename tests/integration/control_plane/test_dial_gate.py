"""The right-to-call gate: a project's policy, and what it lets through."""

import asyncio
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from agents.calling import DispatchMetadata
from agents.contract import Exchange
from control_plane.clock import Clock
from control_plane.errors import Forbidden
from control_plane.metering import prices
from control_plane.plans.catalogue import plans
from control_plane.telephony.gate import Wish, demand_right_to_call
from control_plane.telephony.models import Call
from control_plane.telephony.policy import Limits
from control_plane.telephony.settling import phone_left
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

CALLEE, LINE = "+17751234567", "+18001234567"
TRUNK = {"name": "Main Trunk", "phone_number": LINE, "address": "sip.example.org:5060"}
LIMITS = {"concurrent": 3, "calls_per_day": 100, "minutes_per_day": 600, "usd_per_day": 25.5}
UNLIMITED: dict[str, int | None] = dict.fromkeys(each.name for each in fields(Limits))
POLICY = {
    "countries": ["US", "GB"],
    "quiet_hours": {"start": "21:00", "end": "08:00"},
    "limits": LIMITS,
    "do_not_call": ["+442079460958", "+12125550123"],
}


@pytest.fixture
async def tenant(platform: Platform) -> Tenant:
    """A project with an agent and a trunk."""
    tenant = await platform.tenant(plan="enterprise")
    await tenant.http.post("/agents", json={"name": "Support"})
    assert (await tenant.http.post("/sip/trunks", json=TRUNK)).status_code == 201
    return tenant


async def allow(tenant: Tenant, **policy: object) -> dict[str, Any]:
    answer = await tenant.http.put(f"/projects/{tenant.project.id}/dial-policy", json=policy)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def dial(tenant: Tenant, number: str = CALLEE) -> tuple[int, str | None]:
    answer = await tenant.http.post("/sip/dial", json={"phone_number": number})
    details = answer.json().get("details", {})
    assert answer.status_code in (200, 202) or answer.json()["code"] == "FORBIDDEN"
    return answer.status_code, details.get("rule")


async def call_of_the_past(platform: Platform, tenant: Tenant, seconds: float, *, ago: timedelta) -> None:
    """A call out that was answered for a time."""
    began = Clock().now() - ago
    call = Call(
        project_id=tenant.project.id,
        room_name="proj_past",
        phone_number=CALLEE,
        status="ended",
        started_at=began,
        answered_at=began,
        ended_at=began + timedelta(seconds=seconds),
    )
    await platform.add(call)


async def test_a_policy_is_read_as_it_was_written(platform: Platform, tenant: Tenant) -> None:
    path = f"/projects/{tenant.project.id}/dial-policy"
    nothing = {
        "quiet_hours": None,
        "do_not_call": [],
        "limits": UNLIMITED,
        "consent_required": False,
        "opt_out_key": None,
    }
    of_plan = UNLIMITED | plans()["enterprise"].dialling
    assert (await tenant.http.get(path)).json() == nothing | {"countries": ["CA", "US"], "limits": of_plan}
    written = await allow(tenant, **POLICY)
    numbers = ["+12125550123", "+442079460958"]
    assert written == POLICY | {
        "countries": ["GB", "US"],
        "do_not_call": numbers,
        "limits": UNLIMITED | LIMITS,
        "consent_required": False,
        "opt_out_key": None,
    }
    assert (await tenant.http.get(path)).json() == written
    assert await allow(tenant, countries=[]) == {"countries": [], **nothing}


async def test_a_policy_belongs_to_its_account(platform: Platform, tenant: Tenant) -> None:
    other = await platform.tenant("other")
    foreign = f"/projects/{other.project.id}/dial-policy"
    for answer in (await tenant.http.get(foreign), await tenant.http.put(foreign, json=POLICY)):
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert (await tenant.http.put("/projects/999999/dial-policy", json=POLICY)).status_code == 404
    assert (await other.http.get(foreign)).json()["countries"] == []
    second = (await tenant.http.post("/projects", json={"name": "Second"})).json()["project"]["id"]
    answer = await tenant.http.put(f"/projects/{second}/dial-policy", json=POLICY)
    assert (answer.status_code, answer.json()["countries"]) == (200, ["GB", "US"])
    assert (await tenant.http.get(f"/projects/{second}/dial-policy")).json() == answer.json()
    trail = (await tenant.http.get("/audit")).json()["entries"]
    assert trail[0]["action"] == "PUT /projects/{project_id}/dial-policy"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"countries": ["USA"]}, "countries.0"),
        ({"countries": ["001"]}, "countries.0"),
        ({"countries": "US"}, "countries"),
        ({"quiet_hours": {"start": "21:00"}}, "quiet_hours.end"),
        ({"quiet_hours": {"start": "24:00", "end": "08:00"}}, "quiet_hours.start"),
        ({"limits": {"concurrent": -1}}, "limits.concurrent"),
        ({"limits": {"calls_per_day": "5"}}, "limits.calls_per_day"),
        ({"limits": {"usd_per_day": 1e300}}, "limits.usd_per_day"),
        ({"limits": {"calls_per_hour": 1}}, "limits.calls_per_hour"),
        ({"do_not_call": ["12"]}, "do_not_call.0"),
        ({"country": ["US"]}, "country"),
    ],
)
async def test_a_policy_that_says_nothing_clear_changes_nothing(
    tenant: Tenant, body: dict[str, object], field: str
) -> None:
    before = await allow(tenant, **POLICY)
    path = f"/projects/{tenant.project.id}/dial-policy"
    answer = await tenant.http.put(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
    assert [each["field"] for each in answer.json()["details"]["fields"]] == [field]
    assert (await tenant.http.get(path)).json() == before


async def test_without_a_policy_a_line_calls_its_own_country_only(tenant: Tenant) -> None:
    assert await dial(tenant, CALLEE) == (202, None)
    assert await dial(tenant, "+14165550123") == (202, None)
    assert await dial(tenant, "+442079460958") == (403, "countries")
    assert await dial(tenant, "+18765550123") == (403, "countries")
    await allow(tenant, countries=["GB"])
    assert await dial(tenant, "+442079460958") == (202, None)
    assert await dial(tenant, CALLEE) == (403, "countries")
    assert await dial(tenant, "+449098790123") == (403, "number_kind")


async def test_a_refused_call_leaves_nothing_behind(platform: Platform, tenant: Tenant) -> None:
    await allow(tenant, do_not_call=[CALLEE])
    answer = await tenant.http.post("/sip/dial", json={"phone_number": CALLEE, "room_name": "hello"})
    assert answer.status_code == 403
    assert answer.json()["details"]["rule"] == "do_not_call"
    assert "not called" in answer.json()["error"]
    assert (await tenant.http.get("/sip/calls")).json()["total"] == 0
    assert (await tenant.http.get("/sessions")).json()["total"] == 0
    assert (await tenant.http.get("/rooms")).json()["rooms"] == []
    quota = (await tenant.http.get("/quota")).json()["quotas"]
    assert (quota["sip_calls"]["used"], quota["sessions"]["used"]) == (0, 0)


async def test_nobody_is_called_at_night(platform: Platform, tenant: Tenant) -> None:
    await allow(tenant, quiet_hours={"start": "00:00", "end": "00:00"})
    assert await dial(tenant) == (403, "quiet_hours")
    soon = datetime.now(UTC) + timedelta(hours=3)
    # London is never more than an hour ahead of UTC, so that three hours from now are not here yet.
    await allow(
        tenant,
        countries=["GB"],
        quiet_hours={"start": f"{soon:%H:%M}", "end": f"{soon + timedelta(hours=2):%H:%M}"},
    )
    assert await dial(tenant, "+442079460959") == (202, None)


async def test_a_call_that_has_ended_makes_room_for_another_but_not_in_the_day(tenant: Tenant) -> None:
    await allow(tenant, limits={"concurrent": 1, "calls_per_day": 2})
    for expected in ((202, None), (403, "concurrent")):
        assert await dial(tenant) == expected
    (call,) = (await tenant.http.get("/sip/calls")).json()["calls"]
    await tenant.http.post(f"/sip/calls/{call['id']}/hangup")
    assert await dial(tenant) == (202, None)
    call = (await tenant.http.get("/sip/calls")).json()["calls"][0]
    await tenant.http.post(f"/sip/calls/{call['id']}/hangup")
    assert await dial(tenant) == (403, "calls_per_day")


async def test_a_call_that_takes_the_place_of_another_is_not_one_more(platform: Platform, tenant: Tenant) -> None:
    await allow(tenant, limits={"concurrent": 1})
    assert await dial(tenant) == (202, None)
    (call,) = (await tenant.http.get("/sip/calls")).json()["calls"]
    async with platform.database.tenant(tenant.project.id) as db:
        wish = Wish(tenant.project.id, "transfer", CALLEE, LINE, "", longest=60)
        await demand_right_to_call(db, replace(wish, replaced=call["id"]), now=Clock().now())
        with pytest.raises(Forbidden) as refused:
            await demand_right_to_call(db, wish, now=Clock().now())
    assert (refused.value.details or {})["rule"] == "concurrent"


async def test_minutes_are_counted_as_they_are_begun_and_yesterdays_not_at_all(
    platform: Platform, tenant: Tenant
) -> None:
    await allow(tenant, limits={"minutes_per_day": 4})
    await call_of_the_past(platform, tenant, 3600, ago=timedelta(days=1, minutes=1))
    await call_of_the_past(platform, tenant, 61, ago=timedelta())
    assert await dial(tenant) == (202, None)  # two minutes: one to speak, one for the goodbye
    assert await dial(tenant) == (403, "minutes_per_day")


async def test_a_call_that_goes_on_counts_all_that_it_may_take_and_one_that_ended_what_it_took(
    platform: Platform, tenant: Tenant
) -> None:
    agent = (await tenant.http.get("/agents")).json()["agents"][0]["id"]
    assert (await tenant.http.patch(f"/agents/{agent}", json={"max_call_duration": 300})).status_code == 200
    await allow(tenant, limits={"minutes_per_day": 10})
    longest = []
    for _ in range(2):
        assert await dial(tenant) == (202, None)
        longest.append(await longest_of_the_newest(platform))
    assert longest == [300, 180], "five minutes and one, then what is left but one"
    assert await dial(tenant) == (403, "minutes_per_day")
    for call in (await tenant.http.get("/sip/calls")).json()["calls"]:
        assert (await tenant.http.post(f"/sip/calls/{call['id']}/hangup")).status_code == 200
    assert await dial(tenant) == (202, None), "nobody had answered: they took nothing"
    assert await longest_of_the_newest(platform) == 300


async def longest_of_the_newest(platform: Platform) -> int | None:
    async with platform.database.platform() as db:
        return (await db.exec(select(Call.longest_seconds).order_by(col(Call.id).desc()).limit(1))).one()


def priced(monkeypatch: pytest.MonkeyPatch, *prices_: dict[str, str]) -> None:
    rows = [{"service": "telephony", "model": "*", "valid_from": "2020-01-01"} | price for price in prices_]
    book = prices.PriceBook([prices.Price.model_validate(row) for row in rows], {})
    monkeypatch.setattr("control_plane.telephony.gate.price_book", lambda: book)


async def test_dollars_are_minutes_by_the_telephone_prices(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced(monkeypatch, {"provider": "*", "minutes": "0.025"})
    await allow(tenant, limits={"usd_per_day": 0.1})
    await call_of_the_past(platform, tenant, 61, ago=timedelta())
    assert await dial(tenant) == (202, None)
    assert await longest_of_the_newest(platform) == 60
    assert await dial(tenant) == (403, "usd_per_day")


async def test_a_line_without_a_price_calls_nobody_under_a_limit_of_money(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced(monkeypatch, {"provider": "another.example", "minutes": "0.025"})
    await allow(tenant, limits={"usd_per_day": 100})
    assert await dial(tenant) == (403, "usd_per_day")
    await allow(tenant, limits={"calls_per_day": 100})
    assert await dial(tenant) == (202, None)


async def test_without_a_policy_the_limits_of_the_plan_hold(platform: Platform) -> None:
    tenant = await platform.tenant("small", plan="free")
    await tenant.http.post("/agents", json={"name": "Support"})
    assert (await tenant.http.post("/sip/trunks", json=TRUNK)).status_code == 201
    for _ in range(plans()["free"].dialling["destination_calls_per_day"]):
        assert await dial(tenant) == (202, None)
        call = (await tenant.http.get("/sip/calls")).json()["calls"][0]
        await tenant.http.post(f"/sip/calls/{call['id']}/hangup")
    assert await dial(tenant) == (403, "destination_calls_per_day")
    assert await dial(tenant, "+17751234568") == (202, None)
    await allow(tenant, limits={"concurrent": 3})
    assert await dial(tenant) == (202, None), "a policy is all that holds, where there is one"


async def test_every_decision_is_kept_and_explained_and_shown_with_a_refusal(
    platform: Platform, tenant: Tenant
) -> None:
    await allow(tenant, countries=["US"], limits={"calls_per_day": 1})
    path = f"/projects/{tenant.project.id}/dial-decisions"
    assert (await tenant.http.get(path)).json() == {"decisions": [], "total": 0, "page": 1, "total_pages": 0}
    assert await dial(tenant) == (202, None)
    refused = await tenant.http.post("/sip/dial", json={"phone_number": "+442079460958"})
    assert await dial(tenant) == (403, "calls_per_day")
    (call,) = (await tenant.http.get("/sip/calls")).json()["calls"]

    newest, second, first = (await tenant.http.get(path)).json()["decisions"]

    assert (first["kind"], first["allowed"], first["rule"], first["destination"]) == ("dial", True, None, CALLEE)
    assert (first["call_id"], first["longest_seconds"]) == (call["id"], 3600)
    assert first["key_id"]
    assert [step["rule"] for step in first["steps"]] == [
        "number_kind",
        "do_not_call",
        "opted_out",
        "countries",
        "calls_per_day",
    ]
    assert all(step["held"] and step["said"] for step in first["steps"])
    assert (second["allowed"], second["rule"], second["longest_seconds"]) == (False, "countries", 0)
    assert refused.json()["details"] == {"rule": "countries", "decision_id": second["id"], "steps": second["steps"]}
    assert refused.json()["error"] == second["steps"][-1]["said"]
    assert newest["rule"] == "calls_per_day"
    only = (await tenant.http.get(path, params={"allowed": "false", "destination": CALLEE})).json()
    assert ([each["id"] for each in only["decisions"]], only["total"]) == ([newest["id"]], 1)
    older = (await tenant.http.get(path, params={"before_id": newest["id"], "per_page": 1})).json()
    assert [each["id"] for each in older["decisions"]] == [second["id"]]
    other = await platform.tenant("other")
    assert (await other.http.get(path)).status_code == 403


async def test_the_limits_of_one_project_are_not_anothers(platform: Platform, tenant: Tenant) -> None:
    other = await platform.tenant("other", plan="enterprise")
    await other.http.post("/agents", json={"name": "Support"})
    await other.http.post("/sip/trunks", json=TRUNK | {"phone_number": "+18001234568"})
    await allow(tenant, limits={"calls_per_day": 0})
    assert await dial(tenant) == (403, "calls_per_day")
    assert await dial(other) == (202, None)


async def test_a_number_answers_as_many_calls_at_once_as_it_may(platform: Platform, tenant: Tenant) -> None:
    agent = (await tenant.http.get("/agents")).json()["agents"][0]["id"]
    config = {"name": "Inbound", "phone_number": LINE, "agent_config_id": agent, "max_concurrent": 2}
    made = (await tenant.http.post("/sip/configs", json=config)).json()["config"]
    assert made["max_concurrent"] == 2
    _, _, line, *_ = platform.dialer.calls[-1]
    ticket = DispatchMetadata.model_validate_json(line.agent_metadata).ticket

    async def ring(index: int) -> bool:
        request = Exchange(
            ticket=ticket, job_id=f"AJ_{index}", room_name=f"proj_call_+1775555010{index}_x", room_sid=f"RM_{index}"
        )
        answer = await platform.app.state.uplink.exchange(request, "w")
        return answer is not None and answer.job is not None

    taken = await asyncio.gather(*(ring(index) for index in range(6)))
    assert sum(taken) == 2
    index = taken.index(True)
    assert await ring(index)  # the same call asks again
    async with platform.database.platform() as db:
        await phone_left(db, Clock(), f"proj_call_+1775555010{index}_x", f"sip_+1775555010{index}")
    assert await ring(7)
    assert not await ring(8)
    path = f"/sip/configs/{made['id']}"
    assert (await tenant.http.patch(path, json={"max_concurrent": 0})).status_code == 400
    assert (await tenant.http.patch(path, json={"name": None})).status_code == 400
    changed = await tenant.http.patch(path, json={"max_concurrent": None})
    assert changed.json()["config"]["max_concurrent"] is None
    assert await ring(9)
