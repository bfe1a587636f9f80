"""Calendars of Google: connected, read, followed."""

import asyncio
from datetime import timedelta

import httpx2
import pytest

from control_plane.bots.telling import secrets_of
from tests.support.bothost import bot_host
from tests.support.calendars import CLIENT, GoogleServer, at, bots_of, connect, events_of, read_now
from tests.support.meetings import meet_people
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver

pytestmark = pytest.mark.anyio


async def test_a_connected_calendar_is_read_at_once(http: httpx2.AsyncClient, google: GoogleServer) -> None:
    google.put("one", at(1), description="Agenda", attendees=[{"email": "Bob@example.org", "displayName": "Bob"}])
    google.put("two", at(2), hangoutLink=None, location="https://zoom.us/j/123456789?pwd=42")

    calendar = await connect(http)

    assert calendar["name"] == "Ada"
    assert calendar["status"] == "active"
    first, second = await events_of(http, calendar)
    assert (first["name"], first["meeting_url"]) == ("Event one", "https://meet.google.com/abc-defg-hij")
    assert first["attendees"] == [{"email": "Bob@example.org", "name": "Bob"}]
    assert first["is_organizer"] is True
    assert first["raw"]["description"] == "Agenda"
    assert second["meeting_url"] == "https://zoom.us/j/123456789?pwd=42"
    assert (await http.get("/calendars")).json() == [calendar]


async def test_what_changes_is_followed(platform: Platform, http: httpx2.AsyncClient, google: GoogleServer) -> None:
    google.put("stays", at(1))
    google.put("moves", at(2))
    google.put("goes", at(3))
    calendar = await connect(http)
    google.put("moves", at(5), summary="Later")
    google.cancel("goes")
    google.put("comes", at(4))

    assert await read_now(platform) is None

    names = [event["name"] for event in await events_of(http, calendar)]
    assert names == ["Event stays", "Event comes", "Later"]
    assert google.asked[-1].query["syncToken"]


async def test_a_bot_goes_where_its_event_goes(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer, tenant: Tenant
) -> None:
    start = at(1)
    google.put("one", start)
    [event] = await events_of(http, await connect(http))
    asked = {
        "bot_name": "Notes",
        "extra": {"mine": 1},
        "speech_to_text": {"provider": "Gladia", "api_key": "the-key-of-gladia"},
        "recording_mode": "audio_only",
        "silence_timeout": 30,
    }

    scheduled = await http.post(f"/calendar_events/{event['uuid']}/bot", json=asked)

    assert scheduled.status_code == 200, scheduled.text
    shown = scheduled.json()[0]["bot_param"]
    assert (shown["bot_name"], shown["extra"], shown["recording_mode"]) == ("Notes", {"mine": 1}, "audio_only")
    assert "the-key-of-gladia" not in scheduled.text
    [bot] = await bots_of(platform)
    assert (bot.due_at, str(bot.event_uuid)) == (start, event["uuid"])
    assert secrets_of(platform.app.state.secrets, bot) == {"key": tenant.key, "recogniser": "the-key-of-gladia"}
    assert (bot.asked["silence_timeout"], bot.asked["recogniser"]) == (30, "Gladia")

    later = at(2)
    google.put("one", later)
    assert await read_now(platform) is None
    [bot] = await bots_of(platform)
    assert (bot.state, bot.due_at) == ("scheduled", later)
    patched = await http.patch(f"/calendar_events/{event['uuid']}/bot", json={"bot_name": "Other"})
    assert patched.json()[0]["bot_param"]["speech_to_text_provider"] == "Gladia"
    assert [(bot.bot_name, bot.state) for bot in await bots_of(platform)] == [
        ("Notes", "cancelled"),
        ("Other", "scheduled"),
    ]
    google.put("one", later, hangoutLink=None, location="https://zoom.us/j/987654321")
    assert await read_now(platform) is None
    *_, bot = await bots_of(platform)
    assert (bot.meeting_url, bot.state) == ("https://zoom.us/j/987654321", "scheduled")
    google.cancel("one")
    assert await read_now(platform) is None
    assert {bot.state for bot in await bots_of(platform)} == {"cancelled"}
    gone = (await http.get(f"/calendar_events/{event['uuid']}")).json()
    assert (gone["deleted"], gone["bot_param"]) == (True, None)


