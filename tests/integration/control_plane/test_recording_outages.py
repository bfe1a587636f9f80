"""Stores that refuse, hang, vanish and come back, and recorders that are late: what rows say, and what is lost."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from control_plane.gate.models import AuditEntry
from control_plane.media.recorder import EgressState
from control_plane.recordings.models import Recording
from control_plane.recordings.removing import Remover
from control_plane.recordings.sealing import FileSeal
from control_plane.recordings.storage import ObjectStore
from tests.support.buckets import ACCESS, Bucket, a_bucket, a_hanging_bucket
from tests.support.clocks import TurnedClock
from tests.support.platform import SECRET_KEY, Platform, Tenant
from tests.support.recordings import BEGAN, SOUND, complete, facts, get, start, tell, watch

pytestmark = pytest.mark.anyio

SAID = [("recording.started", "recording")]
FAILED = [("recording.stopped", "error"), ("recording.failed", "error")]


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with a_bucket() as made:
        yield made


@pytest.fixture
async def made(tenant: Tenant) -> dict[str, Any]:
    """A recording that runs."""
    assert (await tenant.http.post("/rooms", json={"name": "r"})).status_code == 201
    return await start(tenant)


def told() -> dict[str, Any]:
    """What a recorder says of a recording that has just ended."""
    now = datetime.now(UTC)
    return {"started_at": now, "ended_at": now, "seconds": 5.0, "size": len(SOUND), "filename": "x.ogg"}


def keep_in(platform: Platform, url: str, **more: Any) -> None:
    """Have a platform's recordings in another store."""
    store = ObjectStore(url, ACCESS, FileSeal(SECRET_KEY), **more)
    platform.app.state.recordings = platform.app.state.finisher.store = store


async def key_of(platform: Platform, recording_id: int) -> str:
    async with platform.database.platform() as db:
        row = await db.get(Recording, recording_id)
    assert row is not None
    return str(row.storage_key)


async def outcome(tenant: Tenant, made: dict[str, Any]) -> tuple[str, str | None, int | None]:
    shown = await get(tenant, made["id"])
    return shown["status"], shown["error"], shown["size_bytes"]


def later(platform: Platform) -> None:
    """Let the time pass that a file may take."""
    platform.app.state.finisher.clock = TurnedClock(minutes=2)


async def test_a_bucket_that_refuses_is_named_at_once_and_a_file_that_it_takes_later_completes_the_recording(
    platform: Platform, tenant: Tenant, made: dict[str, Any], bucket: Bucket
) -> None:
    keep_in(platform, bucket.url)
    why = "S3 upload failed: AccessDenied"
    await tell(platform, platform.recorder.says("EG_1", EgressState.FAILED, error=why, **told()))
    assert await outcome(tenant, made) == ("error", why, None)
    assert await facts(platform) == SAID + FAILED
    assert (await tenant.http.get(f"/recordings/{made['id']}/download")).status_code == 404

    bucket.put(await key_of(platform, made["id"]), SOUND)
    again = platform.recorder.says("EG_1", EgressState.COMPLETE, error="")
    await tell(platform, again)
    await tell(platform, again)
    assert await outcome(tenant, made) == ("completed", None, len(SOUND))
    assert await facts(platform) == [*SAID, *FAILED, ("recording.stopped", "completed")]
    assert (await tenant.http.get(f"/recordings/{made['id']}/download")).content == SOUND


async def test_what_a_recorder_stores_later_is_found_though_nobody_tells(
    platform: Platform, tenant: Tenant, made: dict[str, Any], bucket: Bucket
) -> None:
    keep_in(platform, bucket.url)
    kept = platform.recorder.says("EG_1", EgressState.COMPLETE, is_kept=True, **told())
    await tell(platform, kept)
    reason = "its file did not reach the store: the recorder keeps it and tries again"
    assert await outcome(tenant, made) == ("error", reason, None)
    await watch(platform).look_again()
    assert await outcome(tenant, made) == ("error", reason, None)

    bucket.put(await key_of(platform, made["id"]), SOUND)
    platform.recorder.egresses.clear()  # livekit-server forgets after a day
    await watch(platform).look_again()
    assert await outcome(tenant, made) == ("completed", None, len(SOUND))


