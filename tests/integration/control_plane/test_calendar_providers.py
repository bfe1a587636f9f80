"""Calendars of Microsoft, of a CalDAV server, and of feeds."""

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx2
import pytest
from aiohttp import web

from tests.support.caldav import radicale, utc, vcalendar, vevent
from tests.support.calendars import MicrosoftServer, at, bots_of, connect, events_of, read_now, serving, status_of
from tests.support.platform import Platform

pytestmark = pytest.mark.anyio


async def test_a_calendar_of_microsoft_is_read_and_followed(
    platform: Platform, http: httpx2.AsyncClient, microsoft: MicrosoftServer
) -> None:
    microsoft.rotates = True
    for number in range(120):
        microsoft.put(f"one-{number:03}", at(1, minutes=number))
    meeting = {"joinUrl": "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x", "conferenceId": "123 456 789"}
    microsoft.put(
        "master",
        at(2),
        kind="seriesMaster",
        subject="Weekly",
        onlineMeeting=meeting | {"tollNumber": "+1 469-555-0100"},
        attendees=[{"emailAddress": {"name": "Bob", "address": "bob@example.org"}, "type": "required"}],
    )
    microsoft.put("occurrence-1", at(2), kind="occurrence", seriesMasterId="master")
    microsoft.put("occurrence-2", at(9), kind="occurrence", seriesMasterId="master")

    calendar = await connect(http, "Microsoft")

    assert (calendar["name"], calendar["email"], calendar["status"]) == ("Calendar", "ada@example.org", "active")
    first, second = await events_of(http, calendar, attendee_email="BOB@example.org")
    assert (first["name"], first["is_recurring"], first["recurring_event_id"]) == ("Weekly", True, "master")
    assert first["meeting_url"] == meeting["joinUrl"]
    assert first["dial_in"] == {"number": "+1 469-555-0100", "pin": "123 456 789"}
    microsoft.remove("occurrence-1")
    microsoft.put("occurrence-2", at(10), kind="occurrence", seriesMasterId="master")
    microsoft.put("one-000", at(3), subject="Moved", isCancelled=True)
    assert await read_now(platform) is None
    [moved] = await events_of(http, calendar, attendee_email="bob@example.org")
    assert (moved["uuid"], moved["start_time"] > second["start_time"]) == (second["uuid"], True)
    microsoft.access += 1  # the access token is refused from now on
    assert await read_now(platform) is None
    assert microsoft.asked[-2].body["refresh_token"] == "refresh-2", "the token that the last refresh gave"


async def test_what_graph_refuses_is_shown_and_tried_again(
    platform: Platform, http: httpx2.AsyncClient, microsoft: MicrosoftServer
) -> None:
    microsoft.put("one", at(1))
    calendar = await connect(http, "Microsoft")
    for status, code in ((403, "ErrorAccessDenied"), (429, "ApplicationThrottled"), (500, "ErrorInternalServerError")):
        microsoft.fail("/calendarView", status, {"error": {"code": code}}, Retry_After="60")
        problem = await read_now(platform)
        assert problem is not None
        assert str(status) in problem
        assert await status_of(http, calendar) == ("failing", problem)
        assert len(await events_of(http, calendar)) == 1, "what was read stays"
    assert await read_now(platform) is None
    assert await status_of(http, calendar) == ("active", None)
    microsoft.refresh_token = None
    microsoft.access += 1
    assert await read_now(platform) is not None
    assert (await status_of(http, calendar))[0] == "revoked"


async def test_a_link_to_another_server_is_not_followed(
    platform: Platform, http: httpx2.AsyncClient, microsoft: MicrosoftServer
) -> None:
    calendar = await connect(http, "Microsoft")
    microsoft.faults.append(("/delta", web.json_response({"value": [], "@odata.nextLink": "http://127.0.0.2:1/x"})))

    problem = await read_now(platform)

    assert problem == "the provider's list of events goes on at another server"
    assert await status_of(http, calendar) == ("failing", problem)


