"""What is asked of bots, what is refused, and what is listed."""

import asyncio
import base64
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlmodel import col, update

from control_plane.bots.watching import BotWatch
from control_plane.meetings.models import Meeting
from tests.support.bothost import (
    baas,
    bot_host,
    in_state,
    read,
    send,
)
from tests.support.meetings import meet_people
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "wrong",
    [
        {"speech_to_text": "Gladia"},
        {"speech_to_text": {"provider": "Runpod"}},
        {"speech_to_text": {"provider": "Whisper"}},
        {"start_time": -1},
        {"start_time": 2**63},
        {"bot_name": ""},
        {"bot_name": "a\x00b"},
        {"extra": [1]},
        {"webhook_url": "http://10.0.0.1/"},
        {"streaming": {"output": "https://example.com"}},
        {"recording_mode": "panorama"},
        {"automatic_leave": {"silence_timeout": 1801}},
        {"colour": "blue"},
    ],
)
async def test_what_cannot_be_asked_is_refused(platform: Platform, tenant: Tenant, wrong: dict[str, Any]) -> None:
    body = {"meeting_url": "https://example.com", "bot_name": "Bot"} | wrong
    async with baas(platform, tenant) as http:
        answer = await http.post("/bots", json=body)
        assert answer.status_code == 400, answer.text
        assert "error" in answer.json()
        assert (await http.get("/bots/bots_with_metadata")).json()["bots"] == []


async def test_bots_are_listed_as_they_are_asked_for(platform: Platform, tenant: Tenant) -> None:
    async with baas(platform, tenant) as http:
        made = [
            await send(http, f"https://example.com/{n}", bot_name=f"Sales {n}", extra={"n": str(n), "odd": str(n % 2)})
            for n in range(7)
        ]

        async def ask(**query: Any) -> list[str]:
            answer = await http.get("/bots/bots_with_metadata", params=query)
            assert answer.status_code == 200, answer.text
            return [bot["uuid"] for bot in answer.json()["bots"]]

        assert await ask() == made[::-1]
        assert await ask(bot_name="sales 3") == [made[3]]
        assert await ask(meeting_url="com/4") == [made[4]]
        assert await ask(filter_by_extra="odd:1", sort_by_extra="n:asc") == [made[1], made[3], made[5]]
        assert await ask(sort_by_extra="n:desc", limit=2) == [made[6], made[5]]
        assert await ask(created_after="2100-01-01T00:00:00") == []
        assert await ask(speaker_name="Ada") == []
        assert (await http.get("/bots/bots_with_metadata", params={"cursor": "x"})).status_code == 400
        first = (await http.get("/bots/bots_with_metadata", params={"limit": 4})).json()
        await send(http, "https://example.com/new")
        rest = await ask(limit=4, cursor=first["next_cursor"])
        assert [bot["uuid"] for bot in first["bots"]] + rest == made[::-1]
        old = base64.urlsafe_b64encode(b"[1000, 4]").decode()
        assert (await http.get("/bots/bots_with_metadata", params={"cursor": old})).status_code == 400


@pytest.mark.parametrize(
    ("sort", "expected"),
    [("n:asc", [5, 3, 1, 6, 2, 4, 0]), ("n:desc", [6, 2, 3, 1, 5, 4, 0]), ("", [*range(6, -1, -1)])],
)
async def test_bots_are_read_on_behind_the_last_one(
    platform: Platform, tenant: Tenant, sort: str, expected: list[int]
) -> None:
    async with baas(platform, tenant) as http:
        extras: list[dict[str, str]] = [{}, {"n": "b"}, {"n": "c"}, {"n": "b"}, {}, {"n": "a"}, {"n": "c"}]
        made = [await send(http, f"https://example.com/{n}", extra=extra) for n, extra in enumerate(extras)]
        found: list[str] = []
        query: dict[str, Any] = {"limit": 2} | ({"sort_by_extra": sort} if sort else {})
        while True:
            answer = (await http.get("/bots/bots_with_metadata", params=query)).json()
            found += [bot["uuid"] for bot in answer["bots"]]
            if answer["next_cursor"] is None:
                break
            query["cursor"] = answer["next_cursor"]
            await send(http, f"https://example.com/meanwhile-{len(found)}", extra={"n": "b"})
        assert [made.index(each) for each in found] == expected


async def test_bots_of_others_are_not_to_be_had(platform: Platform, tenant: Tenant) -> None:
    meeting = await meet_people(tenant)
    stranger = await platform.tenant("other")
    async with baas(platform, tenant) as http, baas(platform, stranger) as foreign:
        bot_id = await send(http, meeting["url"])
        assert (await foreign.delete(f"/bots/{bot_id}")).status_code == 403
        assert (await foreign.get("/bots/meeting_data", params={"bot_id": bot_id})).status_code == 403
        assert (await foreign.post(f"/bots/{bot_id}/delete_data")).status_code == 403
        assert (await http.delete(f"/bots/{uuid4()}")).status_code == 404
        assert (await http.get("/bots/meeting_data", params={"bot_id": "42"})).status_code == 400
        assert (await foreign.get("/bots/bots_with_metadata")).json()["bots"] == []
    async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as nobody:
        assert (await nobody.get("/bots/bots_with_metadata")).status_code == 401


