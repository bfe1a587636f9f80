"""`python -m bench calendars`: a calendar read whole, ten changes of it, and memory over many readings.

The reader has core 0; PostgreSQL and the provider's stand-in, which speaks Google's wire format or is a feed, core 1.
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import statistics
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
from aiohttp import web
from rich.console import Console
from rich.table import Table

from bench.platform import LOAD_CORE, RESULTS, SERVER_CORE, our_settings, start, stores, wait_for
from control_plane.calendars.calling import open_outbound
from control_plane.calendars.models import Calendar, Platform
from control_plane.calendars.providers import Credentials, Providers, seal_credentials
from control_plane.calendars.push import Channels
from control_plane.calendars.sync import CalendarSync
from control_plane.calendars.telling import sealed_key_row
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.secrets.box import SecretBox
from control_plane.settings import Settings
from tests.support.calendars import Asked, GoogleServer
from tests.support.ports import free_port

EVENTS, CHANGED, READINGS, WARM = 1000, 10, 50, 10
GROWTH_LIMIT: Final = 8.0
"""MB: what an allocator takes and gives back in passing."""
DESCRIPTION: Final = "Agenda of the weekly review, with notes. " * 25
OAUTH: Final = {"client_id": "client", "client_secret": "client secret", "refresh_token": "refresh-1"}


class BigGoogle(GoogleServer):
    """A thousand events with people and a kilobyte of text; it changes ten of them where it is told to."""

    def fill(self) -> None:
        """All events."""
        self._start = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
        for number in range(EVENTS):
            self._put(number, 0)

    def _put(self, number: int, turn: int) -> None:
        people = [{"email": f"person{n}@example.org", "displayName": f"Person {n}"} for n in range(10)]
        start = self._start + timedelta(hours=number, minutes=turn % 30)
        self.put(f"event{number:04}", start, description=DESCRIPTION, attendees=people)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The provider; besides it, `/turn/N` changes ten events and `/feed` is all of it as a feed."""
        if request.path.startswith("/turn/"):
            turn = int(request.path.rpartition("/")[2])
            for number in range(CHANGED):
                self._put((turn * CHANGED + number) % EVENTS, turn)
            return web.Response()
        if request.path == "/feed":
            return web.Response(text=self._feed(), content_type="text/calendar")
        return await super().handle(request)

    async def serve(self, asked: Asked) -> web.StreamResponse:
        """Nothing is remembered of what was asked."""
        self.asked.clear()
        return await super().serve(asked)

    def _feed(self) -> str:
        events = (
            f"BEGIN:VEVENT\r\nUID:{name}\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:{event['summary']}\r\n"
            f"DTSTART:{_compact(event['start'])}\r\nDTEND:{_compact(event['end'])}\r\n"
            f"DESCRIPTION:{DESCRIPTION}\r\nEND:VEVENT\r\n"
            for name, event in self.events.items()
        )
        return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-\r\n{''.join(events)}END:VCALENDAR\r\n"


def _compact(moment: dict[str, str]) -> str:
    return moment["dateTime"].replace("-", "").replace(":", "")


