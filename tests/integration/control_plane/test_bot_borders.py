"""Whose bots, calendars and events: every operation with every key that is not theirs."""

from typing import Any, Final
from uuid import uuid4

import httpx2
import pytest

from control_plane.bots.models import Bot
from tests.support.bothost import baas, send
from tests.support.calendars import CLIENT, GoogleServer, at, bots_of, connect, events_of
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

NOTES: Final = {"bot_name": "Notes"}
OPERATIONS: Final[list[tuple[str, str, str, Any]]] = [
    ("bot", "GET", "/bots/{id}", None),
    ("bot", "GET", "/bots/meeting_data?bot_id={id}", None),
    ("bot", "GET", "/bots/{id}/screenshots", None),
    ("bot", "DELETE", "/bots/{id}", None),
    ("bot", "POST", "/bots/{id}/delete_data", None),
    ("bot", "POST", "/bots/retranscribe", {"bot_uuid": "{id}"}),
    ("calendar", "GET", "/calendars/{id}", None),
    ("calendar", "PATCH", "/calendars/{id}", {"platform": "Google", **CLIENT}),
    ("calendar", "DELETE", "/calendars/{id}", None),
    ("calendar", "GET", "/calendar_events?calendar_id={id}", None),
    ("event", "GET", "/calendar_events/{id}", None),
    ("event", "POST", "/calendar_events/{id}/bot", NOTES),
    ("event", "POST", "/calendar_events/{id}/bot?all_occurrences=true", NOTES),
    ("event", "PATCH", "/calendar_events/{id}/bot", NOTES),
    ("event", "DELETE", "/calendar_events/{id}/bot", None),
]


async def ask(http: httpx2.AsyncClient, method: str, path: str, body: Any, given: str) -> httpx2.Response:
    """An operation with an id."""
    sent = body and {name: value.replace("{id}", given) for name, value in body.items()}
    return await http.request(method, path.replace("{id}", given), json=sent)


async def test_nothing_of_another_account_can_be_read_or_changed(
    platform: Platform, tenant: Tenant, http: httpx2.AsyncClient, google: GoogleServer
) -> None:
    google.put("one", at(1))
    calendar = await connect(http)
    [event] = await events_of(http, calendar)
    await http.post(f"/calendar_events/{event['uuid']}/bot", json=NOTES)
    bot_id = await send(http, "tel:+18005550100", start_time=4_000_000_000, extra={"secret": "word"})
    ids = {"bot": bot_id, "calendar": calendar["uuid"], "event": event["uuid"]}
    before = [bot.model_dump() for bot in await bots_of(platform)]
    stranger = await platform.tenant("other")
    async with baas(platform, stranger) as foreign, httpx2.AsyncClient(base_url=platform.url, timeout=30) as nobody:
        for kind, method, path, body in OPERATIONS:
            what = f"{method} {path}"
            answer = await ask(foreign, method, path, body, ids[kind])
            assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN"), what
            assert "word" not in answer.text
            assert (await ask(nobody, method, path, body, ids[kind])).status_code == 401, what
            assert (await ask(http, method, path, body, str(uuid4()))).status_code == 404, what
            for wrong in ("42", "%00", "x" * 3000, "' or 1=1 --"):
                assert (await ask(http, method, path, body, wrong)).status_code in (400, 404), (what, wrong)
            for other in ids.values():
                if other != ids[kind]:
                    assert (await ask(http, method, path, body, other)).status_code == 404, (what, "another kind's id")
        assert (await foreign.get("/bots/bots_with_metadata", params={"filter_by_extra": "secret:word"})).json()[
            "bots"
        ] == []
        assert (await foreign.get("/calendars")).json() == []
        assert (await foreign.post("/calendars/resync_all")).json() == {"synced_calendars": [], "errors": []}
    assert [bot.model_dump() for bot in await bots_of(platform)] == before
    assert await events_of(http, calendar) == [event | {"bot_param": (await events_of(http, calendar))[0]["bot_param"]}]


