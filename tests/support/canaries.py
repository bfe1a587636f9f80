"""Secrets of every kind, given to a platform or made by it, and where to look for them afterwards."""

import base64
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psycopg
from redis.asyncio import Redis

from tests.support.bothost import baas, send
from tests.support.calendars import GoogleServer, at, connect, events_of
from tests.support.console import WHO, browser
from tests.support.meetings import meet_people
from tests.support.platform import ADMIN_KEY, WORKER_TOKEN, Platform, Tenant
from tests.support.videosdk import Hooks, make_room, v2

KEYS = re.compile(r"\b(?:pk|sk|tk|mt|cs|adm|sup|rst|rpl|whsec)_[A-Za-z0-9_+/=-]{20,}")
"""Secrets that the platform makes and tells once."""


def canary(kind: str) -> str:
    """A secret that stands nowhere else."""
    return f"canary-{kind}-{secrets.token_hex(12)}"


@dataclass
class Canaries:
    """What must not be found, by its kind; and all that was answered while it was given."""

    known: dict[str, str] = field(default_factory=dict)
    answers: list[httpx2.Response] = field(default_factory=list)

    def make(self, kind: str) -> str:
        """A secret to give away."""
        return self.known.setdefault(kind, canary(kind))

    async def told(self, answer: httpx2.Response) -> dict[str, Any]:
        """An answer that shows secrets, once: they are known from then on."""
        assert answer.is_success, (answer.request.url.path, answer.text)
        for number, secret in enumerate(KEYS.findall(answer.text)):
            self.known[f"{answer.request.url.path} {number}"] = secret
        for name, value in answer.cookies.items():
            self.known[f"cookie {name}"] = value
        read: dict[str, Any] = answer.json()
        return read

    async def done(self, answer: httpx2.Response) -> dict[str, Any]:
        """An answer that shows none."""
        assert answer.is_success, (answer.request.url.path, answer.text)
        self.answers.append(answer)
        read: dict[str, Any] = answer.json()
        return read


async def seed(platform: Platform, tenant: Tenant, google: GoogleServer) -> Canaries:
    """Give a platform one secret of each kind that it takes, and have it make one of each kind that it makes."""
    canaries, project = Canaries(), f"/projects/{tenant.project.id}"
    canaries.known |= {
        "key": tenant.key,
        "secret of the key": tenant.secret,
        "worker token": WORKER_TOKEN,
        "operator's key": ADMIN_KEY,
        "LiveKit's secret": platform.settings.livekit_api_secret.get_secret_value(),
        "password of the database": platform.settings.database_url.get_secret_value().split("@")[0].rsplit(":", 1)[1],
    }
    http = tenant.http
    await canaries.told(await http.post("/api-keys", json={"label": "a"}, headers={"Idempotency-Key": "once"}))
    provider = {"api_key": canaries.make("provider")}
    await canaries.done(await http.put(f"{project}/provider-credentials/elevenlabs", json=provider))
    hook = await canaries.told(await http.post("/webhooks", json={"url": "http://127.0.0.1:9/a"}))
    await canaries.told(await http.post(f"/webhooks/{hook['webhook']['id']}/rotate-secret"))
    trunk = {"name": "a", "phone_number": "+18005550100", "address": "127.0.0.1:5999", "username": "u"}
    await canaries.done(await http.post("/sip/trunks", json=trunk | {"password": canaries.make("trunk")}))
    await _sign_up(platform, canaries)
    await _bots(platform, tenant, google, canaries)
    async with v2(platform, tenant) as video:
        room = await make_room(video)
        await Hooks(platform, f"{tenant.project.slug}_{room['roomId']}").joins("ada")
        output = {"url": "rtmp://example.com/live", "streamKey": canaries.make("livestream")}
        await canaries.done(
            await video.post("/livestreams/start", json={"roomId": room["roomId"], "outputs": [output]})
        )
    await canaries.told(await http.post("/monitor/tickets"))
    await canaries.done(await http.post("/token", json={"room": "r", "identity": "ada", "ttl_seconds": 60}))
    return canaries


async def _sign_up(platform: Platform, canaries: Canaries) -> None:
    async with browser(platform) as http:
        who = WHO | {"name": "Grace", "password": canaries.make("password")}
        await canaries.told(await http.post("/auth/signup", json=who))
    async with httpx2.AsyncClient(
        base_url=f"{platform.url}/api/v1", headers={"X-API-Key": ADMIN_KEY}, timeout=30
    ) as operator:
        await canaries.told(await operator.post("/admin/password-links", json={"email": WHO["email"]}))


async def _bots(platform: Platform, tenant: Tenant, google: GoogleServer, canaries: Canaries) -> None:
    meeting = await meet_people(tenant)
    recogniser = {"speech_to_text": {"provider": "Gladia", "api_key": canaries.make("recogniser")}}
    async with baas(platform, tenant) as http:
        await send(http, meeting["url"], **recogniser)
        # One that fails at once has somebody to tell: with the key that sent it.
        await send(http, "https://example.org/no-meeting", webhook_url="http://127.0.0.1:9/b", **recogniser)
        for number in range(2):
            google.put(f"weekly-{number}", at(1 + 7 * number), recurringEventId="weekly")
        google.refresh_token = canaries.make("refresh token")
        calendar = await connect(http, oauth_refresh_token=google.refresh_token)
        first, *_ = await events_of(http, calendar)
        path = f"/calendar_events/{first['uuid']}/bot?all_occurrences=true"
        scheduled = await http.post(path, json={"bot_name": "Notes"} | recogniser)
        assert scheduled.status_code == 200, scheduled.text


def spellings(secret: str) -> list[bytes]:
    """A secret as bytes, in hexadecimal digits, and in base64 wherever in a longer text it may begin."""
    raw = secret.encode()
    shifted = [base64.b64encode(b"\0" * shift + raw) for shift in range(3)]
    inner = [
        each[-(-shift * 4 // 3) + (1 if shift else 0) : len(each) // 4 * 4 - 4] for shift, each in enumerate(shifted)
    ]
    return [raw, raw.hex().encode(), *inner, *(each.replace(b"+", b"-").replace(b"/", b"_") for each in inner)]


def found_in(text: bytes, canaries: Canaries, *, but: frozenset[str] = frozenset()) -> list[str]:
    """The kinds of secrets that stand in a text, in any spelling."""
    return [
        kind
        for kind, secret in canaries.known.items()
        if kind not in but and any(spelt in text for spelt in spellings(secret))
    ]


def dump(url: str) -> bytes:
    """All rows of all tables of a database, as text and as the bytes within them."""
    parts: list[bytes] = []
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
        )
        for (table,) in tables.fetchall():
            for row in connection.execute(psycopg.sql.SQL("select * from {}").format(psycopg.sql.Identifier(table))):
                parts += [
                    bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode() for value in row
                ]
    return b"\n".join(parts)


async def dump_redis(url: str) -> bytes:
    """Every key and value of a Redis server."""
    parts: list[bytes] = []
    async with Redis.from_url(url) as redis:
        async for key in redis.scan_iter():
            parts += [bytes(key), await redis.dump(key) or b""]
            if await redis.type(key) == b"string":
                parts.append(bytes(await redis.get(key) or b""))
    return b"\n".join(parts)


def command_lines() -> bytes:
    """What everybody on this machine sees of every process."""
    lines = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(place.read_bytes().replace(b"\0", b" "))
        except OSError:
            continue  # it has ended meanwhile
    return b"\n".join(lines)