async def test_an_address_that_another_key_names_is_shown_that_key_alone(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer, tenant: Tenant, receiver: Receiver
) -> None:
    """Who may do nothing but change calendars' bots would be told the keys of those who may do more."""
    for number in range(2):
        google.put(f"weekly-{number}", at(1 + 7 * number), recurringEventId="weekly")
    calendar = await connect(http)
    event, _ = await events_of(http, calendar)
    path = f"/calendar_events/{event['uuid']}/bot?all_occurrences=true"
    asked = {"bot_name": "Notes", "speech_to_text": {"provider": "Gladia", "api_key": "of-gladia"}}
    assert (await http.post(path, json=asked)).status_code == 200
    made = await tenant.http.post("/api-keys", json={"label": "plans", "scopes": ["calendars:write"]})
    key = made.json()["api_key"]["key"]
    named = {"x-meeting-baas-api-key": key}

    box = platform.app.state.secrets
    renamed = await http.patch(path, json={"bot_name": "Other"}, headers=named)
    shown = [secrets_of(box, bot) for bot in await bots_of(platform) if bot.state == "scheduled"]
    assert (renamed.status_code, [one["key"] for one in shown]) == (200, [tenant.key] * 2)

    moved = await http.patch(path, json={"webhook_url": f"{receiver.url}/"}, headers=named)

    assert moved.status_code == 200
    google.put("weekly-2", at(15), recurringEventId="weekly")
    assert await read_now(platform) is None
    bots = await bots_of(platform)
    now = [bot for bot in bots if bot.state == "scheduled"]
    assert [secrets_of(box, bot) for bot in now] == [{"key": key, "recogniser": "of-gladia"}] * 3
    assert {bot.key_id for bot in now}.isdisjoint(bot.key_id for bot in bots if bot not in now)


async def test_a_series_has_a_bot_for_every_occurrence_also_for_those_that_come_later(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer
) -> None:
    for number in range(3):
        google.put(f"weekly-{number}", at(1 + 7 * number), recurringEventId="weekly")
    google.put("other", at(1, minutes=10))
    calendar = await connect(http)
    first, _, *_ = await events_of(http, calendar)
    path = f"/calendar_events/{first['uuid']}/bot?all_occurrences=true"

    scheduled = (await http.post(path, json={"bot_name": "Notes"})).json()

    assert [event["google_id"] for event in scheduled] == ["weekly-0", "weekly-1", "weekly-2"]
    google.put("weekly-3", at(22), recurringEventId="weekly")
    assert await read_now(platform) is None
    assert {event["google_id"] for event in await events_of(http, calendar) if event["bot_param"]} == {
        f"weekly-{number}" for number in range(4)
    }
    patched = await http.patch(path, json={"bot_name": "Other", "extra": {"a": 1}})
    assert [event["bot_param"]["bot_name"] for event in patched.json()] == ["Other"] * 4
    alone = await http.delete(f"/calendar_events/{first['uuid']}/bot")
    assert [event["bot_param"] for event in alone.json()] == [None]
    waiting = [bot for bot in await bots_of(platform) if bot.state == "scheduled"]
    assert [(bot.bot_name, bot.extra) for bot in waiting] == [("Other", {"a": 1})] * 3
    assert len((await http.delete(path)).json()) == 4
    google.put("weekly-4", at(29), recurringEventId="weekly")
    assert await read_now(platform) is None
    assert {bot.state for bot in await bots_of(platform)} == {"cancelled"}


