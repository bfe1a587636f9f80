"""Who does not want to be called is not: said to the API, or to the persona in the call, it holds at once."""

import json
from typing import Any

import pytest
from sqlmodel import select

from agents.calling import DispatchMetadata, PersonaJob
from control_plane.gate.models import AuditEntry
from control_plane.telephony.models import Consent
from tests.support.calls import CALLEE, a_placer, an_answered_call, call_of, calls_of, dial, exchange, report
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

OPTED_OUT = {"type": "opted.out.v1"}
BY_KEY = OPTED_OUT | {"by": "key"}
EVIDENCE = "A letter of 31 March"


async def keep(tenant: Tenant, number: str = CALLEE, **body: object) -> dict[str, Any]:
    answer = await tenant.http.post("/sip/consents", json={"number": number, "evidence": EVIDENCE} | body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["consent"])


async def refused(tenant: Tenant, number: str = CALLEE) -> str | None:
    """The rule that a call would break."""
    answer = await tenant.http.post("/sip/dial", json={"phone_number": number})
    return answer.json()["details"]["rule"] if answer.status_code == 403 else None


async def listed(tenant: Tenant, **which: str) -> list[tuple[str, str, bool]]:
    rows = (await tenant.http.get("/sip/consents", params=which)).json()["consents"]
    return [(row["number"], row["kind"], row["given"]) for row in rows]


async def called(platform: Platform, tenant: Tenant) -> PersonaJob:
    """A conversation with somebody whom we have called."""
    placed = await dial(tenant)
    platform.dialer.picked_up.set()
    placer = a_placer(platform)
    (claimed,) = await placer.claim()
    await placer.place(claimed)
    metadata = next(call[2] for call in platform.media.calls if call[0] == "dispatch")
    dispatch = DispatchMetadata.model_validate(json.loads(metadata))
    job = (await exchange(platform, dispatch, room=placed["full_room_name"])).job
    assert job is not None
    await report(platform, job, 1, {"type": "call.started.v1"})
    return job


async def test_whoever_says_so_in_the_call_is_not_called_again(platform: Platform, tenant: Tenant) -> None:
    job = await called(platform, tenant)
    assert job.called
    waiting = [await dial(tenant), await dial(tenant, phone_number="+17751234568")]

    await report(platform, job, 2, OPTED_OUT)

    assert await refused(tenant) == "opted_out"
    assert await refused(tenant, "+17751234568") is None
    queued, other = [await call_of(tenant, each["id"]) for each in waiting]
    assert (queued["status"], queued["reason"]) == ("failed", "they asked not to be called again")
    assert other["status"] == "queued"
    await report(platform, job, 2, OPTED_OUT)
    await report(platform, job, 3, OPTED_OUT)
    assert await listed(tenant) == [(CALLEE, "calls", False)]
    async with platform.database.platform() as db:
        (consent,) = (await db.exec(select(Consent))).all()
        acts = (await db.exec(select(AuditEntry.key_id).where(AuditEntry.action == "opt-out"))).all()
    assert (consent.session_id, consent.evidence) == (job.session_id, f"said in session {job.session_id}")
    assert list(acts) == [f"agent {job.persona_id}"]


@pytest.mark.parametrize(
    ("policy", "key"), [(None, ""), ({}, ""), ({"opt_out_key": "*"}, "*"), ({"opt_out_key": None}, "")]
)
async def test_whoever_presses_the_key_for_it_is_not_called_again(
    platform: Platform, tenant: Tenant, policy: dict[str, Any] | None, key: str
) -> None:
    path = f"/projects/{tenant.project.id}/dial-policy"
    if policy is not None:
        written = await tenant.http.put(path, json=policy)
        assert (written.status_code, written.json()["opt_out_key"]) == (200, key or None)
    assert (await tenant.http.get(path)).json()["opt_out_key"] == (key or None)
    job = await called(platform, tenant)
    assert job.opt_out_key == key

    await report(platform, job, 2, BY_KEY)
    await report(platform, job, 3, OPTED_OUT)

    assert await refused(tenant) == "opted_out"
    assert await listed(tenant) == [(CALLEE, "calls", False)]
    async with platform.database.platform() as db:
        (consent,) = (await db.exec(select(Consent))).all()
    assert consent.evidence == f"pressed on the phone in session {job.session_id}"


