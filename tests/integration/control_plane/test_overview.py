"""The overview: exact figures of what goes on, of today, and of each hour or day of the reader's zone."""

import itertools
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from control_plane.metering.models import UsageEntry
from control_plane.overview.repository import ANSWERS, COSTS, NOW, SESSIONS
from control_plane.sessions.models import Session, Turn
from tests.support.clocks import SteppedClock
from tests.support.database import Clone
from tests.support.platform import Platform, Tenant
from tests.support.statements import statements

pytestmark = pytest.mark.anyio

_numbers = itertools.count(1)
NOON = datetime(2026, 3, 29, 10, 0, tzinfo=UTC)
"""A noon in Berlin, hours after its clocks were put forward."""


@pytest.fixture
async def berlin(platform: Platform) -> Tenant:
    """A project at the noon of the day when Berlin's clocks were put forward."""
    tenant = await platform.tenant()
    platform.app.state.clock = SteppedClock(NOON)
    return tenant


READS_WHOLE = re.compile(r"Seq Scan on \S+(?: \S+)?  \(cost=(?!0\.00\.\.0\.00 )")
"""Of parts of tables that have no row yet there is nothing to be read."""


def session(tenant: Tenant, at: datetime, **values: Any) -> Session:
    given: dict[str, Any] = {
        "project_id": tenant.project.id,
        "room_name": f"proj_r{next(_numbers)}",
        "status": "completed",
        "outcome": "ok",
        "end_reason": "caller_left",
        "duration": 60,
        "started_at": at,
        "ended_at": at + timedelta(minutes=1),
    }
    return Session(**(given | values))


def cost(tenant: Tenant, at: datetime, dollars: str) -> UsageEntry:
    return UsageEntry(
        project_id=tenant.project.id,
        source=f"test:{next(_numbers)}",
        service="llm",
        provider="openai",
        model="gpt-4o",
        cost_usd=dollars,
        at=at,
    )


def answer(of: Session, at: datetime, milliseconds: int | None) -> Turn:
    gap = None if milliseconds is None else timedelta(milliseconds=milliseconds)
    return Turn(
        project_id=of.project_id,
        session_id=of.id,
        epoch=1,
        sequence=next(_numbers),
        speech_ended_at=None if gap is None else at - gap,
        audio_started_at=at,
        created_at=at,
    )


async def overview(tenant: Tenant, **query: str) -> dict[str, Any]:
    found = await tenant.http.get("/overview", params=query)
    assert found.status_code == 200, found.text
    return dict(found.json())


def at(day: int, hour: int, minute: int = 0, *, second: int = 0) -> datetime:
    """A moment of March 2026, UTC."""
    return datetime(2026, 3, day, hour, minute, second, tzinfo=UTC)


async def test_a_new_project_has_nothing_to_tell(platform: Platform) -> None:
    tenant = await platform.tenant()
    told = await overview(tenant)
    assert told["now"] == {"calls": 0, "voice": 0, "phone": 0, "bots": 0, "oldest_at": None}
    assert (told["bucket"], told["timezone"], len(told["series"])) == ("day", "UTC", 30)
    nothing = {"sessions": 0, "minutes": 0.0, "failed": 0, "failures": [], "cost": 0.0}
    nothing |= {"answers": 0, "p50_ms": None, "p95_ms": None}
    for figures in (told["today"], told["yesterday"], told["period"], told["before"], *told["series"]):
        assert {name: value for name, value in figures.items() if name not in ("from", "to")} == nothing


async def test_what_goes_on_is_counted_by_kind(platform: Platform, berlin: Tenant) -> None:
    theirs = await platform.tenant("theirs")
    going_on: dict[str, Any] = {"status": "active", "outcome": None, "end_reason": None, "duration": None}
    going_on |= {"ended_at": None}
    await platform.add(
        session(berlin, NOON - timedelta(minutes=9), **going_on),
        session(berlin, NOON - timedelta(minutes=5), **going_on),
        session(berlin, NOON - timedelta(minutes=12), session_type="sip", **going_on),
        session(berlin, NOON - timedelta(minutes=1), session_type="bot", **going_on),
        session(berlin, NOON - timedelta(minutes=7)),
        session(theirs, NOON - timedelta(minutes=50), **going_on),
    )
    told = await overview(berlin)
    assert told["now"] == {"calls": 4, "voice": 2, "phone": 1, "bots": 1, "oldest_at": "2026-03-29T09:48:00Z"}
    assert told["today"]["minutes"] == 9 + 5 + 12 + 1 + 1