async def _provide(port: int) -> None:
    server = BigGoogle()
    server.fill()
    runner = web.ServerRunner(web.Server(server.handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


def resident() -> float:
    """This process's memory in MB."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Reader:
    """Reads calendars, as the jobs process does."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.clock = settings, Clock()
        self.database = Database(settings.sqlalchemy_url, pool=4)
        self.box = SecretBox(settings.secret_keys)
        self.outbound = open_outbound(settings.webhook_networks)
        providers = Providers(self.outbound, self.clock, settings)
        channels = Channels("secret", settings.public_url, wanted=False)
        self.sync = CalendarSync(self.database, self.clock, self.box, providers, channels)

    async def add(self, kind: Platform, remote_id: str, credentials: Credentials) -> int:
        """A calendar that was never read."""
        calendar = Calendar(
            project_id=1, platform=kind, remote_id=remote_id, name="", email="", sealed_credentials=b"", sealed_key=b""
        )
        calendar.sealed_credentials = seal_credentials(self.box, calendar.uuid, credentials)
        calendar.sealed_key = self.box.seal("", row=sealed_key_row(calendar.uuid))
        async with self.database.platform() as db:
            db.add(calendar)
            await db.flush()
            return calendar.id

    async def read(self, calendar_id: int, *, full: bool = False) -> float:
        """Seconds that a reading takes."""
        began = time.perf_counter()
        problem = await self.sync.sync(calendar_id, full=full)
        assert problem is None, problem
        return time.perf_counter() - began


async def measure(settings: Settings, provider: str, owner_url: str) -> dict[str, Any]:
    """All figures."""
    reader = Reader(settings)
    first: dict[str, list[float]] = {"Google": [], "feed": []}
    changes: list[float] = []
    async with reader.outbound:
        for turn in range(3):
            for name, kind, credentials in (
                ("Google", Platform.GOOGLE, OAUTH),
                ("feed", Platform.ICS, {"url": f"{provider}/feed"}),
            ):
                calendar_id = await reader.add(kind, f"{name}{turn}", credentials)
                first[name].append(await reader.read(calendar_id))
        calendar_id = await reader.add(Platform.GOOGLE, "followed", OAUTH)
        await reader.read(calendar_id)
        with psycopg.connect(owner_url, autocommit=True) as connection:
            connection.execute("vacuum analyze")
        sizes: list[float] = []
        for turn in range(WARM + READINGS):
            await reader.outbound.send("GET", f"{provider}/turn/{turn}")
            changes.append(await reader.read(calendar_id))
            if turn % 10 == 9:
                await reader.read(calendar_id, full=True)
            gc.collect()
            sizes.append(resident())
    await reader.database.close()
    return {"first": first, "changes": changes[WARM:], "memory": [sizes[WARM], sizes[-1], max(sizes[WARM:])]}


def table(figures: dict[str, Any]) -> Table:
    """The figures beside what they should be."""
    shown = Table(title="Calendars")
    for heading in ("measure", "figure", "should be"):
        shown.add_column(heading)
    for name, seconds in figures["first"].items():
        shown.add_row(f"{EVENTS} events of a {name}, worst of {len(seconds)}", f"{max(seconds):.2f} s", "≤ 5 s")
    milliseconds = [1000 * seconds for seconds in figures["changes"]]
    shown.add_row(f"{CHANGED} changes, median", f"{statistics.median(milliseconds):.0f} ms", "≤ 300 ms")
    shown.add_row(f"{CHANGED} changes, worst of {len(milliseconds)}", f"{max(milliseconds):.0f} ms", "≤ 300 ms")
    begin, end, _ = figures["memory"]
    growth = f"{end - begin:+.1f} MB of {begin:.0f}"
    shown.add_row(f"memory over {READINGS} readings", growth, f"≤ {GROWTH_LIMIT:.0f} MB")
    return shown


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench calendars", description=__doc__)
    parser.add_argument("--provide", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.provide:
        asyncio.run(_provide(arguments.provide))
        return
    with ExitStack() as cleanup:
        urls, redis_url = stores(cleanup, free_port())
        port = free_port()
        provider = f"http://127.0.0.1:{port}"
        start(cleanup, [sys.executable, "-m", "bench", "calendars", "--provide", str(port)], {}, LOAD_CORE)
        given = our_settings(urls, redis_url, free_port())
        values = {name.removeprefix("PARLEY_").lower(): value for name, value in given.items()}
        addresses = {"google_oauth_url": provider, "google_api_url": provider}
        settings = Settings.model_validate(values | addresses)
        wait_for(port)
        os.sched_setaffinity(0, {int(SERVER_CORE)})
        figures = asyncio.run(measure(settings, provider, urls.owner))
    Console(width=120).print(table(figures))
    RESULTS.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    result = {"at": datetime.now(UTC).isoformat(), "machine": machine, **figures}
    (RESULTS / "calendars.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
