"""Telephony's lists as documented, every check of a request, and whose lines they are."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from control_plane.telephony.models import Call, SipConfig, SipTrunk
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

CALLEE, LINE = "+17751234567", "+18001234567"
BEGUN = datetime(2026, 3, 28, 14, tzinfo=UTC)
TRUNK = {"name": "Main Trunk", "phone_number": LINE, "address": "sip.example.org:5060", "transport": "udp"}


async def an_agent(tenant: Tenant, **more: object) -> int:
    made = await tenant.http.post("/agents", json={"name": "Support Agent", **more})
    return int(made.json()["agent"]["id"])


async def a_trunk(platform: Platform, tenant: Tenant) -> int:
    ids: dict[str, Any] = {
        "inbound_trunk_id": "ST_in123",
        "outbound_trunk_id": "ST_out456",
        "dispatch_rule_id": "SDR_abc",
    }
    row = SipTrunk(project_id=tenant.project.id, name="Main Trunk", phone_number=LINE, **ids)
    await platform.add(row)
    return row.id


async def a_config(platform: Platform, tenant: Tenant, number: str = LINE) -> int:
    agent = await an_agent(tenant)
    values: dict[str, Any] = {"name": "Inbound Line", "agent_config_id": agent, "created_at": BEGUN}
    row = SipConfig(project_id=tenant.project.id, phone_number=number, **values)
    await platform.add(row)
    return row.id


async def test_trunks_and_configurations_are_listed_as_documented(platform: Platform) -> None:
    tenant, other = await platform.tenant(), await platform.tenant("other")
    assert (await tenant.http.get("/sip/trunks")).json() == {"trunks": []}
    assert (await tenant.http.get("/sip/configs")).json() == {"configs": []}
    trunk, config = await a_trunk(platform, tenant), await a_config(platform, tenant)
    listed = (await tenant.http.get("/sip/configs")).json()
    agent = listed["configs"][0].pop("agent_config_id")
    assert type(agent) is int
    assert listed == {
        "configs": [
            {
                "id": config,
                "name": "Inbound Line",
                "phone_number": LINE,
                "agent_name": "Support Agent",
                "dtmf_enabled": True,
                "max_call_duration": 1800,
                "max_concurrent": None,
                "has_trunk": True,
                "created_at": "2026-03-28T14:00:00Z",
            }
        ]
    }
    assert (await tenant.http.get("/sip/trunks")).json() == {
        "trunks": [
            {
                "id": trunk,
                "name": "Main Trunk",
                "phone_number": LINE,
                "inbound_trunk_id": "ST_in123",
                "outbound_trunk_id": "ST_out456",
                "dispatch_rule_id": "SDR_abc",
            }
        ]
    }
    assert (await other.http.get("/sip/trunks")).json() == {"trunks": []}
    assert (await other.http.get("/sip/configs")).json() == {"configs": []}


async def test_calls_are_listed_newest_first_by_status(platform: Platform) -> None:
    tenant = await platform.tenant()
    values: dict[str, Any] = {"project_id": tenant.project.id, "phone_number": CALLEE, "started_at": BEGUN}
    spoken = Call(
        room_name="proj_outbound-call-1",
        status="ended",
        sip_status=200,
        session_id=55,
        answered_at=BEGUN + timedelta(seconds=4),
        ended_at=BEGUN + timedelta(seconds=64),
        **values,
    )
    running = Call(room_name="proj_outbound-call-2", status="ringing", **values)
    await platform.add(spoken, running)
    shown = {
        "id": spoken.id,
        "room_name": "outbound-call-1",
        "full_room_name": "proj_outbound-call-1",
        "phone_number": CALLEE,
        "direction": "outbound",
        "status": "ended",
        "sip_status": 200,
        "reason": None,
        "session_id": 55,
        "started_at": "2026-03-28T14:00:00Z",
        "answered_at": "2026-03-28T14:00:04Z",
        "ended_at": "2026-03-28T14:01:04Z",
        "duration": 60,
    }
    listed = (await tenant.http.get("/sip/calls?status=ended")).json()
    assert listed == {"calls": [shown], "total": 1, "page": 1, "total_pages": 1}
    both = (await tenant.http.get("/sip/calls")).json()["calls"]
    assert [(row["id"], row["duration"]) for row in both] == [(running.id, None), (spoken.id, 60)]
    beyond = (await tenant.http.get("/sip/calls?page=5")).json()
    assert (beyond["calls"], beyond["total"]) == ([], 2)
    assert (await tenant.http.get("/sip/calls?status=lost")).status_code == 400


async def test_a_call_passes_every_check_before_it_is_placed(platform: Platform) -> None:
    tenant = await platform.tenant()
    number = {"phone_number": CALLEE}

    async def refusal(**more: object) -> tuple[int, str]:
        answer = await tenant.http.post("/sip/dial", json=number | more)
        return answer.status_code, answer.json()["error"]

    assert await refusal() == (400, "No active agent: create one, or activate one")
    asleep = await an_agent(tenant, is_active=False)
    assert (await refusal(agent_config_id=asleep))[0] == 409
    agent = await an_agent(tenant)
    assert await refusal() == (400, "No SIP trunk configured")
    await a_trunk(platform, tenant)
    assert (await refusal(caller_id="+15550001111"))[0] == 400
    assert (await tenant.http.get("/sip/calls")).json()["total"] == 0
    assert (await tenant.http.get("/sessions")).json()["total"] == 0
    right = {"agent_config_id": agent, "caller_id": LINE, "room_name": "hello", "metadata": {"a": 1}}
    answer = await tenant.http.post("/sip/dial", json=number | right)
    assert (answer.status_code, answer.json()["call"]["full_room_name"]) == (202, "proj_hello")
    unnamed = (await tenant.http.post("/sip/dial", json=number)).json()["call"]
    assert unnamed["room_name"] == f"outbound-call-{unnamed['id']}"
    assert await refusal(**right) == (409, "A session is active in the room 'hello'")


async def test_a_foreign_agent_or_room_is_refused_for_a_call(platform: Platform) -> None:
    mine, theirs = await platform.tenant(), await platform.tenant("theirs")
    foreign = await an_agent(theirs)
    for change, status in (
        ({"agent_config_id": foreign}, 403),
        ({"agent_config_id": foreign + 1000}, 404),
        ({"room_name": "theirs_r"}, 403),
    ):
        answer = await mine.http.post("/sip/dial", json={"phone_number": CALLEE} | change)
        assert answer.status_code == status, change


@pytest.mark.parametrize(
    ("change", "field"),
    [
        *(
            ({"phone_number": number}, "phone_number")
            for number in (
                None,
                "",
                "+",
                "17751234567",
                "+1 775 123 4567",
                "+1775",
                "+999123456789",
                "+17751234567000",
                "+1775１234567",
                "tel:+17751234567",
                "+17751234567\n",
                17751234567,
            )
        ),
        ({"caller_id": "anonymous"}, "caller_id"),
        ({"room_name": "a b"}, "room_name"),
        ({"metadata": "x"}, "metadata"),
        ({"agent_config_id": 0}, "agent_config_id"),
    ],
)
async def test_a_wrong_call_is_refused_by_its_field(platform: Platform, change: dict[str, object], field: str) -> None:
    tenant = await platform.tenant()
    await an_agent(tenant)
    await a_trunk(platform, tenant)
    answer = await tenant.http.post("/sip/dial", json={"phone_number": CALLEE} | change)
    assert (answer.status_code, answer.json()["details"]["fields"][0]["field"]) == (400, field)


async def test_a_call_beyond_the_plan_is_refused_by_what_is_used_up(platform: Platform) -> None:
    tenant = await platform.tenant(plan="free")
    await an_agent(tenant)
    await a_trunk(platform, tenant)

    async def used_up() -> str:
        answer = await tenant.http.post("/sip/dial", json={"phone_number": CALLEE})
        return answer.json()["details"]["resource"] if answer.status_code == 429 else str(answer.status_code)

    await a_config(platform, tenant)
    assert await used_up() == "202"
    running: dict[str, Any] = {"project_id": tenant.project.id, "phone_number": CALLEE, "started_at": BEGUN}
    calls = [Call(room_name=f"proj_{number}", **running) for number in range(1)]
    await platform.add(*calls)
    assert await used_up() == "sip_calls"
    await a_config(platform, tenant, "+18001234568")
    assert await used_up() == "sip_configs"


@pytest.mark.parametrize("kind", ["trunks", "configs"])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_another_projects_line_is_forbidden(platform: Platform, kind: str, method: str) -> None:
    mine, theirs = await platform.tenant(), await platform.tenant("theirs")
    foreign = await (a_trunk if kind == "trunks" else a_config)(platform, theirs)
    body = {"name": "mine"} if method == "PATCH" else None
    assert (await mine.http.request(method, f"/sip/{kind}/{foreign}", json=body)).status_code == 403
    assert (await mine.http.request(method, f"/sip/{kind}/{foreign + 1000}", json=body)).status_code == 404


async def test_a_number_belongs_to_one_configuration_on_the_whole_server(platform: Platform) -> None:
    mine, theirs = await platform.tenant(), await platform.tenant("theirs")
    await a_config(platform, theirs)
    own = await a_config(platform, mine, "+18001234568")
    agent = await an_agent(mine)
    body = {"name": "Line", "phone_number": LINE, "agent_config_id": agent}
    taken = await mine.http.post("/sip/configs", json=body)
    assert (taken.status_code, taken.json()["code"]) == (409, "CONFLICT")
    assert (await mine.http.patch(f"/sip/configs/{own}", json={"phone_number": LINE})).status_code == 409
    assert (await mine.http.patch(f"/sip/configs/{own}", json={"name": "Same"})).status_code == 200


async def test_a_configuration_needs_an_agent_of_ones_own_and_a_place_in_the_plan(platform: Platform) -> None:
    mine, theirs = await platform.tenant(plan="free"), await platform.tenant("theirs")
    foreign = await an_agent(theirs)
    body = {"name": "Line", "phone_number": LINE}
    for agent, status in ((foreign, 403), (foreign + 1000, 404)):
        answer = await mine.http.post("/sip/configs", json=body | {"agent_config_id": agent})
        assert answer.status_code == status
    own = await a_config(platform, mine, "+18001234568")
    assert (await mine.http.patch(f"/sip/configs/{own}", json={"agent_config_id": foreign})).status_code == 403
    full = await mine.http.post("/sip/configs", json=body | {"agent_config_id": await an_agent(mine)})
    assert (full.status_code, full.json()["details"]["resource"]) == (429, "sip_configs")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("trunks", {"address": "sip:carrier.example.org"}, "address"),
        ("trunks", {"address": "carrier.example.org:0"}, "address"),
        ("trunks", {"address": "carrier.example.org:70000"}, "address"),
        ("trunks", {"address": "-carrier"}, "address"),
        ("trunks", {"address": ""}, "address"),
        ("trunks", {"transport": "sctp"}, "transport"),
        ("trunks", {"allowed_addresses": ["everywhere"]}, "allowed_addresses.0"),
        ("trunks", {"phone_number": "8001234567"}, "phone_number"),
        ("trunks", {"password": "p" * 257}, "password"),
        ("trunks", {"password": "a\x00"}, "password"),
        ("trunks", {"name": " "}, "name"),
        ("trunks", {"id": 7}, "id"),
        ("configs", {"phone_number": "8001234567"}, "phone_number"),
        ("configs", {"agent_config_id": None}, "agent_config_id"),
        ("configs", {"max_call_duration": 0}, "max_call_duration"),
        ("configs", {"dtmf_enabled": "yes"}, "dtmf_enabled"),
    ],
)
async def test_a_wrong_line_is_refused_by_its_field(
    platform: Platform, path: str, body: dict[str, object], field: str
) -> None:
    tenant = await platform.tenant()
    good = TRUNK if path == "trunks" else {"name": "Line", "phone_number": LINE, "agent_config_id": 1}
    made = await tenant.http.post(f"/sip/{path}", json=good | body)
    assert (made.status_code, made.json()["details"]["fields"][0]["field"]) == (400, field)
    assert "pppp" not in made.text
    row = await (a_trunk if path == "trunks" else a_config)(platform, tenant)
    for change in (body, {field.split(".")[0]: None}, {}):
        changed = await tenant.http.patch(f"/sip/{path}/{row}", json=change)
        assert changed.status_code == 400, change
