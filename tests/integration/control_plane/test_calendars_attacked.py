"""Calendars, and those who keep them, that mean no good: what they cost is bounded, and nobody else pays for it."""

import asyncio

import httpx2
import pytest
from aiohttp import web

from control_plane.calendars import sync
from control_plane.calendars.models import Calendar
from tests.support.calendars import (
    GoogleServer,
    at,
    bots_of,
    connect,
    events_of,
    read_now,
    serving,
    status_of,
)
from tests.support.platform import Platform, Tenant
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio

LONG = '<!DOCTYPE a [<!ENTITY b "{}">]>'.format("b" * 1000)


FEED = "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"


async def test_a_calendar_is_connected_once_though_two_ask_at_the_same_time(
    platform: Platform, http: httpx2.AsyncClient
) -> None:
    async def serve(_request: web.Request) -> web.StreamResponse:
        return web.Response(text=FEED, content_type="text/calendar")

    async with serving(serve) as url:
        answers = await asyncio.gather(
            *(http.post("/calendars", json={"platform": "ICS", "url": url}) for _ in range(4))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert len((await http.get("/calendars")).json()) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_xml_that_grows_as_it_is_read_is_refused_in_every_encoding(
    platform: Platform, http: httpx2.AsyncClient, encoding: str
) -> None:
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>{LONG}<D:multistatus xmlns:D="DAV:">{"&b;" * 1000}</D:multistatus>'
    )

    async def serve(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=text.encode(encoding), status=207, content_type="application/xml")

    async with serving(serve) as url:
        body = {"platform": "CalDAV", "url": url, "username": "ada", "password": "x"}
        answer = await http.post("/calendars/raw", json=body)
    assert answer.status_code == 400
    assert "the server's answer is not" in answer.json()["error"]


async def test_a_calendar_with_too_much_in_it_is_not_read(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "MOST_EVENTS", 300)
    for number in range(400):
        google.put(f"{number:03}", at(1, minutes=number))
    calendar = await connect(http)
    assert await status_of(http, calendar) == ("failing", "it has more than 300 events")
    for number in range(150):
        google.cancel(f"{number:03}")
    assert await read_now(platform) is None
    assert (await status_of(http, calendar))[0] == "active"
    monkeypatch.setattr(sync, "MOST_KEPT", 100)
    assert await read_now(platform) == "more than 100 of its events are kept already"


async def test_slow_calendars_of_one_account_do_not_hold_up_those_of_others(
    platform: Platform, http: httpx2.AsyncClient, tenant: Tenant, google: GoogleServer
) -> None:
    calm = asyncio.Event()
    calm.set()
    waiting = 0

    async def serve(_request: web.Request) -> web.StreamResponse:
        nonlocal waiting
        waiting += not calm.is_set()
        await calm.wait()
        return web.Response(text=FEED, content_type="text/calendar")

    stranger = await platform.tenant("other")
    async with serving(serve) as url:
        for number in range(sync.AT_ONCE + 2):
            await connect(http, "ICS", url=f"{url}/{number}.ics")
        calm.clear()
        headers = {"x-meeting-baas-api-key": stranger.key}
        async with httpx2.AsyncClient(base_url=platform.url, headers=headers, timeout=30) as other, platform.jobs():

            async def is_slow() -> bool:
                return waiting >= sync.OF_A_PROJECT

            await until(is_slow)
            calendar = await connect(other)
            google.put("one", at(1))

            async def is_read() -> bool:
                return bool(await events_of(other, calendar))

            await until(is_read)
            assert waiting == sync.OF_A_PROJECT
            calm.set()


