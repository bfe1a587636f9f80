"""The console's page of calendars in Chromium: connected, followed, and their bots sent and called off."""

from pathlib import Path

import pytest
from aiohttp import web
from sqlmodel import select

from control_plane.bots.models import Bot
from tests.support.caldav import radicale, utc, vcalendar, vevent
from tests.support.calendars import at
from tests.support.console_pages import LOOKS, needs_pages
from tests.support.pages import in_browser
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Received, Receiver

pytestmark = [pytest.mark.anyio, pytest.mark.page, pytest.mark.timeout(600), needs_pages]

LINK = "LOCATION:https://meet.google.com/abc-defg-hij"
DAVS = """<?xml version="1.0"?><C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
<D:set><D:prop><D:displayname>{name}</D:displayname></D:prop></D:set></C:mkcalendar>"""


@LOOKS
async def test_a_person_connects_calendars_and_sends_bots_to_their_events(
    platform: Platform, tenant: Tenant, receiver: Receiver, tmp_path: Path, look: tuple[str, ...]
) -> None:
    standup = vevent(
        "1", f"DTSTART:{utc(at(1))}", "DURATION:PT15M", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:Standup", LINK
    )
    review = vevent("2", f"DTSTART:{utc(at(2, 2))}", "DURATION:PT1H", "SUMMARY:Review", LINK)
    lunch = vevent("3", f"DTSTART:{utc(at(2, 4))}", "DURATION:PT1H", "SUMMARY:Lunch")

    async def feed(_received: Received) -> web.StreamResponse:
        return web.Response(text=vcalendar("X-WR-CALNAME:Team", standup, review, lunch), content_type="text/calendar")

    async def nothing(_received: Received) -> web.StreamResponse:
        return web.Response(status=404)

    receiver.answer("/feed.ics.not", nothing)
    (tmp_path / "shots").mkdir()
    async with radicale(tmp_path) as server:
        for name in ("home", "work"):
            made = await server.request("MKCALENDAR", f"/ada/{name}-of-ada/", content=DAVS.format(name=name))
            assert made.status_code == 201, made.text
        await server.delete("/ada/work/")
        planning = vcalendar(vevent("4", f"DTSTART:{utc(at(1))}", "DURATION:PT1H", "SUMMARY:Planning", LINK))
        put = await server.put("/ada/work-of-ada/4.ics", content=planning, headers={"Content-Type": "text/calendar"})
        assert put.status_code == 201, put.text
        told = await in_browser(
            "calendars.mjs",
            tmp_path / "result.json",
            *("--url", platform.url, "--key", tenant.key, "--screenshots", str(tmp_path / "shots")),
            *("--feed", receiver.answer("/feed.ics", feed), "--caldav", f"{server.base_url}"),
            *look,
        )

    assert "404" in told["refused"] or "feed" in told["refused"]
    assert told["events"] == ["Standup", "Standup", "Review", "Lunch", "Standup"]
    assert (told["state"], told["linkless"]) == ("Followed", 0)
    assert told["once"] == [True]
    assert told["series"] == [True, True, True]
    assert told["kept"] == [True, True, True, True]
    assert told["never"] == [False, False, False]
    assert "password is refused" in told["wrong"]
    assert "password is refused" in told["unchanged"]
    assert sorted(told["offered"]) == ["home", "work"]
    for what in ("wider", "foreign", "violations", "faults"):
        assert told[what] == [], what
    async with platform.database.platform() as db:
        bots = (await db.exec(select(Bot))).all()
    assert len(bots) >= 4
    assert {bot.state for bot in bots} == {"cancelled"}
