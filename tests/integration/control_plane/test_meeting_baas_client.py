"""The official client package `@meeting-baas/sdk` (v1), with its address changed and nothing else."""

import asyncio
import json
import shutil
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.bothost import bot_host, in_state
from tests.support.calendars import CLIENT, GoogleServer, MicrosoftServer, at
from tests.support.database import CHECKOUT
from tests.support.meetings import meet_people
from tests.support.platform import Platform, Tenant
from tests.support.recordings import complete
from tests.support.webhooks import until

PACKAGE = CHECKOUT / "web" / "node_modules" / "@meeting-baas" / "sdk" / "dist" / "index.mjs"
DRIVER = CHECKOUT / "tests" / "support" / "meeting_baas_client.mjs"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(NODE is None or not PACKAGE.exists(), reason="node or the package is missing"),
]


class Refused(Exception):
    """What the client says instead of an answer: a name, a status, a message."""


class Client:
    """The package in a process of its own."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def call(self, name: str, *args: Any) -> Any:
        """What a method of the client answers; its own validators have passed. Raises `Refused`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"call": name, "args": args}).encode() + b"\n")
        async with asyncio.timeout(60):
            answer = json.loads(await self.process.stdout.readline())
        if "error" in answer:
            raise Refused(answer["error"], answer.get("status"), answer["message"])
        return answer["value"]

    async def status(self, name: str, *args: Any) -> int:
        """With which status a call was refused."""
        with pytest.raises(Refused) as refusal:
            await self.call(name, *args)
        status: int = refusal.value.args[1]
        return status