async def test_a_calendar_that_is_removed_or_given_other_credentials_sends_no_bots(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer
) -> None:
    google.put("one", at(1))
    calendar = await connect(http)
    [event] = await events_of(http, calendar)
    path = f"/calendar_events/{event['uuid']}/bot"
    await http.post(path, json={"bot_name": "Notes"})

    assert (
        await http.patch(f"/calendars/{calendar['uuid']}", json={"platform": "Google", **CLIENT})
    ).status_code == 200

    assert [bot.state for bot in await bots_of(platform)] == ["cancelled"]
    [again] = await events_of(http, calendar)
    assert (again["uuid"], again["bot_param"]) == (event["uuid"], None)
    assert (await http.post(path, json={"bot_name": "Notes"})).status_code == 200
    assert (await http.delete(f"/calendars/{calendar['uuid']}")).status_code == 200
    assert [bot.state for bot in await bots_of(platform)] == ["cancelled", "cancelled"]
    assert (await http.get(f"/calendars/{calendar['uuid']}")).status_code == 404
    assert (await http.get(f"/calendar_events/{event['uuid']}")).status_code == 404


async def test_a_bot_is_sent_when_its_event_begins(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer, tenant: Tenant
) -> None:
    meeting = await meet_people(tenant)
    google.put("one", at(days=0, hours=0, minutes=-1), hangoutLink=None, location=meeting["url"])
    calendar = await connect(http)
    [event] = await events_of(http, calendar)
    assert event["meeting_url"] == meeting["url"]
    async with bot_host(platform) as host:
        await http.post(f"/calendar_events/{event['uuid']}/bot", json={"bot_name": "Notes"})
        job = await host.attend()
        await host.starts(job)
        google.cancel("one")
        assert await read_now(platform) is None
        [bot] = await bots_of(platform)
        assert (bot.state, bot.leave_at) == ("attending", None), "who is there already stays"


async def test_long_lists_come_in_pages(http: httpx2.AsyncClient, google: GoogleServer) -> None:
    begin = at(1)
    for number in range(250):
        google.put(f"{number:03}", begin + timedelta(minutes=number // 3))
    calendar = await connect(http)
    seen: list[str] = []
    query = {"calendar_id": calendar["uuid"]}
    while True:
        page = (await http.get("/calendar_events", params=query)).json()
        assert len(page["data"]) <= 100
        seen += [event["google_id"] for event in page["data"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert len(seen) == 250
    assert set(seen) == set(google.events)
    some = {
        "start_date_gte": (begin + timedelta(minutes=80)).isoformat(),
        "organizer_email": "ADA@example.org",
        "status": "all",
    }
    assert len(await events_of(http, calendar, **some)) == 250 - 3 * 80
    assert await events_of(http, calendar, organizer_email="bob@example.org") == []


async def test_readings_of_the_same_calendar_at_once_come_one_after_the_other(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer
) -> None:
    for number in range(20):
        google.put(f"{number}", at(1, minutes=number))
    calendar = await connect(http)
    answers = await asyncio.gather(*(http.post("/calendars/resync_all") for _ in range(4)))
    assert [answer.json()["synced_calendars"] for answer in answers] == [[calendar["uuid"]]] * 4
    assert len(await events_of(http, calendar)) == 20


async def test_a_bot_that_was_sent_away_by_itself_does_not_come_back_with_its_event(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer
) -> None:
    google.put("one", at(1))
    calendar = await connect(http)
    [event] = await events_of(http, calendar)
    await http.post(f"/calendar_events/{event['uuid']}/bot", json={"bot_name": "Notes"})
    [bot] = await bots_of(platform)

    assert (await http.delete(f"/bots/{bot.uuid}")).status_code == 200

    [event] = await events_of(http, calendar)
    assert event["bot_param"] is None
    google.put("one", at(1), description="Another agenda")
    assert await read_now(platform) is None
    assert [bot.state for bot in await bots_of(platform)] == ["cancelled"]
