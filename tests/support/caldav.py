"""Calendars as text, and a real CalDAV server that keeps them."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import httpx2

from tests.support.ports import free_port


def vevent(uid: str, *lines: str) -> str:
    """An event as text."""
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT"])


def vcalendar(*events: str) -> str:
    """A calendar as text."""
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test", *events, "END:VCALENDAR", ""])


def utc(moment: datetime) -> str:
    """A time as iCalendar writes it."""
    return f"{moment:%Y%m%dT%H%M%SZ}"


@asynccontextmanager
async def radicale(folder: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A real CalDAV server with one account and one calendar."""
    port = free_port()
    (folder / "users").write_text("ada:secret words\n")
    settings = {
        "--server-hosts": f"127.0.0.1:{port}",
        "--auth-type": "htpasswd",
        "--auth-htpasswd-filename": str(folder / "users"),
        "--auth-htpasswd-encryption": "plain",
        "--auth-delay": "0",
        "--storage-filesystem-folder": str(folder / "dav"),
    }
    arguments = [part for pair in settings.items() for part in pair]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "radicale", *arguments, stderr=DEVNULL)
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", auth=("ada", "secret words")) as client:
            async with asyncio.timeout(60):
                while not await _answers(client):
                    await asyncio.sleep(0.1)
            made = await client.request("MKCALENDAR", "/ada/work/")
            assert made.status_code == 201, made.text
            yield client
    finally:
        process.terminate()
        await process.wait()


async def _answers(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/")).status_code < 500
    except httpx2.TransportError:
        return False
