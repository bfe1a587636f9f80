"""Feeds in iCalendar's format, by their address alone."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from control_plane.calendars.calling import ask
from control_plane.calendars.recurrence import chunks, expand, split
from control_plane.calendars.remote import EventPage, Outdated, Refused, RemoteCalendar, Revoked, Window, clean_name
from guard.outbound import Outbound


class Feed:
    """One feed. Its address may be a secret, so its id is a hash of it."""

    def __init__(self, outbound: Outbound, url: str, *, own: str) -> None:
        self._outbound, self._own = outbound, own
        self._url = "https://" + url.partition("://")[2] if url.startswith("webcal") else url
        self._body: tuple[bytes, str] | None = None

    async def calendars(self) -> list[RemoteCalendar]:
        """The feed itself, by the name that it gives itself."""
        body, _ = await self._fetch(None)
        head = body[:4096].decode("utf-8", "replace").splitlines()
        names = [line.partition(":")[2] for line in head if line.upper().startswith(("X-WR-CALNAME", "NAME"))]
        name = next(iter(names), "") or str(urlsplit(self._url).hostname)
        remote_id = hashlib.sha256(self._url.encode()).hexdigest()[:32]
        return [RemoteCalendar(remote_id, clean_name(name), "", is_primary=True)]

    async def read(self, _remote_id: str, token: str | None, window: Window) -> AsyncIterator[EventPage]:
        """All of it, where it is another than the one that `token` is of."""
        if token is not None:
            _, now = await self._fetch(token)
            if now != token and _hash(now) != _hash(token):
                raise Outdated
            yield EventPage(token=now)
            return
        body, now = self._body or await self._fetch(None)
        self._body = None
        objects, shared = await asyncio.to_thread(split, body)
        for some in chunks(objects):
            yield EventPage(await asyncio.to_thread(expand, some, shared, window, own=self._own))
        yield EventPage(token=now)

    async def _fetch(self, token: str | None) -> tuple[bytes, str]:
        """The feed and its token; the token alone, as it was, where nothing changed."""
        headers = {"Accept": "text/calendar, */*;q=0.5"}
        known = json.loads(token) if token else {}
        if known.get("etag"):
            headers["If-None-Match"] = known["etag"]
        elif known.get("modified"):
            headers["If-Modified-Since"] = known["modified"]
        answer = await ask(self._outbound, "GET", self._url, headers=headers)
        if token is not None and answer.status == 304:
            return b"", token
        if answer.status in (401, 403):
            raise Revoked(f"the feed's address is refused: it answered {answer.status}")
        if answer.status != 200:
            raise Refused(f"the feed answered {answer.status}")
        if b"BEGIN:VCALENDAR" not in answer.body[:4096].upper():
            raise Refused("what is at this address is no calendar")
        now = {
            "etag": answer.headers.get("ETag"),
            "modified": answer.headers.get("Last-Modified"),
            "hash": hashlib.sha256(answer.body).hexdigest(),
        }
        self._body = (answer.body, json.dumps(now))
        return self._body


def _hash(token: str) -> str:
    return str(json.loads(token)["hash"])
