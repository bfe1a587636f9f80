"""Privacy by the console in Chromium: what is kept, one person handed out and erased, the audit trail verified."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from control_plane.sessions.models import Session, TranscriptLine
from tests.support.console_pages import LOOKS, needs_pages
from tests.support.pages import in_browser
from tests.support.platform import Platform, Tenant

pytestmark = [pytest.mark.anyio, pytest.mark.page, pytest.mark.timeout(280), needs_pages]

BEGAN = datetime.now(UTC) - timedelta(minutes=5)


async def talk(platform: Platform, tenant: Tenant, identity: str, *, is_over: bool) -> None:
    """A conversation of somebody alone with an agent. One that goes on has just begun: nobody ends it as abandoned."""
    mine = {"project_id": tenant.project.id}
    began = BEGAN if is_over else datetime.now(UTC)
    status, ended = ("completed", began + timedelta(minutes=3)) if is_over else ("active", None)
    session = Session(
        **mine,
        room_name=f"proj_{identity}",
        caller_identity=identity,
        status=status,
        started_at=began,
        ended_at=ended,
    )
    await platform.add(session)
    told = {"session_id": session.id, "sequence": 1, "timestamp_ms": 0, "created_at": began}
    await platform.add(TranscriptLine(**mine, **told, speaker="user", identity=identity, content="Good morning."))


async def linked(tenant: Tenant) -> None:
    """Until the trail's first entries are in its chain."""
    async with asyncio.timeout(30):
        while (await tenant.http.get("/audit/verify")).json()["head"] is None:
            await asyncio.sleep(0.05)


@LOOKS
async def test_privacy_is_seen_to_by_the_console(
    platform: Platform, tenant: Tenant, tmp_path: Path, look: tuple[str, ...]
) -> None:
    await tenant.make_agent()
    await talk(platform, tenant, "customer-0001", is_over=True)
    await talk(platform, tenant, "customer-0002", is_over=False)
    async with platform.jobs():
        await linked(tenant)
        asked = ("--url", platform.url, "--key", tenant.key, *look, "--screenshots", str(tmp_path))
        told = await in_browser("privacy.mjs", tmp_path / "result.json", *asked, within=240)

    assert told["focus"] == "Privacy"
    assert told["unchanged"] == "Nothing was changed."
    assert "1 to 3,650" in told["bad_days"]
    assert "“X” would be taken out of every word" in told["bad_name"]
    assert "cannot be undone" in told["warned"]
    assert [each["retention_days"] for each in told["not_saved"]["projects"]] == [None]
    assert told["kept"] == {"days": "30", "names": "Ada Lovelace\nBob Hope", "redact": True}
    assert "30 days after they ended" in told["spans"]
    assert told["none"] == "Nothing was asked for yet"
    assert "at least one" in told["nobody"]
    assert "E.164" in told["bad_phone"]
    assert told["at_field"] == "person-phone"
    assert told["away"] == "The database is away"
    assert "Ready" in told["export"]
    assert told["file"]["name"].startswith("export-")
    assert told["file"]["begins"] == "PK"
    assert told["asks_at"] == "person-again"
    assert told["not_them"].startswith("That is not customer-0001. Nothing was erased")
    assert (told["erased_by_mistake"], told["form_is_empty"]) == (0, "")
    assert [("customer-0002" in row, "Waits" in row) for row in told["rows"]] == [
        (True, True),
        (False, False),
        (False, False),
    ]
    assert (told["erasures"], told["no_receipt"]) == (2, False)
    assert "has not ended" in told["followed"]
    assert told["verdict"] == "The receipt is as it was signed."
    assert "Transcript line" in told["gone"]
    assert (told["copy"]["kind"], told["copy"]["rows"]["session"]) == ("erasure", 1)
    assert told["copy"]["name"] == f"erasure-{told['copy']['id']}-receipt.json"
    assert "999999" in told["unknown"]
    assert "none changed, missing, added or moved" in told["intact"]
    assert told["head"].split()[0].isdigit()
    assert told["touched"] == "The trail is not as it was written: 5 problems."
    assert told["problems"] == 5
    assert "verify it again" in told["not_allowed"]
    for what in ("bad", "wider", "foreign", "violations", "faults"):
        assert told[what] == [], what

    [project] = (await tenant.http.get("/projects")).json()["projects"]
    assert (project["retention_days"], project["redact"]) == (30, True)
    [erased, waiting] = reversed((await tenant.http.get("/privacy/erasures")).json()["erasures"])
    [exported] = (await tenant.http.get("/privacy/exports")).json()["exports"]
    assert (erased["progress"], waiting["progress"]) == (1.0, 0.0)
    assert erased["person"] == exported["person"] == erased["receipt"]["person"] != waiting["person"]