async def test_a_caldav_server_is_read_and_followed(
    platform: Platform, http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    start = at(1)
    async with radicale(tmp_path) as server:

        async def put(name: str, text: str) -> None:
            answer = await server.put(f"/ada/work/{name}.ics", content=text, headers={"Content-Type": "text/calendar"})
            assert answer.status_code in (201, 204), answer.text

        daily = vevent("daily", f"DTSTART:{utc(start)}", "DURATION:PT30M", "RRULE:FREQ=DAILY;COUNT=5", "SUMMARY:Daily")
        await put("daily", vcalendar(daily))
        link = "LOCATION:https://meet.google.com/abc-defg-hij"
        await put("once", vcalendar(vevent("once", f"DTSTART:{utc(start)}", "DURATION:PT1H", "SUMMARY:Once", link)))
        account = {"url": f"{server.base_url}", "username": "ada", "password": "secret words"}

        listed = await http.post("/calendars/raw", json={"platform": "CalDAV", **account})
        calendar = await connect(http, "CalDAV", **account)

        assert [each["id"] for each in listed.json()["calendars"]] == ["/ada/work/"]
        assert calendar["google_id"] == "/ada/work/"
        events = await events_of(http, calendar)
        assert sorted(event["name"] for event in events) == ["Daily"] * 5 + ["Once"]
        assert {event["meeting_url"] for event in events} == {"", "https://meet.google.com/abc-defg-hij"}
        moved = vevent(
            "daily",
            f"RECURRENCE-ID:{utc(start + timedelta(days=2))}",
            f"DTSTART:{utc(start + timedelta(days=2, hours=3))}",
            "DURATION:PT30M",
            "SUMMARY:Daily later",
        )
        await put("daily", vcalendar(daily.replace("COUNT=5", "COUNT=4"), moved))
        assert (await server.delete("/ada/work/once.ics")).status_code == 200
        assert await read_now(platform) is None
        after = await events_of(http, calendar)
        assert [event["name"] for event in after] == ["Daily", "Daily", "Daily later", "Daily"]
        known = {event["uuid"] for event in events}
        assert {event["uuid"] for event in after} <= known, "an occurrence that moved is the same"
        (tmp_path / "users").write_text("ada:another\n")
        await connect_refused(http, account)


async def connect_refused(http: httpx2.AsyncClient, account: dict[str, str]) -> None:
    """A wrong password is refused with words about it."""
    answer = await http.post("/calendars", json={"platform": "CalDAV", **account | {"password": "wrong"}})
    assert answer.status_code == 400
    assert "password is refused" in answer.json()["error"]


async def test_a_feed_is_read_whole_and_only_when_it_changed(platform: Platform, http: httpx2.AsyncClient) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = at(2).astimezone(berlin).replace(hour=9, minute=0, second=0)
    feed = {"text": "", "etag": "", "sent": 0}

    def publish(*events: str) -> None:
        feed["text"] = vcalendar("X-WR-CALNAME:Team", *events)
        feed["etag"] = f'"{hash(feed["text"])}"'

    async def serve(request: web.Request) -> web.StreamResponse:
        if request.headers.get("If-None-Match") == feed["etag"]:
            return web.Response(status=304)
        feed["sent"] = int(feed["sent"]) + 1
        return web.Response(text=str(feed["text"]), headers={"ETag": str(feed["etag"])}, content_type="text/calendar")

    one = vevent("one", f"DTSTART;TZID=Europe/Berlin:{start:%Y%m%dT%H%M%S}", "DURATION:PT1H", "SUMMARY:One")
    two = vevent("two", f"DTSTART;VALUE=DATE:{start:%Y%m%d}", "SUMMARY:Whole day")
    broken = vevent("broken", "DTSTART:tomorrow", "SUMMARY:Broken")
    publish(one, two, broken)
    async with serving(serve) as url:
        calendar = await connect(http, "ICS", url=f"{url}/secret.ics")
        assert calendar["name"] == "Team"
        assert "secret" not in calendar["google_id"]
        events = await events_of(http, calendar)
        assert [event["name"] for event in events] == ["Whole day", "One"]
        assert events[1]["start_time"] == start.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        sent = feed["sent"]
        assert await read_now(platform) is None
        assert feed["sent"] == sent
        publish(one.replace("SUMMARY:One", "SUMMARY:Uno"))
        assert await read_now(platform) is None
        [left] = await events_of(http, calendar)
        assert (left["name"], left["uuid"]) == ("Uno", events[1]["uuid"])
        feed["text"] = "<html>maintenance</html>"
        feed["etag"] = "another"
        assert await read_now(platform) == "what is at this address is no calendar"
        assert len(await events_of(http, calendar)) == 1


async def test_a_recurrence_of_a_hundred_years_has_bots_as_far_as_calendars_are_read_and_at_the_right_hour(
    platform: Platform, http: httpx2.AsyncClient
) -> None:
    """In 300 days the clocks of Berlin change at least once."""
    berlin = ZoneInfo("Europe/Berlin")
    first = at(-30).astimezone(berlin)
    weekly = vevent(
        "standup",
        f"DTSTART;TZID=Europe/Berlin:{first:%Y%m%d}T090000",
        "DURATION:PT30M",
        f"RRULE:FREQ=WEEKLY;UNTIL={first.year + 100}0101T000000Z",
        "LOCATION:https://meet.google.com/abc-defg-hij",
    )
    feed = {"text": vcalendar(weekly)}

    async def serve(_request: web.Request) -> web.StreamResponse:
        return web.Response(text=feed["text"], content_type="text/calendar")

    async with serving(serve) as url:
        calendar = await connect(http, "ICS", url=url)
        assert (await http.post("/calendars/resync_all", params={"days": 300})).json()["errors"] == []
        events = await events_of(http, calendar)
        assert 300 // 7 <= len(events) <= 300 // 7 + 2
        begins = [datetime.fromisoformat(event["start_time"]) for event in events]
        assert {each.astimezone(berlin).strftime("%H:%M") for each in begins} == {"09:00"}
        assert len({each.hour for each in begins}) == 2, "summer and winter"
        path = f"/calendar_events/{events[0]['uuid']}/bot"
        sent = await http.post(path, params={"all_occurrences": "true"}, json={"bot_name": "Notes"})
        assert len(sent.json()) == len(events)
        assert sorted(bot.due_at for bot in await bots_of(platform)) == sorted(begins)
        feed["text"] = vcalendar()
        assert await read_now(platform) is None
        assert {bot.state for bot in await bots_of(platform)} == {"cancelled"}
