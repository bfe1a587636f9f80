"""Channels by which Microsoft tells of changes: opened, heard, prolonged, closed."""

from datetime import timedelta

import httpx2
import pytest
from sqlmodel import update

from control_plane.calendars.models import Calendar
from tests.support.calendars import MicrosoftServer, at, connect, events_of, point, read_now, status_of
from tests.support.platform import Platform
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def graph(platform: Platform, microsoft: MicrosoftServer) -> MicrosoftServer:
    """Graph, which tells of changes."""
    point(platform, calendar_push=True, calendar_poll=timedelta(hours=1))
    platform.app.state.channels.wanted = True
    microsoft.reaches = platform.url
    return microsoft


async def row(platform: Platform, **changed: object) -> Calendar:
    """The first calendar as it is kept, or is kept from now on."""
    async with platform.database.platform() as db:
        if changed:
            await db.exec(update(Calendar).values(**changed))
        found = await db.get(Calendar, 1)
    assert found is not None
    return found


async def nearly_over(platform: Platform) -> Calendar:
    """The first calendar, whose channel ends in an hour."""
    return await row(platform, channel_until=platform.app.state.clock.now() + timedelta(hours=1))


async def test_a_notice_of_graph_has_the_calendar_read(
    platform: Platform, http: httpx2.AsyncClient, graph: MicrosoftServer
) -> None:
    calendar = await connect(http, "Microsoft")
    [(name, subscription)] = graph.subscriptions.items()
    assert subscription["resource"] == "me/calendars/AAMk=/events"
    assert subscription["changeType"] == "created,updated,deleted"
    assert subscription["notificationUrl"] == f"{platform.settings.public_url}/hooks/calendars/microsoft"
    graph.put("one", at(1))
    async with platform.jobs():
        assert await graph.tell(name, secret="guessed") == 401
        assert await graph.tell(name) == 202

        async def is_there() -> bool:
            return bool(await events_of(http, calendar))

        await until(is_there)
    assert (await http.delete(f"/calendars/{calendar['uuid']}")).status_code == 200
    assert graph.subscriptions == {}


async def test_a_calendar_whose_credentials_nobody_can_read_any_more_can_be_removed(
    platform: Platform, http: httpx2.AsyncClient, graph: MicrosoftServer
) -> None:
    calendar = await connect(http, "Microsoft")
    assert (await row(platform)).channel_id is not None
    await row(platform, sealed_credentials=b"sealed with a key that is lost")
    assert (await http.delete(f"/calendars/{calendar['uuid']}")).status_code == 200
    assert (await http.get(f"/calendars/{calendar['uuid']}")).status_code == 404


async def test_a_subscription_is_prolonged_before_it_ends(
    platform: Platform, http: httpx2.AsyncClient, graph: MicrosoftServer
) -> None:
    await connect(http, "Microsoft")
    await read_now(platform)
    assert graph.count("/subscriptions") == 1, "one that is good is left alone"
    before = await nearly_over(platform)
    assert await read_now(platform) is None
    after = await row(platform)
    assert list(graph.subscriptions) == [after.channel_id] == [before.channel_id]
    assert after.channel_until is not None
    assert after.channel_until - platform.app.state.clock.now() > timedelta(days=2)
    assert graph.asked[-1].method == "PATCH"


async def test_a_subscription_that_graph_has_forgotten_is_made_anew(
    platform: Platform, http: httpx2.AsyncClient, graph: MicrosoftServer
) -> None:
    await connect(http, "Microsoft")
    before = await nearly_over(platform)
    graph.subscriptions.clear()
    assert await read_now(platform) is None
    after = await row(platform)
    assert list(graph.subscriptions) == [after.channel_id]
    assert after.channel_id != before.channel_id
    assert await graph.tell(str(after.channel_id)) == 202


async def test_a_subscription_that_cannot_be_prolonged_now_is_kept_until_its_end(
    platform: Platform, http: httpx2.AsyncClient, graph: MicrosoftServer
) -> None:
    await connect(http, "Microsoft")
    before = await nearly_over(platform)
    for _ in range(2):  # neither longer nor anew
        graph.fail("/subscriptions", 503)
    assert await read_now(platform) is None
    after = await row(platform)
    assert (after.channel_id, after.channel_until) == (before.channel_id, before.channel_until)
    assert await graph.tell(str(after.channel_id)) == 202


async def test_a_calendar_that_graph_does_not_watch_is_only_polled(
    platform: Platform, http: httpx2.AsyncClient, graph: MicrosoftServer
) -> None:
    graph.fail("/subscriptions", 403)
    calendar = await connect(http, "Microsoft")
    assert await status_of(http, calendar) == ("active", None)
    kept = await row(platform)
    assert (kept.channel_id, kept.channel_until, graph.subscriptions) == (None, None, {})