async def test_a_bot_is_sent_once_though_two_ask_at_the_same_time(platform: Platform, tenant: Tenant) -> None:
    meeting = await meet_people(tenant)
    body = {"meeting_url": meeting["url"], "bot_name": "Twin"}
    async with baas(platform, tenant) as http:
        answers = await asyncio.gather(*(http.post("/bots/", json=body) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
        refused = next(answer.json() for answer in answers if answer.status_code == 409)
        assert "five minutes" in refused["error"]
        other = await http.post("/bots", json=body | {"deduplication_key": "second"})
        assert other.status_code == 200
        later = await http.post("/bots", json=body | {"start_time": int(time.time()) + 3600})
        assert later.status_code == 200


async def test_documents_and_zoom(platform: Platform, tenant: Tenant) -> None:
    async with baas(platform, tenant) as http:
        bot_id = await send(http, "https://example.com")
        assert (await http.get(f"/bots/{bot_id}/screenshots")).json() == []
        assert (await http.get(f"/bots/{bot_id}")).json()["state"] == "failed"
        for path in ("/bots/webhooks", "/bots/webhooks/bot", "/bots/webhooks/calendar"):
            assert (await http.get(path)).status_code == 200
        assert (await http.get("/zoom_oauth_connections/")).json() == []
        refused = await http.post("/zoom_oauth_connections/", json={"authorization_code": "x"})
        assert refused.status_code == 409
        assert "Zoom" in refused.json()["error"]
        assert (await http.delete(f"/zoom_oauth_connections/{uuid4()}")).status_code == 404


async def test_the_key_is_not_in_the_log_of_deliveries(platform: Platform, tenant: Tenant, receiver: Receiver) -> None:
    async with baas(platform, tenant) as http, platform.jobs():
        bot_id = await send(http, "https://example.com", webhook_url=f"{receiver.url}/")
        await receiver.wait_for(1)
        endpoint = (await read(platform, bot_id)).endpoint_id

        async def is_logged() -> Any:
            listed = await tenant.http.get(f"/webhooks/{endpoint}/deliveries")
            found = listed.json()["deliveries"]
            return found if found and found[0]["state"] == "delivered" else None

        (delivery,) = await until(is_logged)
        shown = await tenant.http.get(f"/deliveries/{delivery['id']}")
        assert shown.status_code == 200
        assert tenant.key not in shown.text
        assert "x-meeting-baas-api-key" in shown.text


async def test_keys_are_kept_until_the_last_webhook(platform: Platform, tenant: Tenant, receiver: Receiver) -> None:
    async with baas(platform, tenant) as http, platform.jobs():
        bot_id = await send(http, "https://example.com", webhook_url=f"{receiver.url}/")
        assert (await read(platform, bot_id)).sealed_secrets is not None
        await receiver.wait_for(1)
        watch = BotWatch(
            platform.database, platform.app.state.clock, platform.app.state.secrets, longest=timedelta(hours=4)
        )

        async def is_forgotten() -> bool:
            await watch.forget_keys()
            return (await read(platform, bot_id)).sealed_secrets is None

        await until(is_forgotten)


async def test_addresses_that_lead_nowhere(platform: Platform, tenant: Tenant, receiver: Receiver) -> None:
    meeting = await meet_people(tenant)
    url = str(tenant.http.base_url).replace("/api/v1/", "/api/meetings")
    await tenant.http.delete(f"{url}/{meeting['meetingId']}")
    locked = await meet_people(tenant)
    async with platform.database.platform() as db:
        await db.exec(update(Meeting).where(col(Meeting.code) == locked["meetingId"]).values(locked=True))
    wrong = {
        "https://example.com/meeting": "InvalidMeetingUrl",
        "not an address": "InvalidMeetingUrl",
        f"{platform.settings.public_url}/join/": "InvalidMeetingUrl",
        f"{platform.settings.public_url}/join/nobody-knows": "CannotJoinMeeting",
        meeting["url"]: "CannotJoinMeeting",
        locked["url"]: "CannotJoinMeeting",
        "https://meet.google.com/abc-defg-hij": "CannotJoinMeeting",
    }
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform):
        for number, (address, error) in enumerate(wrong.items(), 1):
            bot_id = await send(http, address, webhook_url=f"{receiver.url}/{number}")
            await in_state(platform, bot_id, "failed")
            count = 1 if error == "InvalidMeetingUrl" else 2
            received = await receiver.wait_for(count, f"/{number}")
            assert received[-1].event["data"] == {"bot_id": bot_id, "error": error}


async def test_one_key_in_both_headers_is_one_key_and_of_two_neither_is_obeyed(
    platform: Platform, tenant: Tenant
) -> None:
    other = await platform.tenant("other")
    async with baas(platform, tenant) as http:
        for shown, status in ((tenant.key, 200), (other.key, 401)):
            answer = await http.get("/bots/bots_with_metadata", headers={"X-API-Key": shown})
            assert answer.status_code == status, answer.text
