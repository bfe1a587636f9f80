"""Usage: what is recorded is counted once, adds up in every grouping, and shows where it is asked for."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from control_plane.accounts.models import Account, Project
from control_plane.clock import Clock
from control_plane.metering.ledger import record
from control_plane.metering.models import UsageEntry
from tests.support.clocks import SteppedClock
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
_numbers = itertools.count(1)

DIFFERENCES = text("""
    with counted as (
        select (at at time zone 'utc')::date as day, coalesce(persona_id, 0) as persona_id, service, provider, model,
            sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens, sum(audio_seconds) as audio_seconds,
            sum(characters) as characters, sum(requests) as requests, sum(cost_usd) as cost_usd,
            bool_or(unpriced) as unpriced
        from usage_entry where project_id = :project group by 1, 2, 3, 4, 5
    ), rolled as (
        select day, persona_id, service, provider, model, input_tokens, output_tokens, audio_seconds, characters,
            requests, cost_usd, unpriced
        from usage_day where project_id = :project
    )
    select count(*) from counted full join rolled using (day, persona_id, service, provider, model)
    where (counted.input_tokens, counted.output_tokens, counted.characters, counted.requests, counted.cost_usd,
            counted.unpriced) is distinct from
        (rolled.input_tokens, rolled.output_tokens, rolled.characters, rolled.requests, rolled.cost_usd,
            rolled.unpriced)
        or abs(counted.audio_seconds - rolled.audio_seconds) > 1e-6