@pytest.mark.parametrize("key", ["A", "12", "", " ", 9])
async def test_a_key_that_no_phone_has_says_nothing(tenant: Tenant, key: object) -> None:
    answer = await tenant.http.put(f"/projects/{tenant.project.id}/dial-policy", json={"opt_out_key": key})
    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["details"]["fields"]] == ["opt_out_key"]


async def test_whoever_calls_us_may_say_what_they_like(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    job = await an_answered_call(platform, line)
    assert (job.called, job.opt_out_key) == (False, "")
    await report(platform, job, 2, OPTED_OUT)
    assert await listed(tenant) == []


async def test_a_withdrawn_consent_holds_at_once_and_the_newest_word_counts(platform: Platform, tenant: Tenant) -> None:
    waiting = await dial(tenant)
    shown = await keep(tenant, given=False)
    assert (shown["number"], shown["kind"], shown["given"], shown["evidence"]) == (CALLEE, "calls", False, EVIDENCE)
    assert (await call_of(tenant, waiting["id"]))["status"] == "failed"
    assert await refused(tenant) == "opted_out"
    await keep(tenant, kind="recording", given=True)
    assert await refused(tenant) == "opted_out", "that is another matter"
    await keep(tenant, given=True)
    assert await refused(tenant) is None
    assert await listed(tenant, number=CALLEE, kind="calls") == [(CALLEE, "calls", True), (CALLEE, "calls", False)]
    other = await platform.tenant("other")
    assert await listed(other) == []


async def test_a_number_is_the_same_however_it_is_written(tenant: Tenant) -> None:
    await tenant.http.put(f"/projects/{tenant.project.id}/dial-policy", json={"countries": ["GB"]})
    await keep(tenant, "+4402079460958", given=False)
    assert await listed(tenant) == [("+442079460958", "calls", False)]
    for written in ("+442079460958", "+4402079460958"):
        assert await refused(tenant, written) == "opted_out"


async def test_a_call_that_was_let_through_is_judged_again_when_it_is_placed(
    platform: Platform, tenant: Tenant
) -> None:
    placed = await dial(tenant)
    (claimed,) = await a_placer(platform).claim()
    await keep(tenant, given=False)
    await a_placer(platform).place(claimed)
    call = await call_of(tenant, placed["id"])
    assert (call["status"], "asked not to be called again" in call["reason"]) == ("failed", True)
    assert [each for each in platform.dialer.calls if each[0] == "call"] == []
    path = f"/projects/{tenant.project.id}/dial-decisions"
    newest = (await tenant.http.get(path)).json()["decisions"][0]
    assert (newest["kind"], newest["rule"], newest["call_id"]) == ("placing", "opted_out", placed["id"])


async def test_a_project_may_call_only_whom_it_has_a_consent_of(tenant: Tenant) -> None:
    await tenant.http.put(f"/projects/{tenant.project.id}/dial-policy", json={"consent_required": True})
    assert await refused(tenant) == "consent"
    await keep(tenant)
    assert await refused(tenant) is None
    assert len(await calls_of(tenant)) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"number": "12"}, "number"),
        ({"evidence": "  "}, "evidence"),
        ({"kind": "letters"}, "kind"),
        ({"given": "no"}, "given"),
    ],
)
async def test_a_consent_that_says_nothing_clear_is_not_kept(
    tenant: Tenant, body: dict[str, object], field: str
) -> None:
    answer = await tenant.http.post("/sip/consents", json={"number": CALLEE, "evidence": EVIDENCE} | body)
    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["details"]["fields"]] == [field]
    assert await listed(tenant) == []