async def test_what_a_bot_would_fail_with_later_is_refused_when_it_is_planned(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer
) -> None:
    google.put("one", at(1))
    [event] = await events_of(http, await connect(http))
    path = f"/calendar_events/{event['uuid']}/bot"
    bot = {"bot_name": "Notes"}
    stranger = await platform.tenant("other")
    foreign = await stranger.make_agent(name="Foreign")
    for wrong, status in (
        ({"speech_to_text": {"provider": "Runpod", "api_key": "k"}}, 400),
        ({"streaming_output": "wss://user:word@example.com/"}, 400),
        ({"streaming_input": "wss://example.com:0/"}, 400),
        ({"extra": {"agent_id": foreign}}, 403),
        ({"extra": {"agent_id": 10_000}}, 404),
    ):
        answer = await http.post(path, json=bot | wrong)
        assert (answer.status_code, "error" in answer.json()) == (status, True), wrong
    assert await bots_of(platform) == []
    assert (await http.post(path, json=bot)).status_code == 200
    assert (await http.patch(path, json={"extra": {"agent_id": 10_000}})).status_code == 404


async def test_an_event_that_moves_to_the_end_of_the_calendar_takes_its_bot_along(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer
) -> None:
    google.put("one", at(1))
    calendar = await connect(http)
    [event] = await events_of(http, calendar)
    await http.post(f"/calendar_events/{event['uuid']}/bot", json={"bot_name": "Notes"})
    google.put("one", at(1))
    google.events["one"] |= {"start": {"dateTime": "9999-12-31T23:59:00Z"}, "end": {"dateTime": "9999-12-31T23:59:59Z"}}
    assert await read_now(platform) is None
    google.events["one"] |= {"hangoutLink": "https://meet.google.com/new-addr-ess"}
    google.changes["one"] = google.version = google.version + 1
    assert await read_now(platform) is None
    assert [bot.state for bot in await bots_of(platform)] == ["cancelled", "scheduled"]


@pytest.mark.parametrize("after", ["²", "-5", "soon", "9" * 400, "Wed, 99 Foo 20x6 99:99:99 GMT"])
async def test_a_time_to_wait_that_makes_no_sense_is_none(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer, after: str
) -> None:
    calendar = await connect(http)
    google.fail("/events", 429, None, Retry_After=after)
    assert await read_now(platform) == "the provider answered 429"
    assert (await status_of(http, calendar))[0] == "failing"


@pytest.mark.parametrize(
    "body",
    [
        b'{"value":[{"subscriptionId":"\\ud800","clientState":"\\udfff"}]}',
        b'{"value":[{"subscriptionId":"a\\u0000","clientState":{"x":[1]}}]}',
        b'{"value":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"value":{"a":1}}',
        b"\xff\xfe",
        b"",
    ],
)
async def test_notices_that_make_no_sense_are_refused(platform: Platform, body: bytes) -> None:
    async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as nobody:
        answer = await nobody.post("/hooks/calendars/microsoft", content=body)
        assert answer.status_code in (400, 401)
        assert "error" in answer.json()
        odd = {"X-Goog-Channel-ID": b"\xff\x80", "X-Goog-Channel-Token": b"\xe9"}
        assert (await nobody.post("/hooks/calendars/google", headers=odd)).status_code == 401


async def test_a_calendar_that_takes_long_is_read_on_after_the_answer(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control_plane.calendars.service.RESYNCED_WITHIN", 0.5)
    held = asyncio.Event()

    async def serve(_request: web.Request) -> web.StreamResponse:
        await held.wait()
        return web.Response(text=FEED, content_type="text/calendar")

    async with serving(serve) as url:
        held.set()
        slow = await connect(http, "ICS", url=url)
        quick = await connect(http)
        held.clear()
        answer = (await http.post("/calendars/resync_all")).json()
        assert answer["synced_calendars"] == [quick["uuid"]]
        assert [uuid for uuid, _ in answer["errors"]] == [slow["uuid"]]
        async with platform.database.platform() as db:
            row = await db.get(Calendar, 1)
        assert row is not None
        assert row.full_at is None
        assert row.next_sync_at is not None
        assert row.next_sync_at <= platform.app.state.clock.now()
        held.set()