async def test_a_store_that_hangs_is_an_error_within_minutes_and_the_recording_completes_when_it_is_back(
    platform: Platform, tenant: Tenant, made: dict[str, Any], bucket: Bucket
) -> None:
    with a_hanging_bucket() as url:
        keep_in(platform, url, within=0.3)
        await tell(platform, platform.recorder.says("EG_1", EgressState.COMPLETE, **told()))
        assert (await outcome(tenant, made))[0] == "recording"
        later(platform)
        await platform.app.state.finisher.sweep()
        assert await outcome(tenant, made) == ("error", "The store of recordings cannot be reached; try again", None)
        assert await facts(platform) == SAID + FAILED
    keep_in(platform, bucket.url)
    bucket.put(await key_of(platform, made["id"]), SOUND)
    await watch(platform).look_again()
    assert await outcome(tenant, made) == ("completed", None, len(SOUND))


async def test_a_bucket_that_is_gone_is_told_from_a_file_that_is_not_there(
    platform: Platform, tenant: Tenant, made: dict[str, Any], bucket: Bucket
) -> None:
    bucket.vanish()
    keep_in(platform, bucket.url)
    await tell(platform, platform.recorder.says("EG_1", EgressState.COMPLETE, **told()))
    later(platform)
    await platform.app.state.finisher.sweep()
    assert await outcome(tenant, made) == ("error", "The bucket or folder of recordings is not there", None)
    other = await start(tenant, channels="dual")
    kept = platform.recorder.says("EG_2", EgressState.COMPLETE, is_kept=True, **told())
    await tell(platform, kept)
    assert (await outcome(tenant, other))[0] == "error"  # at once


async def test_files_that_a_store_does_not_show_keep_no_other_recording_waiting(
    platform: Platform, tenant: Tenant, made: dict[str, Any]
) -> None:
    other = await start(tenant, channels="dual")
    with a_hanging_bucket() as url:
        keep_in(platform, url, within=120)
        platform.recorder.says("EG_1", EgressState.COMPLETE, **told())
        platform.recorder.says("EG_2", EgressState.ABORTED, error="Start signal not received")
        async with asyncio.timeout(60):
            await watch(platform).compare()
    assert (await outcome(tenant, other))[:2] == ("error", "nothing was recorded")


async def test_a_download_says_that_the_store_is_away_or_the_file_gone_and_holds_no_connection_meanwhile(
    platform: Platform, tenant: Tenant, made: dict[str, Any], bucket: Bucket
) -> None:
    await complete(platform, "EG_1")
    path = f"/recordings/{made['id']}/download"
    link = (await tenant.http.post(f"/recordings/{made['id']}/link")).json()["url"].partition("/api/v1")[2]
    with a_hanging_bucket() as url:
        keep_in(platform, url, within=1)
        began = time.monotonic()
        waiting = [tenant.http.get(path) for _ in range(40)]  # more than there are connections
        answers = [await tenant.http.get(f"/recordings/{made['id']}"), *await asyncio.gather(*waiting)]
        assert [answer.status_code for answer in answers] == [200] + [503] * 40
        assert time.monotonic() - began < 25
        assert (await tenant.http.get(link)).json()["code"] == "UNAVAILABLE"
    keep_in(platform, bucket.url)
    gone = await tenant.http.get(path)
    assert (gone.status_code, gone.json()["code"]) == (404, "NOT_FOUND")
    bucket.vanish()
    assert (await tenant.http.get(path)).status_code == 503


async def test_what_is_in_a_bucket_that_is_gone_is_not_said_to_be_removed(
    platform: Platform, tenant: Tenant, made: dict[str, Any], bucket: Bucket
) -> None:
    keep_in(platform, bucket.url)
    key = await key_of(platform, made["id"])
    bucket.put(key, SOUND)
    await tell(platform, platform.recorder.says("EG_1", EgressState.COMPLETE, **told()))
    bucket.vanish()
    assert (await tenant.http.delete(f"/recordings/{made['id']}")).status_code == 503
    assert await traces(platform) == []
    assert (await tenant.http.get(f"/recordings/{made['id']}")).status_code == 404

    bucket.make()
    bucket.put(key, SOUND)
    await Remover(platform.database, TurnedClock(), platform.app.state.recordings).sweep()
    assert await traces(platform) == [made["id"]]
    assert bucket.names() == []