async def test_a_key_that_may_only_read_changes_nothing(
    platform: Platform, tenant: Tenant, http: httpx2.AsyncClient, google: GoogleServer
) -> None:
    google.put("one", at(1))
    calendar = await connect(http)
    [event] = await events_of(http, calendar)
    bot_id = await send(http, "tel:+18005550100", start_time=4_000_000_000)
    ids = {"bot": bot_id, "calendar": calendar["uuid"], "event": event["uuid"]}
    made = await tenant.http.post("/api-keys", json={"label": "reader", "scopes": ["bots:read", "calendars:read"]})
    assert made.status_code == 201, made.text
    headers = {"x-meeting-baas-api-key": made.json()["api_key"]["key"]}
    async with httpx2.AsyncClient(base_url=platform.url, headers=headers, timeout=30) as reader:
        for kind, method, path, body in OPERATIONS:
            status = (await ask(reader, method, path, body, ids[kind])).status_code
            assert status == (200 if method == "GET" else 403), (method, path)
        asked = {"meeting_url": "tel:+18005550100", "bot_name": "B"}
        assert (await reader.post("/bots", json=asked)).status_code == 403
        assert (await reader.post("/calendars", json={"platform": "Google", **CLIENT})).status_code == 403
        assert (await reader.post("/calendars/resync_all")).status_code == 403
    [bot] = await bots_of(platform)
    assert (bot.state, isinstance(bot, Bot)) == ("scheduled", True)


ODD: Final[list[Any]] = [
    None,
    [],
    "text",
    7,
    {},
    {"bot_name": 7},
    {"bot_name": "B", "meeting_url": ["tel:+18005550100"]},
    {"bot_name": "B" * 201},
    {"bot_name": " \t\n "},
    {"bot_name": "\x00"},
    {"bot_name": "B", "extra": {"a": 2**70}},
    {"bot_name": "B", "extra": {"\x00": 1}},
    {"bot_name": "B", "extra": "text"},
    {"bot_name": "B", "automatic_leave": {"silence_timeout": -1}},
    {"bot_name": "B", "automatic_leave": {"silence_timeout": 1.5}},
    {"bot_name": "B", "automatic_leave": {"silence_timeout": True}},
    {"bot_name": "B", "start_time": "1700000000"},
    {"bot_name": "B", "start_time": 1e300},
    {"bot_name": "B", "start_time": True},
    {"bot_name": "B", "reserved": "false"},
    {"bot_name": "B", "deduplication_key": ""},
    {"bot_name": "B", "webhook_url": "javascript:alert(1)"},
    {"bot_name": "B", "webhook_url": "http://user:word@example.com/"},
    {"bot_name": "B", "webhook_url": "http://[::1/"},
    {"bot_name": "B", "bot_image": "data:image/png;base64,AAAA"},
    {"bot_name": "B", "streaming": {"output": "wss://user:word@example.com/"}},
    {"bot_name": "B", "streaming": {"output": "ws://0x7f000001/"}},
    {"bot_name": "B", "streaming": {"input": "wss://example.com:70000/"}},
    {"bot_name": "B", "streaming": {"audio_frequency": "48khz"}},
    {"bot_name": "B", "speech_to_text": {"provider": "Gladia", "api_key": None}},
    {"bot_name": "B", "transcription_custom_parameters": [[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]},
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: str(odd)[:60])
async def test_odd_bodies_are_refused_in_the_documented_shape(platform: Platform, tenant: Tenant, odd: Any) -> None:
    body = {"meeting_url": "tel:+18005550100"} | odd if isinstance(odd, dict) else odd
    async with baas(platform, tenant) as http:
        answer = await http.post("/bots", json=body)
        assert answer.status_code == 400, answer.text
        assert set(answer.json()) >= {"error", "code"}
    assert await bots_of(platform) == []
