"""Toll fraud: however many ask at once, by whatever way, no limit of calls out is passed by one; and why is kept."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import col, select

from control_plane.bots.addresses import Line
from control_plane.bots.dialling import dial as dial_meeting
from control_plane.bots.models import Bot
from control_plane.clock import Clock
from control_plane.errors import Forbidden, Unavailable
from control_plane.meetings.attending import CannotJoin
from control_plane.metering import prices
from control_plane.sessions.models import Session
from control_plane.telephony.carriers import TrunkRules
from control_plane.telephony.models import Call, DialDecision, Transfer
from tests.support.billing import minutes_of
from tests.support.platform import Platform, Tenant
from tests.support.tried import sample, tried

pytestmark = pytest.mark.anyio

CALLEE, OTHER = "+17751234567", "+17751234568"
AT_ONCE = sample(100, 20)
LET_THROUGH = 5
OF_MONEY, RATE = 0.10, Decimal("0.01")
UNITS = {"calls": LET_THROUGH, "minutes": LET_THROUGH * minutes_of(60), "usd": OF_MONEY}
LIMITS = {"concurrent": float(LET_THROUGH)} | {
    f"{scope}{unit}_per_day": limit for scope in ("", "key_", "destination_") for unit, limit in UNITS.items()
}
"""Each of them lets five calls of a minute through."""


@pytest.fixture(autouse=True)
def priced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute costs a cent."""
    row = {"service": "telephony", "provider": "*", "model": "*", "valid_from": "2020-01-01", "minutes": str(RATE)}
    book = prices.PriceBook([prices.Price.model_validate(row)], {})
    monkeypatch.setattr("control_plane.telephony.gate.price_book", lambda: book)


async def a_caller(platform: Platform, number: int, **limits: float) -> Tenant:
    """A project with a line, whose agent's calls last a minute."""
    tenant = await platform.tenant(f"caller{number}", plan="enterprise")
    await tenant.make_agent(max_call_duration=60)
    line = {"name": "Line", "phone_number": f"+1800123{number:04}", "address": "127.0.0.1:5060"}
    assert (await tenant.http.post("/sip/trunks", json=line)).status_code == 201
    path = f"/projects/{tenant.project.id}/dial-policy"
    assert (await tenant.http.put(path, json={"limits": limits})).status_code == 200
    return tenant


async def dial(tenant: Tenant, number: str = CALLEE) -> str | None:
    """The rule that a call broke; None where it was let through."""
    while (answer := await tenant.http.post("/sip/dial", json={"phone_number": number})).status_code == 503:
        pass  # a busy machine: the door was too narrow
    if answer.status_code == 202:
        return None
    assert answer.status_code == 403, answer.text
    return str(answer.json()["details"]["rule"])


async def decisions(platform: Platform, tenant: Tenant) -> list[DialDecision]:
    async with platform.database.platform() as db:
        mine = select(DialDecision).where(DialDecision.project_id == tenant.project.id)
        return list((await db.exec(mine.order_by(col(DialDecision.id)))).all())


def missing(found: list[DialDecision], asked: int) -> int:
    """How many of what was asked for are not there, or do not say why."""
    unexplained = [
        row
        for row in found
        if not row.steps
        or not all(step["said"] for step in row.steps)
        or row.allowed != all(step["held"] for step in row.steps)
        or (not row.allowed and row.rule != row.steps[-1]["rule"])
        or (row.allowed and (row.longest_seconds <= 0 or row.call_id is None))
    ]
    return asked - len(found) + len(unexplained)


@pytest.mark.parametrize("scope", ["", "key_", "destination_"])
async def test_a_hundred_calls_at_once_never_pass_any_limit(platform: Platform, scope: str) -> None:
    mine = [limit for limit in LIMITS if limit.startswith(scope or ("concurrent", "calls", "minutes", "usd"))]
    over = unexplained = 0
    for number, limit in enumerate(mine):
        tenant = await a_caller(platform, number, **{limit: LIMITS[limit]})
        outcomes = Counter(await asyncio.gather(*(dial(tenant) for _ in range(AT_ONCE))))
        async with platform.database.platform() as db:
            calls = (await db.exec(select(Call).where(Call.project_id == tenant.project.id))).all()
        over += max(0, len(calls) - LET_THROUGH)
        unexplained += missing(await decisions(platform, tenant), AT_ONCE)
        assert outcomes == {None: LET_THROUGH, limit: AT_ONCE - LET_THROUGH}, limit
        assert [call.longest_seconds for call in calls] == [60] * LET_THROUGH
    tried("dialling: parallel dials over a limit", AT_ONCE * len(mine), over)
    tried("dialling: decisions stored and explained", AT_ONCE * len(mine), unexplained)
    assert (over, unexplained) == (0, 0)