async def test_a_recording_whose_file_its_recorder_keeps_is_removed_when_the_file_comes(
    platform: Platform, tenant: Tenant, made: dict[str, Any], bucket: Bucket
) -> None:
    keep_in(platform, bucket.url)
    key = await key_of(platform, made["id"])
    await tell(platform, platform.recorder.says("EG_1", EgressState.COMPLETE, is_kept=True, **told()))
    refused = await tenant.http.delete(f"/recordings/{made['id']}")
    assert (refused.status_code, "recorder keeps" in refused.json()["error"]) == (503, True)
    assert (await tenant.http.get(f"/recordings/{made['id']}")).status_code == 404
    remover = Remover(platform.database, TurnedClock(), platform.app.state.recordings)
    await remover.sweep()
    assert await traces(platform) == []

    bucket.put(key, SOUND)
    await tell(platform, platform.recorder.says("EG_1", EgressState.COMPLETE, is_kept=False))
    await remover.sweep()
    assert (await traces(platform), bucket.names()) == ([made["id"]], [])


async def test_a_late_file_that_was_just_being_encrypted_is_removed_too(
    platform: Platform, tenant: Tenant, made: dict[str, Any], bucket: Bucket
) -> None:
    keep_in(platform, bucket.url, seals=True)
    key = await key_of(platform, made["id"])
    await tell(platform, platform.recorder.says("EG_1", EgressState.COMPLETE, is_kept=True, **told()))
    bucket.put(key, SOUND)
    await platform.app.state.recordings.seal(key)  # and then its process died
    assert (await tenant.http.delete(f"/recordings/{made['id']}")).status_code == 200
    assert (await traces(platform), bucket.names()) == ([made["id"]], [])


async def traces(platform: Platform) -> list[int]:
    async with platform.database.platform() as db:
        found = (await db.exec(select(AuditEntry).where(col(AuditEntry.action) == "recording removed"))).all()
    return [entry.target["recording_id"] for entry in found]


async def test_a_recorder_that_was_given_up_and_comes_back_brings_its_file(
    platform: Platform, tenant: Tenant, made: dict[str, Any]
) -> None:
    egress = platform.recorder.egresses.pop("EG_1")
    await watch(platform, TurnedClock(minutes=1)).compare()
    assert await outcome(tenant, made) == ("error", "the recorder was lost", None)

    platform.recorder.egresses["EG_1"] = egress
    await complete(platform, "EG_1")
    assert await outcome(tenant, made) == ("error", "the recorder was lost", len(SOUND))
    assert (await tenant.http.get(f"/recordings/{made['id']}/download")).content == SOUND


async def test_a_recorder_whose_clock_is_behind_records_as_long_as_others(
    platform: Platform, made: dict[str, Any]
) -> None:
    platform.recorder.says("EG_1", EgressState.ACTIVE, started_at=BEGAN - timedelta(days=400))
    await watch(platform).compare()
    await watch(platform).compare()
    assert ("stop", "EG_1") not in platform.recorder.calls
    await watch(platform, TurnedClock(hours=5)).compare()
    assert platform.recorder.calls[-1] == ("stop", "EG_1")


async def test_a_recorder_whose_clock_is_ahead_keeps_no_row_open(
    platform: Platform, tenant: Tenant, made: dict[str, Any]
) -> None:
    ahead = told() | {"ended_at": BEGAN + timedelta(days=400)}
    await tell(platform, platform.recorder.says("EG_1", EgressState.COMPLETE, **ahead))
    later(platform)
    await platform.app.state.finisher.sweep()
    assert await outcome(tenant, made) == ("error", "its file did not reach the store", None)
