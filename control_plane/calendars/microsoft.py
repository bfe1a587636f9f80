"""Calendars of Microsoft by Graph's REST API, version 1.0."""

from collections import OrderedDict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from control_plane.calendars.calling import OAuthCaller
from control_plane.calendars.meeting_links import find_dial_in, find_meeting_url
from control_plane.calendars.remote import (
    MOST_ATTENDEES,
    EventPage,
    Outdated,
    Refused,
    RemoteCalendar,
    RemoteEvent,
    Window,
    clean,
    clean_name,
    clean_raw,
    dicts,
    written,
)

PER_PAGE: Final = 200
MOST_PAGES: Final = 500
PREFER: Final = f'odata.maxpagesize={PER_PAGE}, outlook.timezone="UTC"'
SERIES_KEPT: Final = 200
"""Of one reading: what their occurrences do not repeat."""
CHANNEL_LIFE: Final = timedelta(minutes=4000)
"""Graph grants 4,230 minutes."""


class Microsoft:
    """An account's calendars at Microsoft."""

    def __init__(self, caller: OAuthCaller, api_url: str, *, own: str) -> None:
        self._caller, self._base, self._own = caller, f"{api_url.rstrip('/')}/v1.0/me", own
        self._series: OrderedDict[str, dict[str, Any]] = OrderedDict()

    async def calendars(self) -> list[RemoteCalendar]:
        """All calendars of the account."""
        found: list[RemoteCalendar] = []
        url = f"{self._base}/calendars?$top=100"
        for _ in range(MOST_PAGES):
            page = await self._caller.get(url)
            found += [_calendar(item) for item in dicts(page.get("value")) if item.get("id")]
            if not page.get("@odata.nextLink"):
                break
            url = self._own_link(page["@odata.nextLink"])
        return found

    async def read(self, remote_id: str, token: str | None, window: Window) -> AsyncIterator[EventPage]:
        """The calendar's view, each occurrence by itself; `token` is the link that the last reading ended with."""
        asked = {"startDateTime": written(window.begin), "endDateTime": written(window.end)}
        url = f"{self._base}/calendars/{quote(remote_id, safe='')}/calendarView/delta?{urlencode(asked)}"
        if token is not None:
            url = self._own_link(token)
        for _ in range(MOST_PAGES):
            page = await self._caller.get(url, Prefer=PREFER)
            items = [item for item in dicts(page.get("value")) if item.get("id")]
            gone = [str(item["id"]) for item in items if "@removed" in item or item.get("isCancelled")]
            there = [item for item in items if "@removed" not in item and not item.get("isCancelled")]
            for item in there:
                if item.get("type") == "seriesMaster":
                    self._keep(item)
            read = [await self._event(item) for item in there if item.get("type") != "seriesMaster"]
            again, last = page.get("@odata.nextLink"), page.get("@odata.deltaLink")
            yield EventPage(
                [event for event in read if event], gone, token=self._own_link(last) if last and not again else None
            )
            if not again:
                return
            url = self._own_link(again)
        raise Refused("the provider's list of events does not end")

    async def watch(self, remote_id: str, *, channel: str, secret: str, address: str) -> tuple[str, str, datetime]:
        """Have changes told to an address."""
        resource = f"me/calendars/{remote_id}/events"
        asked = {
            "changeType": "created,updated,deleted",
            "notificationUrl": address,
            "resource": resource,
            "expirationDateTime": written(datetime.now(UTC) + CHANNEL_LIFE),
            "clientState": secret,
        }
        made = await self._caller.post(self._subscription(), asked)
        until = _expiry(made)
        if not made.get("id") or until is None:
            raise Refused("the provider's answer about the channel makes no sense")
        return str(made["id"]), resource, until

    async def renew(self, channel: str) -> datetime:
        """Keep a channel for longer; until when."""
        asked = {"expirationDateTime": written(datetime.now(UTC) + CHANNEL_LIFE)}
        until = _expiry(await self._caller.post(self._subscription(channel), asked, method="PATCH"))
        if until is None:
            raise Refused("the provider's answer about the channel makes no sense")
        return until

    async def unwatch(self, channel: str, _resource: str) -> None:
        """No longer."""
        await self._caller.request("DELETE", self._subscription(channel))

    def _subscription(self, channel: str = "") -> str:
        url = f"{self._base.removesuffix('/me')}/subscriptions"
        return f"{url}/{quote(channel, safe='')}" if channel else url

    def _own_link(self, link: object) -> str:
        """A link that the provider gave, if it leads to the provider: it is sent an access token."""
        ours, given = urlsplit(self._base), urlsplit(str(link))
        if (ours.scheme, ours.netloc) != (given.scheme, given.netloc):
            raise Refused("the provider's list of events goes on at another server")
        return str(link)

    def _keep(self, master: dict[str, Any]) -> None:
        self._series[str(master["id"])] = master
        while len(self._series) > SERIES_KEPT:
            self._series.popitem(last=False)

    async def _master(self, series_id: str) -> dict[str, Any]:
        """What the occurrences of a series have in common; empty where it is gone."""
        if series_id not in self._series:
            try:
                self._keep(await self._caller.get(f"{self._base}/events/{quote(series_id, safe='')}", Prefer=PREFER))
            except (Refused, Outdated, KeyError):
                self._series[series_id] = {}
        return self._series[series_id]

    async def _event(self, item: dict[str, Any]) -> RemoteEvent | None:
        series = item.get("seriesMasterId")
        if series and "subject" not in item:
            item = {**await self._master(str(series)), **item}
        starts_at, ends_at = _moment(item.get("start")), _moment(item.get("end"))
        if starts_at is None:
            return None
        body, location = _dict(item.get("body")), _dict(item.get("location"))
        online = _dict(item.get("onlineMeeting"))
        places = [place.get(name) for place in dicts(item.get("locations")) for name in ("displayName", "locationUri")]
        texts = [online.get("joinUrl"), item.get("onlineMeetingUrl"), location.get("displayName")]
        texts += [location.get("locationUri"), *places, body.get("content"), item.get("bodyPreview")]
        organizer = _dict(_dict(item.get("organizer")).get("emailAddress"))
        return RemoteEvent(
            remote_id=str(item["id"]),
            name=clean_name(item.get("subject")),
            starts_at=starts_at,
            ends_at=max(ends_at or starts_at, starts_at),
            meeting_url=find_meeting_url(texts, own=self._own),
            dial_in=_phone(online) or find_dial_in([body.get("content")]),
            series_id=str(series) if series else None,
            is_recurring=bool(series),
            is_organizer=bool(item.get("isOrganizer")),
            organizer_email=clean(organizer.get("address")),
            attendees=[
                {"email": clean(str(person["address"])), "name": clean(person.get("name"))}
                for person in (_dict(one.get("emailAddress")) for one in dicts(item.get("attendees"))[:MOST_ATTENDEES])
                if person.get("address")
            ],
            raw=clean_raw(item),
        )