async def test_limits_of_a_number_and_of_a_key_are_those_of_each(platform: Platform) -> None:
    tenant = await a_caller(platform, 0, destination_calls_per_day=2, key_calls_per_day=5)
    half = AT_ONCE // 2
    asked = [dial(tenant, number) for number in (CALLEE, OTHER) for _ in range(half)]
    first = Counter(await asyncio.gather(*asked))
    assert first == {None: 4, "destination_calls_per_day": 2 * half - 4}
    assert await dial(tenant, "+1 775 1234569".replace(" ", "")) is None
    assert await dial(tenant, "+17751234560") == "key_calls_per_day"
    made = await tenant.http.post("/api-keys", json={"label": "Second"})
    second = {"X-API-Key": made.json()["api_key"]["key"]}
    answer = await tenant.http.post("/sip/dial", json={"phone_number": "+17751234560"}, headers=second)
    assert answer.status_code == 202, answer.text


async def test_dials_transfers_people_called_in_and_bots_share_every_limit(platform: Platform) -> None:
    each = AT_ONCE // 4
    limits = {"calls_per_day": 7.0, "minutes_per_day": 30.0, "usd_per_day": 0.3}
    over = unexplained = 0
    for number, (limit, most) in enumerate(limits.items()):
        tenant = await a_caller(platform, number, **{limit: most})
        answered = await people(platform, tenant, number, 2 * each)
        bots = await some_bots(platform, tenant, each)
        switchboard = platform.app.state.switchboard
        asking: list[Awaitable[str | None]] = [dial(tenant) for _ in range(each)]
        asking += [ruled(switchboard.transfer, call, OTHER, asked_by="api") for call in answered[:each]]
        asking += [
            ruled(switchboard.call_in, tenant.project.id, call.session_id, OTHER, listed=[OTHER])
            for call in answered[each:]
        ]
        asking += [send(platform, bot) for bot in bots]
        outcomes = Counter(await asyncio.gather(*asking))
        assert set(outcomes) == {None, limit}, outcomes
        over += await passed(platform, tenant, limit, most)
        unexplained += missing(await decisions(platform, tenant), 4 * each)
    tried("dialling: parallel dials over a limit", 4 * each * len(limits), over)
    tried("dialling: decisions stored and explained", 4 * each * len(limits), unexplained)
    assert (over, unexplained) == (0, 0)


async def passed(platform: Platform, tenant: Tenant, limit: str, most: float) -> int:
    """Whether what was let through may come to more than a limit."""
    mine = tenant.project.id
    async with platform.database.platform() as db:
        calls = (await db.exec(select(Call).where(Call.project_id == mine, Call.direction == "outbound"))).all()
        transfers = (await db.exec(select(Transfer).where(Transfer.project_id == mine))).all()
    assert calls or transfers
    longest = [minutes_of(call.longest_seconds or 10**6) for call in calls]
    longest += [minutes_of(row.longest_seconds, afterwards=0) for row in transfers]
    spent = {"calls": len(longest), "minutes": sum(longest), "usd": sum(longest) * RATE}[limit.split("_")[0]]
    return int(spent > Decimal(str(most)))


async def people(platform: Platform, tenant: Tenant, number: int, count: int) -> list[Call]:
    """Calls of people who speak with the agent now."""
    now, project = Clock().now(), tenant.project
    sessions = [
        Session(project_id=project.id, room_name=f"{project.slug}_in-{each}", status="active", started_at=now)
        for each in range(count)
    ]
    await platform.add(*sessions)
    calls = [
        Call(
            project_id=project.id,
            session_id=session.id,
            room_name=session.room_name,
            phone_number=f"+1775555{each:04}",
            caller_id=f"+1800123{number:04}",
            direction="inbound",
            status="answered",
            identity=f"sip_+1775555{each:04}",
            started_at=now,
            answered_at=now,
            longest_seconds=60,
        )
        for each, session in enumerate(sessions)
    ]
    await platform.add(*calls)
    return calls


async def some_bots(platform: Platform, tenant: Tenant, count: int) -> list[Bot]:
    now, project = Clock().now(), tenant.project
    bots = [
        Bot(
            project_id=project.id,
            key_id="k",
            bot_name="Notetaker",
            meeting_url=f"tel:{OTHER}",
            room_name=f"{project.slug}_bot-{each}",
            due_at=now,
            created_at=now,
        )
        for each in range(count)
    ]
    await platform.add(*bots)
    return bots


async def send(platform: Platform, bot: Bot) -> str | None:
    """Have the meeting of a bot called, as the process does that sends it."""
    while True:
        try:
            async with platform.database.platform() as db:
                known = (await db.exec(select(Bot).where(Bot.id == bot.id).with_for_update())).one()
                try:
                    await dial_meeting(db, Clock(), known, Line(bot.meeting_url), TrunkRules())
                except CannotJoin:
                    mine = select(DialDecision.rule).where(
                        DialDecision.project_id == bot.project_id, DialDecision.kind == "bot"
                    )
                    return (await db.exec(mine.order_by(col(DialDecision.id).desc()).limit(1))).one()
        except Unavailable:
            continue
        return None


async def ruled(ask: Any, *what: Any, **how: Any) -> str | None:
    """The rule that a transfer broke; None where it was let through."""
    while True:
        try:
            await ask(*what, **how)
        except Forbidden as error:
            return str((error.details or {})["rule"])
        except Unavailable:
            continue
        return None
