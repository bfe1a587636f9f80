"""Providers of calendars that speak the documented wire format, on the loopback, with faults on demand."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from aiohttp import web
from sqlmodel import col, select

from control_plane.bots.models import Bot
from tests.support.platform import Platform, Tenant
from tests.support.ports import free_port

CLIENT = {"oauth_client_id": "client", "oauth_client_secret": "client secret", "oauth_refresh_token": "refresh-1"}


def at(days: float = 0, hours: float = 1, *, minutes: float = 0) -> datetime:
    """A moment of the coming days, on the whole second."""
    return (datetime.now(UTC) + timedelta(days=days, hours=hours, minutes=minutes)).replace(microsecond=0)


def written(moment: datetime) -> str:
    """RFC 3339."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Asked:
    """A request that a provider was sent."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Provider:
    """What Google's and Microsoft's stand-ins share: OAuth, faults, a log of what was asked."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    faults: list[tuple[str, web.Response]] = field(default_factory=list)
    """The next answer to a request whose path contains the text."""
    refresh_token: str | None = "refresh-1"
    """None: revoked."""
    access: int = 0
    expires_in: int = 3600
    rotates: bool = False

    def fail(self, path: str, status: int, body: Any = None, **headers: str) -> None:
        """Answer the next request at a path so."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.append((path, web.json_response(body or {"error": {"code": status}}, status=status, headers=named)))

    def count(self, path: str) -> int:
        """How many requests went there."""
        return sum(path in each.path for each in self.asked)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve, or fail."""
        text = await request.text()
        is_json = request.content_type == "application/json"
        body: Any = json.loads(text) if is_json and text else {key: all_[0] for key, all_ in parse_qs(text).items()}
        asked = Asked(request.method, request.path, dict(request.query), dict(request.headers), body)
        self.asked.append(asked)
        for place, (path, answer) in enumerate(self.faults):
            if path in request.path:
                del self.faults[place]
                return answer
        if request.path.endswith("/token"):
            return self._token(asked)
        if request.headers.get("Authorization") != f"Bearer access-{self.access}":
            return web.json_response({"error": {"code": 401, "status": "UNAUTHENTICATED"}}, status=401)
        return await self.serve(asked)

    async def serve(self, asked: Asked) -> web.StreamResponse:
        """The API itself."""
        raise NotImplementedError

    def _token(self, asked: Asked) -> web.Response:
        given = asked.body
        if given.get("grant_type") != "refresh_token" or given.get("client_secret") != "client secret":
            return web.json_response({"error": "invalid_client"}, status=401)
        if given.get("refresh_token") != self.refresh_token:
            return web.json_response({"error": "invalid_grant", "error_description": "revoked"}, status=400)
        self.access += 1
        said: dict[str, Any] = {"access_token": f"access-{self.access}", "expires_in": self.expires_in}
        if self.rotates:
            self.refresh_token = said["refresh_token"] = f"refresh-{self.access + 1}"
        return web.json_response(said | {"token_type": "Bearer"})