@asynccontextmanager
async def official(platform: Platform, tenant: Tenant) -> AsyncIterator[Client]:
    """The client, with a project's key."""
    assert NODE is not None
    environment = {"MEETING_BAAS_API_KEY": tenant.key, "PATH": "/usr/bin:/bin"}
    command = (NODE, str(DRIVER), PACKAGE.as_uri(), platform.url)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=environment, limit=2**24)
    try:
        yield Client(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(60):
            await process.wait()


async def test_a_bot_joins_leaves_and_is_deleted(platform: Platform, tenant: Tenant) -> None:
    meeting = await meet_people(tenant)
    async with official(platform, tenant) as client, platform.jobs(), bot_host(platform) as host:
        asked = {
            "meeting_url": meeting["url"],
            "bot_name": "AI Notetaker",
            "recording_mode": "speaker_view",
            "bot_image": "https://example.com/bot.jpg",
            "entry_message": "I am a good meeting bot :)",
            "reserved": False,
            "speech_to_text": {"provider": "Default"},
            "automatic_leave": {"waiting_room_timeout": 600},
        }
        bot_id = (await client.call("joinMeeting", asked))["bot_id"]
        assert await client.status("joinMeeting", asked) == 409
        job = await host.attend()
        await host.starts(job)
        await host.hears(job, "Ada", [("Hello", 100, 500), ("there", 500, 900)])
        assert await client.call("leaveMeeting", {"uuid": bot_id}) == {"ok": True}
        await host.ends(job, "api")
        await in_state(platform, bot_id, "ending")

        async def is_complete() -> bool:
            if "EG_1" in platform.recorder.egresses:
                await complete(platform, "EG_1")
            listed = await client.call("listBots", {"limit": 5})
            return bool(listed["bots"][0]["uuid"] == bot_id and listed["bots"][0]["ended_at"])

        await until(is_complete)
        await in_state(platform, bot_id, "completed")
        (listed,) = (await client.call("listBots", {"bot_name": "notetaker"}))["bots"]
        assert (listed["speakers"], listed["extra"]) == (["Ada"], {})
        data = await client.call("getMeetingData", {"bot_id": bot_id, "include_transcripts": True})
        (passage,) = data["bot_data"]["transcripts"]
        assert [word["text"] for word in passage["words"]] == ["Hello", "there"]
        assert data["mp4"].startswith(platform.settings.public_url)
        again = {"bot_uuid": bot_id, "speech_to_text": {"provider": "Default"}}
        await client.call("retranscribeBot", again)
        assert await client.call("deleteBotData", {"uuid": bot_id}) == {"ok": True, "status": "deleted"}
        assert await client.call("getScreenshots", {"uuid": bot_id}) == []
        assert await client.status("leaveMeeting", {"uuid": str(uuid4())}) == 404


async def test_calendars_are_connected_and_their_events_have_bots(
    platform: Platform, tenant: Tenant, google: GoogleServer
) -> None:
    for number in range(2):
        google.put(
            f"weekly-{number}", at(1 + number), recurringEventId="weekly", attendees=[{"email": "b@example.org"}]
        )
    async with official(platform, tenant) as client:
        oauth = {"platform": "Google", **CLIENT}
        raw = await client.call("listRawCalendars", oauth)
        assert [each["is_primary"] for each in raw["calendars"]] == [True, False]
        made = await client.call("createCalendar", oauth | {"raw_calendar_id": raw["calendars"][0]["id"]})
        calendar = {"uuid": made["calendar"]["uuid"]}
        assert [each["uuid"] for each in await client.call("listCalendars")] == [calendar["uuid"]]
        assert (await client.call("getCalendar", calendar))["email"] == "ada@example.org"
        listed = await client.call("listCalendarEvents", {"calendar_id": calendar["uuid"], "status": "upcoming"})
        assert [each["google_id"] for each in listed["data"]] == ["weekly-0", "weekly-1"]
        event = {"uuid": listed["data"][0]["uuid"]}
        assert (await client.call("getCalendarEvent", event))["attendees"] == [{"email": "b@example.org", "name": None}]
        asked = {"bot_name": "Notes", "recording_mode": "audio_only", "extra": {"a": 1}}
        every = {"query": {"all_occurrences": True}}
        scheduled = await client.call("scheduleCalendarRecordEvent", event | every | {"body": asked})
        assert len(scheduled) == 2
        [changed] = await client.call("patchBot", event | {"body": {"bot_name": "Other"}})
        shown = changed["bot_param"]
        assert (shown["bot_name"], shown["recording_mode"], shown["extra"]) == ("Other", "audio_only", {"a": 1})
        gone = await client.call("unscheduleCalendarRecordEvent", event | every)
        assert [each["bot_param"] for each in gone] == [None, None]
        resynced = await client.call("resyncAllCalendars", {"days": 30})
        assert resynced == {"synced_calendars": [calendar["uuid"]], "errors": []}
        assert (await client.call("updateCalendar", calendar | {"body": oauth}))["calendar"]["uuid"] == calendar["uuid"]
        assert "calendar.sync_events" in await client.call("getCalendarWebhookDocumentation")
        await client.call("deleteCalendar", calendar)
        assert await client.status("getCalendar", calendar) == 404


async def test_planned_bots_are_listed_page_by_page_and_called_off(platform: Platform, tenant: Tenant) -> None:
    async with official(platform, tenant) as client:
        begins = int(time.time()) + 3600
        made = []
        for number in range(5):
            asked = {"meeting_url": f"tel:+1800555010{number}", "bot_name": f"Sales {number}", "reserved": True}
            more = {"start_time": begins + number, "extra": {"customer": str(number % 2), "n": number}}
            made.append((await client.call("joinMeeting", asked | more))["bot_id"])
        first = await client.call("listBots", {"limit": 3, "bot_name": "sales"})
        rest = await client.call("listBots", {"limit": 3, "bot_name": "sales", "cursor": first["next_cursor"]})
        assert [bot["uuid"] for bot in first["bots"] + rest["bots"]] == made[::-1]
        assert rest["next_cursor"] is None
        chosen = await client.call("listBots", {"filter_by_extra": "customer:1", "sort_by_extra": "n:asc"})
        assert [bot["uuid"] for bot in chosen["bots"]] == [made[1], made[3]]
        for bot_id in made:
            assert await client.call("leaveMeeting", {"uuid": bot_id}) == {"ok": True}
        data = await client.call("getMeetingData", {"bot_id": made[0]})
        assert (data["mp4"], data["bot_data"]["transcripts"]) == ("", [])
        assert await client.status("retranscribeBot", {"bot_uuid": made[0]}) == 409
        assert await client.status("getMeetingData", {"bot_id": str(uuid4())}) == 404


async def test_the_webhooks_are_described_and_zoom_accounts_are_not_connected(
    platform: Platform, tenant: Tenant
) -> None:
    async with official(platform, tenant) as client:
        every = await client.call("getWebhookDocumentation")
        of_bots = await client.call("getBotWebhookDocumentation")
        of_calendars = await client.call("getCalendarWebhookDocumentation")
        assert every == of_bots | of_calendars
        assert {"bot.status_change", "complete", "failed"} <= of_bots.keys()
        assert await client.call("listZoomOauthConnections") == []
        asked = dict.fromkeys(("authorization_code", "redirect_uri", "zoom_client_id", "zoom_client_secret"), "x")
        assert await client.status("createZoomOauthConnection", asked) == 409
        for method in ("getZoomOauthConnection", "deleteZoomOauthConnection"):
            assert await client.status(method, {"uuid": str(uuid4())}) == 404


async def test_a_calendar_of_microsoft_sends_bots_too(
    platform: Platform, tenant: Tenant, microsoft: MicrosoftServer
) -> None:
    for number in range(101):
        link = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x"
        microsoft.put(f"one-{number:03}", at(1, minutes=number), onlineMeeting={"joinUrl": link})
    oauth = {"platform": "Microsoft", **CLIENT}
    async with official(platform, tenant) as client:
        [first, *_] = (await client.call("listRawCalendars", oauth))["calendars"]
        made = await client.call("createCalendar", oauth | {"raw_calendar_id": first["id"]})
        asked = {"calendar_id": made["calendar"]["uuid"], "start_date_gte": "2020-01-01T00:00:00Z"}
        page = await client.call("listCalendarEvents", asked)
        rest = await client.call("listCalendarEvents", asked | {"cursor": page["next"]})
        assert [len(page["data"]), len(rest["data"]), rest["next"]] == [100, 1, None]
        event = {"uuid": page["data"][0]["uuid"]}
        [scheduled] = await client.call("scheduleCalendarRecordEvent", event | {"body": {"bot_name": "Notes"}})
        assert scheduled["bot_param"]["bot_name"] == "Notes"
        [listed] = (await client.call("listBots"))["bots"]
        assert listed["meeting_url"] == scheduled["meeting_url"]
        [gone] = await client.call("unscheduleCalendarRecordEvent", event)
        assert gone["bot_param"] is None
        assert await client.status("patchBot", event | {"body": {"bot_name": "Other"}}) == 409
        assert await client.status("createCalendar", oauth | {"raw_calendar_id": first["id"]}) == 409
        microsoft.refresh_token = None
        assert await client.status("listRawCalendars", oauth) == 400


async def test_no_method_of_the_client_is_left_out_here(platform: Platform, tenant: Tenant) -> None:
    async with official(platform, tenant) as client:
        methods = set(await client.call("methods")) - {"getApiKey", "getBaseUrl"}
    walked = Path(__file__).read_text()
    assert len(methods) == 26
    assert [name for name in sorted(methods) if f'"{name}"' not in walked] == []
