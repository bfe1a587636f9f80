"""Calendars whose providers refuse, forget, or are away; and what callers get wrong."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from control_plane.calendars.models import Calendar
from tests.support.calendars import CLIENT, GoogleServer, at, connect, events_of, point, read_now, status_of
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver

pytestmark = pytest.mark.anyio


async def row(platform: Platform) -> Calendar:
    """The first calendar as it is kept."""
    async with platform.database.platform() as db:
        found = await db.get(Calendar, 1)
        assert found is not None
        return found


async def until(check: Any, *, within: float = 60) -> None:
    """Wait for something to be so."""
    async with asyncio.timeout(within):
        while not await check():
            await asyncio.sleep(0.1)


async def test_an_access_token_that_is_over_or_refused_is_renewed(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer
) -> None:
    google.expires_in = 30
    await connect(http)
    assert google.count("/token") == 2, "one that is nearly over is not used"
    google.expires_in = 3600
    assert await read_now(platform) is None
    assert await read_now(platform) is None
    assert google.count("/token") == 3, "one that is good is used again"
    google.access += 1
    assert await read_now(platform) is None
    assert google.count("/token") == 4


async def test_a_revoked_refresh_token_is_said_and_not_tried_again(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer, tenant: Tenant
) -> None:
    google.put("one", at(1))
    calendar = await connect(http)
    google.refresh_token = None
    google.access += 1

    assert await read_now(platform) == "the refresh token or the OAuth client was refused (invalid_grant)"

    assert (await status_of(http, calendar))[0] == "revoked"
    asked = len(google.asked)
    async with platform.jobs():
        await asyncio.sleep(3)  # polls come every 0.3 s
    assert len(google.asked) == asked
    assert (await row(platform)).next_sync_at is None
    assert [event["name"] for event in await events_of(http, calendar)] == ["Event one"]
    told = (await tenant.http.get("/events")).json()
    assert "calendar.revoked" in str(told)
    google.refresh_token = "refresh-9"
    answer = await http.patch(
        f"/calendars/{calendar['uuid']}", json={"platform": "Google", **CLIENT, "oauth_refresh_token": "refresh-9"}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["calendar"] | {"synced_at": None} == calendar | {"synced_at": None}


async def test_a_sync_token_that_is_gone_leads_to_a_reading_of_everything(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer
) -> None:
    google.put("stays", at(1))
    google.put("goes", at(2))
    calendar = await connect(http)
    [stays, _] = await events_of(http, calendar)
    google.cancel("goes")
    google.oldest = google.version + 1

    assert await read_now(platform) is None

    assert await events_of(http, calendar) == [stays]
    assert "timeMin" in google.asked[-1].query


async def test_a_provider_that_is_busy_is_left_alone_for_as_long_as_it_asks(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer
) -> None:
    calendar = await connect(http)
    for status, body in (
        (429, None),
        (500, None),
        (503, None),
        (403, {"error": {"code": 403, "errors": [{"reason": "rateLimitExceeded"}]}}),
    ):
        google.fail("/events", status, body, Retry_After="120")
        problem = await read_now(platform)
        assert problem is not None
        assert await status_of(http, calendar) == ("failing", problem)
        kept = await row(platform)
        assert kept.next_sync_at is not None
        assert kept.next_sync_at - platform.app.state.clock.now() > timedelta(seconds=100)
    assert kept.failures == 4
    assert await read_now(platform) is None
    assert await status_of(http, calendar) == ("active", None)
    assert (await row(platform)).failures == 0


@pytest.mark.parametrize(
    ("status", "said"), [(403, "the provider answered 403 (forbidden)"), (404, "the provider answered 404 (notFound)")]
)
async def test_a_refusal_is_shown_as_it_is(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer, status: int, said: str
) -> None:
    calendar = await connect(http)
    reason = {403: "forbidden", 404: "notFound"}[status]
    google.fail("/events", status, {"error": {"code": status, "errors": [{"reason": reason}]}})

    answer = (await http.post("/calendars/resync_all")).json()

    assert answer == {"synced_calendars": [], "errors": [[calendar["uuid"], said]]}
    again = (await http.post("/calendars/resync_all", params={"days": 14})).json()
    assert again == {"synced_calendars": [calendar["uuid"]], "errors": []}


async def test_credentials_that_do_not_serve_connect_nothing(http: httpx2.AsyncClient, google: GoogleServer) -> None:
    wrong = {"platform": "Google", **CLIENT, "oauth_refresh_token": "stolen"}
    for path in ("/calendars", "/calendars/raw"):
        answer = await http.post(path, json=wrong)
        assert answer.status_code == 400
        assert "invalid_grant" in answer.json()["error"]
        assert "stolen" not in answer.text
    answer = await http.post("/calendars", json={"platform": "Google", **CLIENT, "raw_calendar_id": "no-such"})
    assert answer.status_code == 400
    google.fail("/calendarList", 500)
    answer = await http.post("/calendars", json={"platform": "Google", **CLIENT})
    assert answer.status_code == 503
    assert (await http.get("/calendars")).json() == []


async def test_what_callers_get_wrong_is_refused_and_changes_nothing(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer, tenant: Tenant
) -> None:
    google.put("no-meeting", at(1), hangoutLink=None)
    google.put("over", at(hours=-3))
    google.put("good", at(2))
    calendar = await connect(http)
    assert (await http.post("/calendars", json={"platform": "Google", **CLIENT})).status_code == 409
    for body in (
        {"platform": "Yahoo", **CLIENT},
        {"platform": "Google"},
        {"platform": "CalDAV", "url": "https://example.org"},
        {"platform": "ICS", "url": "file:///etc/passwd"},
        {"platform": "Google", **CLIENT, "oauth_client_id": "\x00"},
        [],
    ):
        assert (await http.post("/calendars", json=body)).status_code == 400, body
    closed = await http.post("/calendars", json={"platform": "ICS", "url": "http://169.254.169.254/latest"})
    assert closed.status_code == 400
    assert "not allowed" in closed.json()["error"]
    no_meeting, good = await events_of(http, calendar)
    [over] = await events_of(http, calendar, status="past")
    bot = {"bot_name": "Notes"}
    for event in (no_meeting, over):
        assert (await http.post(f"/calendar_events/{event['uuid']}/bot", json=bot)).status_code == 409
    path = f"/calendar_events/{good['uuid']}/bot"
    assert (await http.patch(path, json=bot)).status_code == 409, "no bot is scheduled"
    for wrong in (
        {},
        bot | {"speech_to_text": "Gladia"},
        bot | {"webhook_url": "http://10.0.0.1/"},
        bot | {"extra": 1},
    ):
        assert (await http.post(path, json=wrong)).status_code == 400, wrong
    assert (await http.delete(path)).status_code == 200, "calling off what was not planned is fine"
    for query in ({"status": "later"}, {"cursor": "x"}, {"start_date_gte": "tomorrow"}, {"limit": "5"}):
        asked = {"calendar_id": calendar["uuid"], **query}
        assert (await http.get("/calendar_events", params=asked)).status_code == 400, query
    stranger = await platform.tenant("other")
    foreign = {"x-meeting-baas-api-key": stranger.key}
    for method, path in (
        ("GET", f"/calendars/{calendar['uuid']}"),
        ("DELETE", f"/calendars/{calendar['uuid']}"),
        ("GET", f"/calendar_events/?calendar_id={calendar['uuid']}"),
        ("GET", f"/calendar_events/{good['uuid']}"),
        ("DELETE", f"/calendar_events/{good['uuid']}/bot"),
    ):
        assert (await http.request(method, path, headers=foreign)).status_code == 403, path
        nobody = path.replace(calendar["uuid"], good["uuid"]) if "calendars/" in path else None
        if nobody:
            assert (await http.request(method, nobody)).status_code == 404
    assert (await http.get("/calendars", headers={"x-meeting-baas-api-key": "pk_wrong"})).status_code == 401
    assert [event["uuid"] for event in await events_of(http, calendar)] == [no_meeting["uuid"], good["uuid"]]


async def test_a_notice_of_the_provider_has_the_calendar_read(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer
) -> None:
    point(platform, calendar_push=True, calendar_poll=timedelta(hours=1))
    platform.app.state.channels.wanted = True
    calendar = await connect(http)
    [channel] = google.channels.values()
    assert channel["address"] == f"{platform.settings.public_url}/hooks/calendars/google"
    google.put("one", at(1))
    told = {"X-Goog-Channel-ID": channel["id"], "X-Goog-Channel-Token": "guessed"}
    hook = "/hooks/calendars/google"
    async with platform.jobs():
        assert (await http.post(hook, headers=told)).status_code == 401
        assert (await http.post(hook, headers=told | {"X-Goog-Channel-Token": channel["token"]})).status_code == 200

        async def is_there() -> bool:
            return bool(await events_of(http, calendar))

        await until(is_there)
    asked = await http.post("/hooks/calendars/microsoft", params={"validationToken": "any <b>thing</b>"})
    assert (asked.text, asked.headers["content-type"]) == ("any <b>thing</b>", "text/plain; charset=utf-8")
    assert (await http.post("/hooks/calendars/microsoft", content=b"{}")).status_code == 400
    assert (await http.delete(f"/calendars/{calendar['uuid']}")).status_code == 200
    assert google.channels == {}


async def test_changes_are_told_by_webhook_with_the_events_concerned(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer, tenant: Tenant, receiver: Receiver
) -> None:
    body = {"url": f"{receiver.url}/", "events": ["calendar.sync_events"]}
    assert (await tenant.http.post("/webhooks", json=body)).status_code == 201
    async with platform.jobs():
        google.put("one", at(1))
        calendar = await connect(http)
        google.put("two", at(2))
        first, second = await receiver.wait_for(2)
        one, two = await events_of(http, calendar)
    assert first.event["data"]["affected_event_uuids"] == [one["uuid"]]
    assert second.event["data"]["affected_event_uuids"] == [two["uuid"]]
    assert second.event["data"]["calendar_id"] == calendar["uuid"]


async def test_the_accounts_address_is_told_in_the_words_of_the_document(
    platform: Platform, http: httpx2.AsyncClient, google: GoogleServer, tenant: Tenant, receiver: Receiver
) -> None:
    url = {"meeting_baas_webhook_url": f"{receiver.url}/"}
    assert (await tenant.http.patch("/account", json=url)).status_code == 200
    google.put("one", at(1))
    async with platform.jobs():
        calendar = await connect(http)
        [told] = await receiver.wait_for(1)
        [event] = await events_of(http, calendar)
    assert told.event["event"] == "calendar.sync_events"
    assert told.event["data"]["calendar_id"] == calendar["uuid"]
    assert told.event["data"]["affected_event_uuids"] == [event["uuid"]]
    assert told.headers["x-meeting-baas-api-key"] == tenant.key