@dataclass
class GoogleServer(Provider):
    """Google Calendar, version 3."""

    calendars: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"id": "ada@example.org", "summary": "Ada", "primary": True, "accessRole": "owner"},
            {"id": "team@group.calendar.google.com", "summary": "Team", "accessRole": "reader"},
        ]
    )
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=dict)
    version: int = 1
    oldest: int = 0
    """Sync tokens before this one are gone."""
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)

    def put(self, event_id: str, start: datetime, *, length: timedelta = timedelta(minutes=30), **more: Any) -> None:
        """Write an event, or change it."""
        self.version += 1
        self.changes[event_id] = self.version
        self.events[event_id] = {
            "id": event_id,
            "status": "confirmed",
            "summary": f"Event {event_id}",
            "start": {"dateTime": written(start)},
            "end": {"dateTime": written(start + length)},
            "organizer": {"email": "ada@example.org", "self": True},
            "hangoutLink": "https://meet.google.com/abc-defg-hij",
            **more,
        }

    def cancel(self, event_id: str) -> None:
        """Remove an event."""
        self.version += 1
        self.changes[event_id] = self.version
        self.events[event_id] = {"id": event_id, "status": "cancelled"}

    async def serve(self, asked: Asked) -> web.StreamResponse:
        """`/calendar/v3`."""
        if asked.path.endswith("/users/me/calendarList"):
            return web.json_response({"items": self.calendars})
        if asked.path.endswith("/events/watch"):
            self.channels[asked.body["id"]] = asked.body
            until = int(at(hours=24).timestamp() * 1000)
            return web.json_response({"resourceId": "resource-1", "expiration": str(until), **asked.body})
        if asked.path.endswith("/channels/stop"):
            self.channels.pop(asked.body["id"], None)
            return web.Response(status=204)
        if asked.path.endswith("/events"):
            return self._list(asked.query)
        return web.json_response({"error": {"code": 404, "errors": [{"reason": "notFound"}]}}, status=404)

    def _list(self, query: dict[str, str]) -> web.Response:
        token = query.get("syncToken")
        since = int(token) if token else 0
        if token and since < self.oldest:
            return web.json_response({"error": {"code": 410, "errors": [{"reason": "fullSyncRequired"}]}}, status=410)
        if token and ("timeMin" in query or "timeMax" in query):
            return web.json_response({"error": {"code": 400, "errors": [{"reason": "badRequest"}]}}, status=400)
        found = [
            event
            for event_id, event in sorted(self.events.items())
            if self.changes[event_id] > since and (token or self._in_window(event, query))
        ]
        first, size = int(query.get("pageToken", "0")), int(query["maxResults"])
        page: dict[str, Any] = {"kind": "calendar#events", "timeZone": "Europe/Berlin"}
        page["items"] = found[first : first + size]
        if first + size < len(found):
            page["nextPageToken"] = str(first + size)
        else:
            page["nextSyncToken"] = str(self.version)
        return web.json_response(page)

    def _in_window(self, event: dict[str, Any], query: dict[str, str]) -> bool:
        if event["status"] == "cancelled":
            return False
        start, end = (event[edge].get("dateTime", event[edge].get("date")) for edge in ("start", "end"))
        return bool(start < query["timeMax"] and end > query["timeMin"])


@asynccontextmanager
async def serving(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """An HTTP server for the time of the block; its address."""
    port = free_port()
    runner = web.ServerRunner(web.Server(handle, access_log=None))  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@dataclass
class MicrosoftServer(Provider):
    """Graph, version 1.0; the occurrences of a series repeat nothing of it, as there."""

    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=dict)
    version: int = 1
    oldest: int = 0
    size: int = 50
    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    subscribed: int = 0
    reaches: str = ""
    """What of the platform it calls: the addresses that it is given are those of another host."""

    def put(self, event_id: str, start: datetime, *, kind: str = "singleInstance", **more: Any) -> None:
        """Write an event, or change it."""
        self.version += 1
        self.changes[event_id] = self.version
        times = {"start": _graph(start), "end": _graph(start + timedelta(minutes=30))}
        own = (
            {} if kind == "occurrence" else {"subject": f"Event {event_id}", "isOrganizer": False, "isCancelled": False}
        )
        self.events[event_id] = {"id": event_id, "type": kind, **times, **own, **more}

    def remove(self, event_id: str) -> None:
        """Remove an event."""
        self.version += 1
        self.changes[event_id] = self.version
        self.events[event_id] = {"id": event_id, "@removed": {"reason": "deleted"}}

    async def serve(self, asked: Asked) -> web.StreamResponse:
        """`/v1.0/me`."""
        if asked.path.endswith("/me/calendars"):
            owner = {"name": "Ada", "address": "ada@example.org"}
            calendars = [
                {"id": "AAMk=", "name": "Calendar", "isDefaultCalendar": True, "owner": owner},
                {"id": "AAMl=", "name": "Other", "isDefaultCalendar": False, "owner": owner},
            ]
            return web.json_response({"value": calendars})
        if asked.path.endswith("/calendarView/delta"):
            return self._delta(asked)
        if "/subscriptions" in asked.path:
            return await self._subscribe(asked)
        found = self.events.get(asked.path.rpartition("/")[2])
        if found is not None:
            return web.json_response(found)
        return web.json_response({"error": {"code": "ErrorItemNotFound"}}, status=404)

    async def tell(self, subscription: str, secret: str = "") -> int:
        """Say that something has changed; what was answered."""
        kept = self.subscriptions[subscription]
        told = {"subscriptionId": subscription, "clientState": secret or kept["clientState"], "changeType": "updated"}
        return (await self._call(kept, json={"value": [told]})).status_code

    async def _call(self, subscription: dict[str, Any], **sent: Any) -> httpx2.Response:
        async with httpx2.AsyncClient(base_url=self.reaches, timeout=30) as http:
            return await http.post(urlsplit(subscription["notificationUrl"]).path, **sent)

    async def _subscribe(self, asked: Asked) -> web.StreamResponse:
        """Nobody is told anything who does not repeat a word that is sent there first."""
        name = asked.path.rpartition("/subscriptions")[2].removeprefix("/")
        if name and name not in self.subscriptions:
            return web.json_response({"error": {"code": "ResourceNotFound"}}, status=404)
        if asked.method == "DELETE":
            del self.subscriptions[name]
            return web.Response(status=204)
        if asked.method == "POST":
            answer = await self._call(asked.body, params={"validationToken": "Validation: 1&2"})
            if (answer.status_code, answer.text) != (200, "Validation: 1&2"):
                return web.json_response({"error": {"code": "ValidationError"}}, status=400)
            self.subscribed += 1
            name = f"subscription-{self.subscribed}"
        self.subscriptions[name] = self.subscriptions.get(name, {}) | asked.body
        made = {"id": name, "expirationDateTime": asked.body["expirationDateTime"].replace("Z", ".0000000Z")}
        return web.json_response(made, status=201 if asked.method == "POST" else 200)

    def _delta(self, asked: Asked) -> web.Response:
        assert asked.headers["Prefer"].endswith('outlook.timezone="UTC"')
        since, first = int(asked.query.get("$deltatoken", "0")), int(asked.query.get("$skiptoken", "0"))
        if since and since < self.oldest:
            return web.json_response({"error": {"code": "SyncStateNotFound"}}, status=410)
        if not since and "$skiptoken" not in asked.query:
            assert {"startDateTime", "endDateTime"} <= asked.query.keys()
        found = [each for name, each in sorted(self.events.items()) if self.changes[name] > since]
        found = [each for each in found if since or "@removed" not in each]
        page: dict[str, Any] = {"value": found[first : first + self.size]}
        link = f"{self.url}{asked.path}?"
        if first + self.size < len(found):
            page["@odata.nextLink"] = f"{link}$skiptoken={first + self.size}"
        else:
            page["@odata.deltaLink"] = f"{link}$deltatoken={self.version}"
        return web.json_response(page)


