"""Google Calendar by its REST API, version 3."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, time
from typing import Any, Final
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from control_plane.calendars.calling import OAuthCaller
from control_plane.calendars.meeting_links import find_dial_in, find_meeting_url
from control_plane.calendars.remote import (
    MOST_ATTENDEES,
    EventPage,
    Refused,
    RemoteCalendar,
    RemoteEvent,
    Window,
    clean,
    clean_name,
    clean_raw,
    dicts,
    written,
    zone_of,
)

PER_PAGE: Final = 250
MOST_PAGES: Final = 400
"""Of one reading; an answer that always names a next page must not go on for ever."""


class Google:
    """An account's calendars at Google."""

    def __init__(self, caller: OAuthCaller, api_url: str, *, own: str) -> None:
        self._caller, self._base, self._own = caller, f"{api_url.rstrip('/')}/calendar/v3", own

    async def calendars(self) -> list[RemoteCalendar]:
        """The calendars of the account's list."""
        found: list[RemoteCalendar] = []
        asked: dict[str, str] = {"maxResults": "250"}
        for _ in range(MOST_PAGES):
            page = await self._caller.get(f"{self._base}/users/me/calendarList?{urlencode(asked)}")
            found += [_calendar(item) for item in dicts(page.get("items")) if item.get("id")]
            if not page.get("nextPageToken"):
                break
            asked["pageToken"] = str(page["nextPageToken"])
        return found

    async def read(self, remote_id: str, token: str | None, window: Window) -> AsyncIterator[EventPage]:
        """The events, each occurrence by itself."""
        asked = {"singleEvents": "true", "maxResults": str(PER_PAGE)}
        if token is None:
            asked |= {"timeMin": written(window.begin), "timeMax": written(window.end)}
        else:
            asked |= {"syncToken": token}
        for _ in range(MOST_PAGES):
            page = await self._caller.get(f"{self._events(remote_id)}?{urlencode(asked)}")
            items, zone = dicts(page.get("items")), zone_of(page.get("timeZone"))
            gone = [str(item["id"]) for item in items if item.get("status") == "cancelled" and item.get("id")]
            read = [self._event(item, zone) for item in items if item.get("status") != "cancelled"]
            again = page.get("nextPageToken")
            last = None if again else page.get("nextSyncToken")
            yield EventPage([event for event in read if event], gone, token=str(last) if last else None)
            if not again:
                return
            asked["pageToken"] = str(again)
        raise Refused("the provider's list of events does not end")

    async def watch(self, remote_id: str, *, channel: str, secret: str, address: str) -> tuple[str, str, datetime]:
        """Have changes told to an address."""
        asked = {"id": channel, "type": "web_hook", "address": address, "token": secret}
        made = await self._caller.post(f"{self._events(remote_id)}/watch", asked)
        try:
            until = datetime.fromtimestamp(int(made["expiration"]) / 1000, UTC)
            return channel, str(made["resourceId"]), until
        except (KeyError, ValueError, OverflowError, TypeError) as error:
            raise Refused("the provider's answer about the channel makes no sense") from error

    async def unwatch(self, channel: str, resource: str) -> None:
        """No longer."""
        await self._caller.post(f"{self._base}/channels/stop", {"id": channel, "resourceId": resource})

    def _events(self, remote_id: str) -> str:
        return f"{self._base}/calendars/{quote(remote_id, safe='')}/events"

    def _event(self, item: dict[str, Any], zone: ZoneInfo) -> RemoteEvent | None:
        starts_at, ends_at = _moment(item.get("start"), zone), _moment(item.get("end"), zone)
        if not item.get("id") or starts_at is None:
            return None
        series = item.get("recurringEventId")
        organizer = item.get("organizer") if isinstance(item.get("organizer"), dict) else {}
        conference: Any = item.get("conferenceData") if isinstance(item.get("conferenceData"), dict) else {}
        entries = dicts(conference.get("entryPoints"))
        videos = [entry.get("uri") for entry in entries if entry.get("entryPointType") == "video"]
        texts = [*videos, item.get("hangoutLink"), item.get("location"), item.get("description")]
        return RemoteEvent(
            remote_id=str(item["id"]),
            name=clean_name(item.get("summary")),
            starts_at=starts_at,
            ends_at=max(ends_at or starts_at, starts_at),
            meeting_url=find_meeting_url([*texts, *(_sip(entries))], own=self._own),
            dial_in=_phone(entries) or find_dial_in([item.get("description")]),
            series_id=str(series) if series else None,
            is_recurring=bool(series),
            is_organizer=bool(organizer and organizer.get("self")),
            organizer_email=clean(organizer.get("email")) if organizer else None,
            attendees=[
                {"email": clean(str(one["email"])), "name": clean(one.get("displayName"))}
                for one in dicts(item.get("attendees"))[:MOST_ATTENDEES]
                if one.get("email")
            ],
            raw=clean_raw(item),
        )


def _calendar(item: dict[str, Any]) -> RemoteCalendar:
    remote_id = clean(str(item["id"]))
    name = clean_name(item.get("summaryOverride") or item.get("summary") or remote_id)
    return RemoteCalendar(remote_id, name, remote_id, bool(item.get("primary")))


def _moment(said: object, zone: ZoneInfo) -> datetime | None:
    """A start or an end: with a time, or of a day that begins where the calendar is."""
    if not isinstance(said, dict):
        return None
    try:
        if said.get("dateTime"):
            at = datetime.fromisoformat(str(said["dateTime"]))
            return (at if at.tzinfo else at.replace(tzinfo=zone_of(said.get("timeZone")))).astimezone(UTC)
        day = datetime.combine(datetime.fromisoformat(str(said.get("date"))).date(), time())
        return day.replace(tzinfo=zone_of(said.get("timeZone")) if said.get("timeZone") else zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _sip(entries: list[dict[str, Any]]) -> list[object]:
    return [entry.get("uri") for entry in entries if entry.get("entryPointType") == "sip"]


def _phone(entries: list[dict[str, Any]]) -> dict[str, Any] | None:
    for entry in entries:
        pin = entry.get("pin") or entry.get("passcode") or entry.get("accessCode")
        uri = str(entry.get("uri", ""))
        if entry.get("entryPointType") == "phone" and uri.startswith("tel:"):
            return {"number": uri.removeprefix("tel:").split(",")[0], "pin": str(pin or "")}
    return None
