"""Calendars of any server that speaks CalDAV (RFC 4791), with what changed since (RFC 6578) where it knows that."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from control_plane.calendars.calling import ask
from control_plane.calendars.recurrence import AT_ONCE, expand, split
from control_plane.calendars.remote import (
    EventPage,
    Outdated,
    Refused,
    RemoteCalendar,
    RemoteEvent,
    Revoked,
    Window,
    clean_name,
)
from guard.outbound import Answer, Outbound

D: Final = "{DAV:}"
C: Final = "{urn:ietf:params:xml:ns:caldav}"
CTAG: Final = "{http://calendarserver.org/ns/}getctag"
NAMESPACES: Final = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:S="http://calendarserver.org/ns/"'
REDIRECTS: Final = 3
MOST_ROUNDS: Final = 100
FORGOTTEN: Final = (400, 403, 409, 410, 412)
"""What servers answer to a sync token that they do not know any more."""
BY_TAG: Final = "ctag:"
"""Begins the token of a server that only says whether anything changed."""


@dataclass(frozen=True, slots=True)
class Found:
    """One resource of an answer."""

    href: str
    status: int
    props: ElementTree.Element

    def text(self, path: str) -> str:
        """What stands in a property; empty where it is not there."""
        return (self.props.findtext(path) or "").strip()


class CalDav:
    """An account on a server; its calendars have their path for an id."""

    def __init__(self, outbound: Outbound, url: str, username: str, password: str, *, own: str) -> None:
        self._outbound, self._url, self._own = outbound, url, own
        self._email = username if "@" in username else ""
        self._username = username
        self._authorization = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()

    async def calendars(self) -> list[RemoteCalendar]:
        """The calendar at the address, or those of the account that the address leads to."""
        asked = "<D:resourcetype/><D:displayname/><D:current-user-principal/><C:calendar-home-set/>"
        here = next(iter(await self._propfind(self._url, asked, depth=0)), None)
        if here is None:
            raise Refused("the server says nothing about this address")
        if here.props.find(f"{D}resourcetype/{C}calendar") is not None:
            return [self._calendar(here)]
        home = here.text(f"{C}calendar-home-set/{D}href")
        principal = here.text(f"{D}current-user-principal/{D}href")
        if not home and principal:
            owner = next(iter(await self._propfind(self._at(principal), "<C:calendar-home-set/>", depth=0)), None)
            home = owner.text(f"{C}calendar-home-set/{D}href") if owner else ""
        listed = await self._propfind(self._at(home) if home else self._url, asked, depth=1)
        return [self._calendar(each) for each in listed if each.props.find(f"{D}resourcetype/{C}calendar") is not None]

    async def read(self, remote_id: str, token: str | None, window: Window) -> AsyncIterator[EventPage]:
        """Objects in the window, or those that changed; each with all its occurrences in the window."""
        url = self._at(remote_id)
        if token is None:
            token = await self._token(url)
            hrefs = await self._in_window(url, window)
            async for page in self._objects(url, hrefs, window):
                yield page
            yield EventPage(token=token or None)
        elif token.startswith(BY_TAG):
            if await self._token(url) != token:
                raise Outdated
            yield EventPage(token=token)
        else:
            for _ in range(MOST_ROUNDS):
                found, token, more = await self._changed(url, token)
                yield EventPage(replaced=[each.href for each in found if each.status == 404])
                hrefs = [each.href for each in found if each.status == 200]
                async for page in self._objects(url, hrefs, window):
                    yield page
                if not more:
                    break
            yield EventPage(token=token)

    async def _token(self, url: str) -> str:
        here = next(iter(await self._propfind(url, "<D:sync-token/><S:getctag/>", depth=0)), None)
        if here is None:
            raise Refused("the server knows no such calendar")
        tag = here.text(CTAG)
        return here.text(f"{D}sync-token") or (f"{BY_TAG}{tag}" if tag else "")

    async def _in_window(self, url: str, window: Window) -> list[str]:
        edges = [moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ") for moment in (window.begin, window.end)]
        time_range = f'<C:time-range start="{edges[0]}" end="{edges[1]}"/>'
        body = (
            f"<C:calendar-query {NAMESPACES}><D:prop><D:getetag/></D:prop><C:filter>"
            f'<C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">{time_range}</C:comp-filter></C:comp-filter>'
            "</C:filter></C:calendar-query>"
        )
        found, _ = await self._ask("REPORT", url, body, depth=1)
        return [each.href for each in found if each.status == 200]

    async def _changed(self, url: str, token: str) -> tuple[list[Found], str, bool]:
        """What changed since, the next token, and whether there is more."""
        body = (
            f"<D:sync-collection {NAMESPACES}><D:sync-token>{escape(token)}</D:sync-token>"
            "<D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>"
        )
        answer = await self._request("REPORT", url, body, depth=0, allowed=FORGOTTEN)
        if answer.status in FORGOTTEN:
            raise Outdated
        found, following = await asyncio.to_thread(_read, answer)
        if not following:
            raise Outdated
        path = _path(url)
        more = any(each.status == 507 for each in found) and following != token
        return [each for each in found if each.href.rstrip("/") != path.rstrip("/")], following, more

    async def _objects(self, url: str, hrefs: Sequence[str], window: Window) -> AsyncIterator[EventPage]:
        for first in range(0, len(hrefs), AT_ONCE):
            some = hrefs[first : first + AT_ONCE]
            asked = "".join(f"<D:href>{escape(href)}</D:href>" for href in some)
            body = (
                f"<C:calendar-multiget {NAMESPACES}><D:prop><D:getetag/><C:calendar-data/></D:prop>{asked}"
                "</C:calendar-multiget>"
            )
            found, _ = await self._ask("REPORT", url, body, depth=1)
            texts = {each.href: each.text(f"{C}calendar-data").encode() for each in found if each.status == 200}
            yield EventPage(await asyncio.to_thread(self._expand, texts, window), replaced=list(some))

    def _expand(self, texts: dict[str, bytes], window: Window) -> list[RemoteEvent]:
        events = []
        for href, text in texts.items():
            objects, shared = split(text)
            blocks = {href: [block for part in objects.values() for block in part]}
            events += expand(blocks, shared, window, own=self._own, email=self._email)
        return events

    def _calendar(self, found: Found) -> RemoteCalendar:
        path = unquote(found.href).rstrip("/")
        return RemoteCalendar(
            found.href, clean_name(found.text(f"{D}displayname") or path.rpartition("/")[2]), self._username
        )

    def _at(self, href: str) -> str:
        """Where a resource is, on the server that the password is for."""
        url = urljoin(self._url, href)
        ours, given = urlsplit(self._url), urlsplit(url)
        if (ours.scheme, ours.netloc) != (given.scheme, given.netloc):
            raise Refused("the server names a resource of another server")
        return url

    async def _propfind(self, url: str, props: str, *, depth: int) -> list[Found]:
        body = f"<D:propfind {NAMESPACES}><D:prop>{props}</D:prop></D:propfind>"
        found, _ = await self._ask("PROPFIND", url, body, depth=depth)
        return [each for each in found if each.status == 200]

    async def _ask(self, method: str, url: str, body: str, *, depth: int) -> tuple[list[Found], str]:
        """What a multi-status answer holds, which may be long."""
        return await asyncio.to_thread(_read, await self._request(method, url, body, depth=depth))

    async def _request(self, method: str, url: str, body: str, *, depth: int, allowed: Sequence[int] = ()) -> Answer:
        headers = {
            "Authorization": self._authorization,
            "Content-Type": "application/xml; charset=utf-8",
            "Depth": str(depth),
        }
        for _ in range(REDIRECTS + 1):
            written = f'<?xml version="1.0" encoding="utf-8"?>{body}'.encode()
            answer = await ask(self._outbound, method, url, body=written, headers=headers)
            if answer.status not in (301, 302, 307, 308):
                break
            url = self._at(urljoin(url, answer.headers.get("Location", "")))
        if answer.status == 401:
            raise Revoked("the user name or the password is refused")
        if answer.status != 207 and answer.status not in allowed:
            raise Refused(f"the server answered {answer.status}")
        return answer


def _path(url: str) -> str:
    return urlsplit(url).path


def _read(answer: Answer) -> tuple[list[Found], str]:
    """The resources of a multi-status answer, and the sync token."""
    body = answer.body.upper()
    # Zeros are those of an encoding in which these words are other bytes.
    if b"\0" in body or b"<!DOCTYPE" in body[:4096] or b"<!ENTITY" in body:
        raise Refused("the server's answer is not plain XML")
    try:
        root = ElementTree.fromstring(answer.body)  # noqa: S314 - without a DTD there are no entities to expand
    except ElementTree.ParseError as error:
        raise Refused("the server's answer is not XML") from error
    found = []
    for response in root.iter(f"{D}response"):
        href = (response.findtext(f"{D}href") or "").strip()
        status = _status(response.findtext(f"{D}status")) or 200
        props = ElementTree.Element("props")
        for group in response.iter(f"{D}propstat"):
            if _status(group.findtext(f"{D}status")) == 200:
                props.extend(group.find(f"{D}prop") or ())
        if href:
            found.append(Found(_path(href), status, props))
    return found, (root.findtext(f"{D}sync-token") or "").strip()


def _status(line: str | None) -> int:
    """The number of `HTTP/1.1 404 Not Found`."""
    parts = (line or "").split()
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