""")


def entry(project_id: int, **values: Any) -> UsageEntry:
    """A piece of work of now, with a source of its own."""
    given = {"service": "llm", "provider": "api.openai.com", "model": "gpt-4o", "requests": 1, "at": Clock().now()}
    return UsageEntry(**({"project_id": project_id, "source": f"test:{next(_numbers)}"} | given | values))


async def write(platform: Platform, *entries: UsageEntry) -> None:
    for each in entries:
        async with platform.database.platform() as db:
            await record(db, each, clock=Clock())


async def usage(tenant: Tenant, **query: str) -> dict[str, Any]:
    answer = await tenant.http.get("/usage", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_source_counts_once(platform: Platform) -> None:
    tenant = await platform.tenant()
    for _ in range(3):
        await write(platform, entry(tenant.project.id, source="report:1:1:7", input_tokens=1_000_000))
    totals = (await usage(tenant))["totals"]
    assert (totals["cost_usd"], totals["input_tokens"], totals["api_calls"]) == (2.5, 1_000_000, 1)


async def test_usage_answers_as_documented(platform: Platform) -> None:
    tenant = await platform.tenant()
    await write(
        platform,
        entry(tenant.project.id, input_tokens=400_000, output_tokens=50_000, requests=3),
        entry(tenant.project.id, service="stt", model="whisper-1", audio_seconds=600),
        entry(tenant.project.id, service="tts", model="tts-1", characters=40_000, audio_seconds=2000),
    )
    answer = await usage(tenant)
    assert answer == {
        "period": "30d",
        "group_by": "day",
        "totals": {
            "cost_usd": 2.16,
            "input_tokens": 400_000,
            "output_tokens": 50_000,
            "audio_minutes": 10.0,
            "tts_characters": 40_000,
            "api_calls": 5,
        },
        "breakdown": [
            {
                "period": Clock().now().date().isoformat(),
                "cost": 2.16,
                "llm_cost": 1.5,
                "stt_cost": 0.06,
                "tts_cost": 0.6,
                "telephony_cost": 0.0,
                "recording_cost": 0.0,
                "calls": 5,
                "input_tokens": 400_000,
                "output_tokens": 50_000,
                "audio_minutes": 10.0,
                "tts_characters": 40_000,
            }
        ],
        "unpriced": [],
    }


async def test_a_grouping_puts_its_own_name_in_the_place_of_the_period(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await tenant.make_agent()
    await write(
        platform,
        entry(tenant.project.id, persona_id=agent, input_tokens=1000),
        entry(tenant.project.id, service="recording", provider="livekit", model="egress", audio_seconds=60),
    )
    rows = {group: (await usage(tenant, group_by=group))["breakdown"] for group in ("model", "agent", "service")}
    assert [(row["model"], row["provider"]) for row in rows["model"]] == [("egress", "livekit"), ("gpt-4o", "openai")]
    assert [(row["agent"], row["agent_id"]) for row in rows["agent"]] == [("Support Agent", agent), (None, None)]
    assert [row["service"] for row in rows["service"]] == ["llm", "recording"]
    assert "period" not in rows["model"][0]
    assert "model" not in rows["agent"][0]


async def test_days_are_told_apart_by_model_agent_and_service_in_one_answer(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await tenant.make_agent()
    today = Clock().now().replace(hour=0, minute=0, second=0, microsecond=0)
    speech = {"service": "tts", "model": "tts-1", "characters": 40_000}
    work = {"persona_id": agent, "input_tokens": 400_000}
    await write(
        platform,
        entry(tenant.project.id, at=today - timedelta(days=1), **work),
        entry(tenant.project.id, at=today - timedelta(days=1), **speech),
        entry(tenant.project.id, at=today, **work),
        entry(tenant.project.id, at=today, model="gpt-4o-mini", input_tokens=1_000_000),
    )
    yesterday, now = ((today - timedelta(days=n)).date().isoformat() for n in (1, 0))
    for group, names, expected in (
        ("day,model", ("period", "provider", "model", "cost"), [
            (yesterday, "openai", "gpt-4o", 1.0),
            (yesterday, "openai", "tts-1", 0.6),
            (now, "openai", "gpt-4o", 1.0),
            (now, "openai", "gpt-4o-mini", 0.15),
        ]),
        ("day,agent", ("period", "agent", "agent_id", "cost"), [
            (yesterday, "Support Agent", agent, 1.0),
            (yesterday, None, None, 0.6),
            (now, "Support Agent", agent, 1.0),
            (now, None, None, 0.15),
        ]),
        ("day,service", ("period", "service", "cost"), [
            (yesterday, "llm", 1.0),
            (yesterday, "tts", 0.6),
            (now, "llm", 1.15),
        ]),
    ):  # fmt: skip
        answer = await usage(tenant, group_by=group)
        assert [tuple(row[name] for name in names) for row in answer["breakdown"]] == expected
        assert answer["group_by"] == group
        assert answer["totals"]["cost_usd"] == pytest.approx(2.75)


@pytest.mark.parametrize(
    ("now", "calls"),
    [("2026-03-31T23:59:59Z", 2), ("2026-04-01T00:00:00Z", 0)],
)
async def test_a_month_begins_with_its_first_day(platform: Platform, now: str, calls: int) -> None:
    tenant = await platform.tenant()
    for moment in ("2026-02-28T23:59:59Z", "2026-03-01T00:00:00Z", "2026-03-31T12:00:00Z"):
        await write(platform, entry(tenant.project.id, at=datetime.fromisoformat(moment)))
    platform.app.state.clock = SteppedClock(datetime.fromisoformat(now))
    assert (await usage(tenant, period="month"))["totals"]["api_calls"] == calls


async def test_a_period_is_whole_days_with_the_present_one(platform: Platform) -> None:
    tenant = await platform.tenant()
    today = Clock().now().replace(hour=0, minute=0, second=0, microsecond=0)
    for days in (0, 1, 6, 7, 29, 30, 400):
        await write(platform, entry(tenant.project.id, at=today - timedelta(days=days)))
    calls = {
        period: (await usage(tenant, period=period))["totals"]["api_calls"] for period in ("today", "7d", "30d", "all")
    }
    assert calls == {"today": 1, "7d": 3, "30d": 5, "all": 7}


async def test_days_are_those_of_utc(platform: Platform) -> None:
    tenant = await platform.tenant()
    noon = Clock().now().replace(hour=12) - timedelta(days=3)
    late = noon.replace(hour=23, minute=30).astimezone(tz=None)
    await write(platform, entry(tenant.project.id, at=late))
    assert [row["period"] for row in (await usage(tenant))["breakdown"]] == [noon.date().isoformat()]


@pytest.mark.parametrize("query", [{"period": "8d"}, {"group_by": "hour"}, {"period": ""}, {"group_by": "day\x00"}])
async def test_a_wrong_value_is_refused_by_name(platform: Platform, query: dict[str, str]) -> None:
    tenant = await platform.tenant()
    answer = await tenant.http.get("/usage", params=query)
    assert answer.status_code == 400
    assert answer.json()["details"]["fields"][0]["field"] == next(iter(query))


async def test_nobody_sees_the_usage_of_another_project(platform: Platform) -> None:
    ours, theirs = await platform.tenant("ours"), await platform.tenant("theirs")
    await write(platform, entry(theirs.project.id, input_tokens=1000))
    answer = await usage(ours, period="all")
    assert (answer["breakdown"], answer["totals"]["cost_usd"]) == ([], 0.0)


async def test_work_without_a_price_costs_nothing_and_is_named(platform: Platform) -> None:
    tenant = await platform.tenant()
    await write(
        platform,
        entry(tenant.project.id, provider="llm.example.org:8443", model="bard-9", input_tokens=5000),
        entry(tenant.project.id, provider="127.0.0.1:9101", model="extractive-1", input_tokens=5000),
    )
    answer = await usage(tenant)
    assert (answer["totals"]["cost_usd"], answer["totals"]["input_tokens"]) == (0.0, 10_000)
    assert answer["unpriced"] == ["llm.example.org/bard-9"]


async def test_what_was_done_earlier_keeps_its_earlier_price(platform: Platform) -> None:
    tenant = await platform.tenant()
    for at in (datetime(2024, 9, 30, 23, 59, tzinfo=UTC), datetime(2024, 10, 2, tzinfo=UTC)):
        await write(platform, entry(tenant.project.id, input_tokens=1_000_000, at=at))
    assert [row["cost"] for row in (await usage(tenant, period="all"))["breakdown"]] == [5.0, 2.5]


WORK = st.fixed_dictionaries(
    {
        "service": st.sampled_from(["llm", "stt", "tts", "telephony", "recording"]),
        "provider": st.sampled_from(["api.openai.com", "127.0.0.1:80", "deepgram", "nobody"]),
        "model": st.sampled_from(["gpt-4o", "gpt-4o-mini", "whisper-1", "tts-1", "nova-3", "gpt-4o-mini-tts"]),
        "persona_id": st.sampled_from([None, 1, 2]),
        "input_tokens": st.integers(0, 10**7),
        "output_tokens": st.integers(0, 10**7),
        "characters": st.integers(0, 10**6),
        "audio_seconds": st.floats(0, 10**5, allow_nan=False),
        "requests": st.integers(0, 9),
        "at": st.datetimes(datetime(2024, 1, 1), datetime(2025, 12, 31)).map(lambda at: at.replace(tzinfo=UTC)),
        "source": st.integers(0, 30).map("report:{}".format),
    }
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(works=st.lists(WORK, min_size=1, max_size=40))
async def test_the_roll_up_is_the_recount_of_its_entries_at_any_moment(
    platform: Platform, works: list[dict[str, Any]]
) -> None:
    number = next(_numbers)
    account = Account(email=f"{number}@example.org", plan="free")
    await platform.add(account)
    project = Project(account_id=account.id, slug=f"slug{number}", name="p", budget={"limit_usd": 50, "soft_at": 0.5})
    await platform.add(project)
    done = asyncio.Event()

    async def watch() -> None:
        while True:
            async with platform.database.platform() as db:
                assert await db.scalar(DIFFERENCES, {"project": project.id}) == 0
            if done.is_set():
                return

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(write(platform, entry(project.id, **work)) for work in works))
    done.set()
    await watching


async def test_every_grouping_adds_up_to_the_same(platform: Platform) -> None:
    tenant = await platform.tenant()
    works = [
        entry(
            tenant.project.id,
            service=service,
            provider=provider,
            model=model,
            persona_id=number % 3 or None,
            input_tokens=1237 * number % 991,
            output_tokens=7919 * number % 613,
            characters=104729 * number % 977,
            audio_seconds=(number * 0.377) % 61,
            at=NOW - timedelta(days=number % 11, hours=number % 23),
        )
        for number, (service, provider, model) in zip(
            range(220),
            itertools.cycle(
                [
                    ("llm", "api.openai.com", "gpt-4o-mini"),
                    ("llm", "anthropic", "claude-haiku-4-5"),
                    ("stt", "deepgram", "nova-3"),
                    ("tts", "elevenlabs", "eleven_flash_v2_5"),
                    ("tts", "api.openai.com", "gpt-4o-mini-tts"),
                ]
            ),
            strict=False,
        )
    ]
    async with platform.database.platform() as db:
        for work in works:
            await record(db, work, clock=Clock())
    exact = sum((work.cost_usd for work in works), Decimal(0))
    for group in ("day", "model", "agent", "service"):
        answer = await usage(tenant, period="all", group_by=group)
        rows = answer["breakdown"]
        assert len(rows) > 1
        assert answer["totals"]["cost_usd"] == pytest.approx(float(exact), abs=1e-9)
        assert sum(row["cost"] for row in rows) == pytest.approx(float(exact), abs=1e-9)
        parts = ("llm_cost", "stt_cost", "tts_cost", "telephony_cost", "recording_cost")
        assert all(row["cost"] == pytest.approx(sum(row[part] for part in parts), abs=1e-9) for row in rows)
        assert sum(row["calls"] for row in rows) == answer["totals"]["api_calls"] == 220
        assert sum(row["input_tokens"] for row in rows) == answer["totals"]["input_tokens"]