def _calendar(item: dict[str, Any]) -> RemoteCalendar:
    owner = _dict(item.get("owner"))
    email = clean(str(owner.get("address") or ""))
    return RemoteCalendar(
        str(item["id"]), clean_name(item.get("name") or email), email, bool(item.get("isDefaultCalendar"))
    )


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _expiry(subscription: dict[str, Any]) -> datetime | None:
    return _moment({"dateTime": str(subscription.get("expirationDateTime", "")).removesuffix("Z"), "timeZone": "UTC"})


def _moment(said: object) -> datetime | None:
    """A time with its zone, by the name that Windows or everybody else has for it."""
    given = _dict(said)
    name = str(given.get("timeZone") or "UTC")
    try:
        zone = ZoneInfo(WINDOWS_TO_OLSON.get(name, name))
        at = datetime.fromisoformat(str(given.get("dateTime"))[:26])
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError, KeyError, OSError):
        return None


def _phone(online: dict[str, Any]) -> dict[str, Any] | None:
    phones = dicts(online.get("phones"))
    numbers = [online.get("tollNumber"), *(phone.get("number") for phone in phones)]
    number, pin = next((str(each) for each in numbers if each), ""), online.get("conferenceId")
    return {"number": clean(number), "pin": clean(str(pin))} if number and pin else None