def _graph(moment: datetime) -> dict[str, str]:
    return {"dateTime": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.0000000", "timeZone": "UTC"}


def point(platform: Platform, **settings: Any) -> None:
    """Have the platform look for providers there."""
    changed = platform.settings.model_copy(update=settings)
    platform.settings = platform.app.state.calendar_providers.settings = changed


@pytest.fixture
async def google(platform: Platform) -> AsyncIterator[GoogleServer]:
    """Google's stand-in, where the platform looks for Google."""
    server = GoogleServer()
    async with serving(server.handle) as server.url:
        point(platform, google_oauth_url=server.url, google_api_url=server.url, calendar_poll=timedelta(seconds=0.3))
        yield server


@pytest.fixture
async def microsoft(platform: Platform) -> AsyncIterator[MicrosoftServer]:
    """Microsoft's stand-in, where the platform looks for Microsoft."""
    server = MicrosoftServer()
    async with serving(server.handle) as server.url:
        urls = {"microsoft_oauth_url": server.url, "microsoft_api_url": server.url}
        point(platform, **urls, calendar_poll=timedelta(seconds=0.3))
        yield server


@pytest.fixture
async def http(platform: Platform, tenant: Tenant) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of Meeting BaaS."""
    headers = {"x-meeting-baas-api-key": tenant.key}
    async with httpx2.AsyncClient(base_url=platform.url, headers=headers, timeout=60) as client:
        yield client


async def connect(http: httpx2.AsyncClient, platform: str = "Google", **more: Any) -> dict[str, Any]:
    """A new calendar."""
    oauth = CLIENT if platform in ("Google", "Microsoft") else {}
    answer = await http.post("/calendars/", json={"platform": platform, **oauth, **more})
    assert answer.status_code == 200, answer.text
    calendar: dict[str, Any] = answer.json()["calendar"]
    return calendar


async def events_of(http: httpx2.AsyncClient, calendar: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    """The first page of a calendar's events."""
    answer = await http.get("/calendar_events/", params={"calendar_id": calendar["uuid"], **query})
    assert answer.status_code == 200, answer.text
    events: list[dict[str, Any]] = answer.json()["data"]
    return events


async def status_of(http: httpx2.AsyncClient, calendar: dict[str, Any]) -> tuple[str, str | None]:
    """How a calendar fares."""
    shown = (await http.get(f"/calendars/{calendar['uuid']}")).json()
    return shown["status"], shown["status_reason"]


async def read_now(platform: Platform) -> str | None:
    """Read the first calendar; what went wrong."""
    problem: str | None = await platform.app.state.calendars.sync(1)
    return problem


async def bots_of(platform: Platform) -> list[Bot]:
    """All bots, oldest first."""
    async with platform.database.platform() as db:
        return list((await db.exec(select(Bot).order_by(col(Bot.id)))).all())