async def test_today_and_the_time_before_are_those_of_the_readers_zone(platform: Platform, berlin: Tenant) -> None:
    midnight, former = at(28, 23), at(27, 23)  # of Berlin
    last = timedelta(microseconds=1)
    failed = {"outcome": "failed", "duration": 30}
    rows = [
        session(berlin, midnight - last, duration=600),  # yesterday, but after this time of day
        session(berlin, midnight, duration=90),
        session(berlin, at(29, 9), end_reason="model_failed", **failed),
        session(berlin, at(29, 9, 30), end_reason="model_failed", **failed),
        session(berlin, at(29, 9, 40), end_reason="worker_lost", **failed),
        session(berlin, former - last),  # the day before
        session(berlin, former, duration=120),
        session(berlin, at(28, 10, 59, second=59), duration=240, outcome="failed", end_reason=None),
        session(berlin, at(28, 11)),  # noon of yesterday, no part of what is compared
    ]
    await platform.add(*rows)
    await platform.add(
        cost(berlin, midnight - last, "100"),
        cost(berlin, midnight, "0.25"),
        cost(berlin, at(29, 9), "0.5"),
        cost(berlin, at(28, 10), "2"),
    )
    measured = [answer(rows[1], at(29, 8), gap) for gap in (100, 200, 300, 400, 1000)]
    await platform.add(*measured, answer(rows[1], at(29, 8), None), answer(rows[6], at(28, 8), 700))

    told = await overview(berlin, timezone="Europe/Berlin")

    assert told["today"] == {
        "from": "2026-03-28T23:00:00Z",
        "to": "2026-03-29T10:00:00Z",
        "sessions": 4,
        "minutes": 3.0,
        "failed": 3,
        "failures": [{"reason": "model_failed", "count": 2}, {"reason": "worker_lost", "count": 1}],
        "cost": 0.75,
        "answers": 5,
        "p50_ms": 300,
        "p95_ms": 880,
    }
    assert told["yesterday"] == {
        "from": "2026-03-27T23:00:00Z",
        "to": "2026-03-28T11:00:00Z",
        "sessions": 2,
        "minutes": 6.0,
        "failed": 1,
        "failures": [{"reason": "unknown", "count": 1}],
        "cost": 2.0,
        "answers": 1,
        "p50_ms": 700,
        "p95_ms": 700,
    }


async def test_each_day_has_what_began_in_it_and_the_days_add_up_to_the_period(
    platform: Platform, berlin: Tenant
) -> None:
    moments = [at(25, 12), at(27, 22, 59), at(27, 23), at(28, 22, 59, second=59), at(28, 23), at(29, 9)]
    await platform.add(*(session(berlin, moment, duration=60 * n) for n, moment in enumerate(moments, start=1)))
    await platform.add(*(cost(berlin, moment, f"0.{n}") for n, moment in enumerate(moments, start=1)))
    week = {"from": "2026-03-27", "to": "2026-03-29", "timezone": "Europe/Berlin"}

    told = await overview(berlin, **week)

    assert [(day["from"], day["sessions"], day["minutes"], day["cost"]) for day in told["series"]] == [
        ("2026-03-26T23:00:00Z", 1, 2.0, 0.2),
        ("2026-03-27T23:00:00Z", 2, 7.0, 0.7),
        ("2026-03-28T23:00:00Z", 2, 11.0, 1.1),
    ]
    assert told["series"][-1]["to"] == told["period"]["to"] == "2026-03-29T22:00:00Z"
    assert (told["period"]["sessions"], told["period"]["minutes"]) == (5, 20.0)
    assert told["period"]["cost"] == pytest.approx(2.0)
    assert (told["before"]["from"], told["before"]["sessions"], told["before"]["cost"]) == (
        "2026-03-23T23:00:00Z",
        1,
        0.1,
    )


async def test_the_hour_that_a_zone_left_out_is_not_there(platform: Platform, berlin: Tenant) -> None:
    await platform.add(session(berlin, at(29, 0, 59)), session(berlin, at(29, 1)))
    told = await overview(berlin, **{"from": "2026-03-29", "timezone": "Europe/Berlin", "bucket": "hour"})
    assert len(told["series"]) == 11
    assert [(hour["from"], hour["sessions"]) for hour in told["series"][1:3]] == [
        ("2026-03-29T00:00:00Z", 1),
        ("2026-03-29T01:00:00Z", 1),
    ]


