"""Secrets of every kind, looked for in every place where somebody might read: none is found."""

import asyncio
import base64
import io
import json
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from sqlmodel import col, select, update

from control_plane.__main__ import rotate_secrets
from control_plane.calendars.models import CalendarEvent
from control_plane.recordings.models import Recording
from control_plane.recordings.storage import build_store
from control_plane.secrets.box import SecretBox
from control_plane.secrets.keys import find_rsa_key
from control_plane.secrets.rotating import SEALED, seal_again
from control_plane.telephony.models import SipTrunk
from tests.support.calendars import GoogleServer, bots_of
from tests.support.canaries import Canaries, command_lines, dump, dump_redis, found_in, seed, spellings
from tests.support.database import Clone
from tests.support.platform import ADMIN_KEY, SECRET_KEY, Platform, Tenant
from tests.support.tracing import collecting
from tests.support.tried import tried

pytestmark = pytest.mark.anyio

LINE = "secrets: canaries × places"
OTHER = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What this process writes to its log, down to the last detail."""
    root, text = logging.getLogger(), io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(root.handlers[0].formatter)
    levels = {
        name: logging.getLogger(name).level for name in ("", "httpx2", "httpcore", "uvicorn.error", "uvicorn.access")
    }
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield text
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


async def misuse(platform: Platform, tenant: Tenant, canaries: Canaries) -> list[httpx2.Response]:
    """Requests that bring a secret and are wrong in something else, or whose work fails."""
    http, project = tenant.http, f"/projects/{tenant.project.id}"
    secret = canaries.make("of a wrong request")
    trunk = {"name": "a", "phone_number": "nonsense", "address": "127.0.0.1:5999", "password": secret}
    platform.media.fail_next = RuntimeError(f"LiveKit said no to {tenant.key}")
    failed = await http.post("/rooms", json={"name": "fails"})
    assert failed.status_code == 500
    return [
        failed,
        await http.post("/sip/trunks", json=trunk),
        await http.post("/sip/trunks", json=trunk | {"password": {"nested": secret}}),
        await http.put(f"{project}/provider-credentials/nobody", json={"api_key": secret}),
        await http.put(f"{project}/provider-credentials/azure", json={"api_key": secret, "more": secret}),
        await http.post("/auth/login", json={"email": "nobody@example.org", "password": secret}),
        await http.post("/auth/login", json={"email": secret, "password": secret}),
        await http.post("/auth/signup", json={"email": "a@example.org", "password": secret, "name": ["x"]}),
        await http.post("/auth/reset", json={"token": secret, "new_password": secret}),
        await http.post("/api-keys", json={"label": "a", "scopes": [secret]}),
        await http.get("/agents", headers={"X-API-Key": secret}),
        await http.get(f"{platform.url}/ws/monitor?ticket={secret}"),
        await http.get(f"{platform.url}/v2/rooms", headers={"Authorization": secret}),
        await http.get("/recordings/1/file", params={"signature": secret}),
        await http.post(f"{platform.url}/bots", json={"speech_to_text": {"provider": "No", "api_key": secret}}),
        await http.post(f"{platform.url}/calendars/", json={"platform": "Google", "oauth_client_secret": secret}),
        await http.post("/token", content=b'{"room": "' + secret.encode()),
    ]


async def test_no_secret_is_found_anywhere(
    platform: Platform, tenant: Tenant, google: GoogleServer, clone: Clone, redis_url: str, written: io.StringIO
) -> None:
    with collecting() as collected:
        async with platform.jobs():
            canaries = await seed(platform, tenant, google)
            wrong = await misuse(platform, tenant, canaries)
            async with platform.second_process() as url, httpx2.AsyncClient(timeout=30) as client:
                given = {"X-API-Key": tenant.key}
                assert (await client.get(f"{url}/api/v1/agents", headers=given)).status_code == 200
                processes = command_lines()
        metrics = await tenant.http.get(f"{platform.url}/metrics", headers={"X-API-Key": ADMIN_KEY})
        assert "parley_" in metrics.text
    told = (await tenant.http.get("/audit")).text + (await tenant.http.get("/events")).text
    log = written.getvalue()
    assert "LiveKit said no to ***" in log, "the key was there, and was hidden"
    assert len(log.splitlines()) > 100
    taught = [call for call in platform.dialer.calls if call[0] not in ("open_trunk", "open_inbound")]
    places = {
        "database": dump(clone.superuser),
        "Redis": await dump_redis(redis_url),
        "log": log.encode(),
        "metrics": metrics.content,
        "traces": collected.text().encode(),
        "LiveKit": repr(platform.media.calls).encode(),
        "SIP service": repr(taught).encode(),
        "wrong requests": b"\n".join(answer.content for answer in wrong),
        "answers": b"\n".join(answer.content for answer in canaries.answers),
        "headers": json.dumps([[*answer.headers.items()] for answer in (*wrong, *canaries.answers)]).encode(),
        "audit and events": told.encode(),
        "process list": processes,
    }
    assert len(canaries.known) > 18
    found = {place: kinds for place, text in places.items() if (kinds := found_in(text, canaries))}
    tried(LINE, len(canaries.known) * len(places), sum(map(len, found.values())))
    assert found == {}


def test_a_secret_is_found_in_whatever_spelling_it_stands() -> None:
    """The search itself: what it would not find proves nothing."""
    canaries = Canaries()
    secret = canaries.make("a")
    for before in ("", "x", "xy", "xyz"):
        raw = (before + secret + before).encode()
        for text in (raw, raw.hex().encode(), base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
            assert found_in(b"..." + text + b"...", canaries) == ["a"], text
    assert found_in(b"nothing of it", canaries) == []
    assert all(len(spelt) > 20 for spelt in spellings(secret))


async def test_everything_is_sealed_with_another_key_and_opens_without_the_former(
    platform: Platform, tenant: Tenant, google: GoogleServer, tmp_path: Path
) -> None:
    await seed(platform, tenant, google)
    await find_rsa_key(platform.database, SecretBox(SECRET_KEY), "test")
    assert (await tenant.http.post("/privacy/exports", json={"email": "ada@example.org"})).status_code == 201
    settings = platform.settings.model_copy(update={"recordings_sealed": True})
    store = build_store(settings)
    await store.write("1/a.ogg", b"sound")
    assert await store.seal("1/a.ogg") == "1/a.ogg.sealed"

    both = SecretBox((OTHER, SECRET_KEY))
    done = await seal_again(platform.database, both)

    assert {name for name, rotated in done.items() if not rotated.done} == set()
    assert not any(rotated.left or rotated.unreadable for rotated in done.values())
    assert not any(rotated.done for rotated in (await seal_again(platform.database, both)).values())
    only = await seal_again(platform.database, SecretBox(OTHER))
    assert not any(rotated.done or rotated.left or rotated.unreadable for rotated in only.values())
    stranger = await seal_again(platform.database, SecretBox(base64.b64encode(os.urandom(32)).decode()))
    assert all(rotated.unreadable and not rotated.done for rotated in stranger.values())
    tried("secrets: columns rotated", len(SEALED), 0)


async def test_the_command_tells_what_it_sealed_and_has_trunks_told_anew(
    platform: Platform,
    tenant: Tenant,
    google: GoogleServer,
    clone: Clone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await seed(platform, tenant, google)
    store = build_store(platform.settings.model_copy(update={"recordings_sealed": True}))
    await store.write("1/a.ogg", b"sound")
    recording = {"storage_key": await store.seal("1/a.ogg"), "status": "completed"}
    async with platform.database.platform() as db:
        first = (await db.exec(select(Recording.id))).first()
        await db.execute(update(Recording).where(col(Recording.id) == first).values(**recording))
        await db.execute(update(SipTrunk).values(dispatch_rule_id="SDR_1", synced_at=datetime.now(UTC)))
    given = {"ENVIRONMENT": "development", "DATABASE_URL": clone.app, "SECRET_KEY": OTHER}
    given |= {"FORMER_SECRET_KEYS": json.dumps([SECRET_KEY]), "RECORDINGS_URL": platform.settings.recordings_url}
    for name, value in given.items():
        monkeypatch.setenv(f"PARLEY_{name}", value)

    await asyncio.to_thread(rotate_secrets)

    told = dict(line.rsplit("anew", 1)[0].strip().rsplit(None, 1) for line in capsys.readouterr().out.splitlines())
    assert (told["calendar_event.bot"], told["files of recordings"], told["trunks"]) == ("2", "1", "1")
    async with platform.database.platform() as db:
        assert (await db.exec(select(SipTrunk.synced_at))).all() == [None]
    monkeypatch.delenv("PARLEY_FORMER_SECRET_KEYS")
    await asyncio.to_thread(rotate_secrets)  # with the new key alone it finds nothing to do, and nothing unreadable
    again = capsys.readouterr().out.splitlines()
    assert all(line.split()[-6:-5] == ["0"] for line in again if "trunks" not in line and "channels" not in line)


async def test_the_keys_of_an_events_bot_do_not_open_at_another(
    platform: Platform, tenant: Tenant, google: GoogleServer
) -> None:
    await seed(platform, tenant, google)
    planner = platform.app.state.calendars.bots
    async with platform.database.platform() as db:
        one, other = (await db.exec(select(CalendarEvent).where(col(CalendarEvent.bot).is_not(None)))).all()
        assert planner.open(one)["key"] == tenant.key
        one.bot, other.bot = other.bot, one.bot
        for moved in (one, other):
            with pytest.raises(ValueError, match="another row"):
                planner.open(moved)
        await db.rollback()
    assert len(await bots_of(platform)) >= 2