async def test_an_overview_of_any_length_is_five_statements(platform: Platform, berlin: Tenant) -> None:
    await overview(berlin)
    for query in ({}, {"from": "2025-01-01"}, {"bucket": "hour", "from": "2026-03-01"}):
        with statements() as sent:
            await overview(berlin, **query)
        assert len(sent) == 5, sent  # the first names the project


async def test_every_question_is_answered_by_an_index(platform: Platform, berlin: Tenant, clone: Clone) -> None:
    busy = await platform.tenant("busy")
    await platform.add(session(berlin, NOON), session(busy, NOON))
    more = text("""
        with made as (
            insert into session (project_id, room_name, status, session_type, message_count, store_transcripts, epochs,
                started_at)
            select :project, 'busy_r' || n, case when n < 200 then 'active' else 'completed' end, 'voice', 0, true, 1,
                cast(:at as timestamptz) - n * interval '1 hour'
            from generate_series(1, 20000) as n returning id, started_at
        ), spent as (
            insert into usage_entry (project_id, source, service, provider, model, input_tokens, output_tokens,
                audio_seconds, characters, requests, cost_usd, unpriced, at)
            select :project, 'made:' || id, 'llm', 'p', 'm', 0, 0, 0, 0, 1, 1, false, started_at from made
        )
        insert into turn (project_id, session_id, epoch, sequence, speech_ended_at, audio_started_at, created_at)
        select project_id, id, 1, n, :at, cast(:at as timestamptz) - n * interval '1 hour', :at
        from session, generate_series(1, 20000) as n where project_id = :project and room_name not like 'busy%'
    """)
    async with platform.database.platform() as db:
        await db.execute(more, {"project": busy.project.id, "at": NOON})
    with psycopg.connect(clone.owner, autocommit=True) as owner:
        owner.execute("analyze session, usage_entry, turn")
    async with platform.database.tenant(busy.project.id) as db:
        days = [NOON - timedelta(days=n) for n in range(30)]
        given = {"project": busy.project.id, "begins": days, "ends": [day + timedelta(days=1) for day in days]}
        for question in (NOW, SESSIONS, COSTS, ANSWERS):
            values = {name: value for name, value in (given | {"now": NOON}).items() if f":{name}" in question.text}
            plan = "\n".join((await db.execute(text(f"explain {question.text}"), values)).scalars())
            assert not READS_WHOLE.search(plan), plan
            assert question is NOW or re.search(r"Index Cond: .* >= span.begins", plan), plan


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"bucket": "week"}, "bucket"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"to": "1774778400"}, "to"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "to"),
        ({"from": "2026-01-01", "bucket": "hour"}, "from"),
        ({"zone": "UTC"}, "zone"),
    ],
)
async def test_a_wrong_question_is_refused_by_name(berlin: Tenant, query: dict[str, str], field: str) -> None:
    refused = await berlin.http.get("/overview", params=query)
    assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_REQUEST"), refused.text
    assert refused.json()["details"]["fields"][0]["field"] == field


@pytest.mark.parametrize(
    ("scopes", "status"),
    [(["read"], 200), (["usage:read", "sessions:read"], 200), (["usage:read"], 403), (["sessions:read"], 403)],
)
async def test_a_key_needs_to_read_both_sessions_and_usage(platform: Platform, scopes: list[str], status: int) -> None:
    tenant = await platform.tenant()
    made = (await tenant.http.post("/api-keys", json={"label": "narrow", "scopes": scopes})).json()["api_key"]
    answered = await tenant.http.get("/overview", headers={"X-API-Key": made["key"]})
    assert answered.status_code == status


async def test_nobody_sees_the_figures_of_another_project(platform: Platform, berlin: Tenant) -> None:
    theirs = await platform.tenant("theirs")
    talk = session(theirs, at(29, 9), outcome="failed")
    await platform.add(talk, cost(theirs, at(29, 9), "9"))
    await platform.add(answer(talk, at(29, 9), 500))
    told = await overview(berlin)
    assert (told["period"]["sessions"], told["period"]["cost"], told["period"]["answers"]) == (0, 0.0, 0)
