"""The files of recordings: downloads, links, what players draw, what is removed and what is lost."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import httpx2
import numpy as np
import pytest
from sqlmodel import select

from control_plane.clock import Clock
from control_plane.gate.models import AuditEntry
from control_plane.recordings.removing import Remover
from parley.stack.recordings import compare_recordings
from tests.support.calls import until
from tests.support.clocks import TurnedClock
from tests.support.database import Clone
from tests.support.platform import Platform, Tenant
from tests.support.recordings import SOUND, complete, start

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("asked", "status", "found", "shown"),
    [
        ("bytes=0-9", 206, SOUND[:10], "bytes 0-9/102400"),
        ("bytes=102390-", 206, SOUND[-10:], "bytes 102390-102399/102400"),
        ("bytes=-5", 206, SOUND[-5:], "bytes 102395-102399/102400"),
        ("bytes=0-999999", 206, SOUND, "bytes 0-102399/102400"),
        (f"bytes=0-{10**30}", 206, SOUND, "bytes 0-102399/102400"),
        (f"bytes=-{10**30}", 206, SOUND, "bytes 0-102399/102400"),
        (f"bytes={10**30}-", 416, b"", "bytes */102400"),
        (f"bytes=0-{'9' * 5000}", 416, b"", "bytes */102400"),
        ("bytes=-1-5", 416, b"", "bytes */102400"),
        ("bytes=0-5,3-8,0-", 200, SOUND, None),
        ("bytes=102400-", 416, b"", "bytes */102400"),
        ("bytes=9-1", 416, b"", "bytes */102400"),
        ("bytes=a-b", 416, b"", "bytes */102400"),
        ("bytes=0-1,5-6", 200, SOUND, None),
        ("Bytes=0-1", 206, SOUND[:2], "bytes 0-1/102400"),
        ("bytesx=0-1", 200, SOUND, None),
        ("bytes=-0", 416, b"", "bytes */102400"),
        ("lines=1-2", 200, SOUND, None),
    ],
)
async def test_a_part_of_a_file_is_downloaded_as_it_is_asked_for(
    tenant: Tenant, recorded: dict[str, Any], asked: str, status: int, found: bytes, shown: str | None
) -> None:
    url = f"/recordings/{recorded['id']}/download"
    answer = await tenant.http.get(url, headers={"Range": asked})
    assert (answer.status_code, answer.headers.get("content-range")) == (status, shown)
    assert answer.json()["code"] == "INVALID_REQUEST" if status == 416 else answer.content == found


async def test_headers_of_a_file_let_players_seek_and_caches_ask(tenant: Tenant, recorded: dict[str, Any]) -> None:
    url = f"/recordings/{recorded['id']}/download"
    head = await tenant.http.head(url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "102400")
    assert (head.headers["accept-ranges"], head.headers["content-type"]) == ("bytes", "audio/ogg")
    tag = head.headers["etag"]
    for known in (tag, f"W/{tag}", "*", f'"other", {tag}'):
        assert (await tenant.http.get(url, headers={"If-None-Match": known})).status_code == 304
    ranged = await tenant.http.get(url, headers={"Range": "bytes=0-0", "If-Range": tag})
    assert ranged.status_code == 206
    other = await tenant.http.get(url, headers={"Range": "bytes=0-0", "If-Range": '"other"'})
    assert (other.status_code, len(other.content)) == (200, len(SOUND))


async def test_a_link_plays_one_recording_for_a_time_without_a_key(
    platform: Platform, tenant: Tenant, recorded: dict[str, Any]
) -> None:
    made = await tenant.http.post(f"/recordings/{recorded['id']}/link", json={"expires_in": 60})
    assert made.status_code == 201
    parts = urlsplit(made.json()["url"])
    async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as stranger:
        path = f"{parts.path}?{parts.query}"
        played = await stranger.get(path, headers={"Range": "bytes=0-9"})
        assert (played.status_code, played.content) == (206, SOUND[:10])
        assert (await stranger.head(path)).status_code == 200
        for wrong in (path[:-1] + "x", path.replace(f"/{recorded['id']}/", "/999/"), parts.path):
            assert (await stranger.get(wrong)).status_code == 403
        platform.app.state.clock = TurnedClock(minutes=2)
        assert (await stranger.get(path)).status_code == 403


async def test_a_deleted_recording_leaves_no_byte_and_a_trace_that_says_so(
    platform: Platform, tenant: Tenant, recorded: dict[str, Any]
) -> None:
    folder = platform.recorder.folder
    async with platform.jobs():
        await until(lambda: peaks_status(tenant, recorded["id"]), 200)
    peaks = (await tenant.http.get(f"/recordings/{recorded['id']}/peaks")).json()
    assert (peaks["channels"], peaks["peaks"]) == (0, [])  # this "sound" cannot be measured, which is told
    assert [file.read_bytes() for file in folder.rglob("*.ogg")] == [SOUND]
    assert (await tenant.http.delete(f"/recordings/{recorded['id']}")).json()["success"] is True
    assert not [path for path in folder.rglob("*") if path.is_file()]
    assert (await tenant.http.get(f"/recordings/{recorded['id']}")).status_code == 404
    async with platform.database.platform() as db:
        trace = (await db.exec(select(AuditEntry).where(AuditEntry.action == "recording removed"))).one()
    assert (trace.target["recording_id"], trace.target["size_bytes"]) == (recorded["id"], len(SOUND))


async def test_a_recording_that_runs_is_not_deleted(tenant: Tenant, room: str) -> None:
    made = await start(tenant)
    assert (await tenant.http.delete(f"/recordings/{made['id']}")).status_code == 409
    assert (await tenant.http.get(f"/recordings/{made['id']}/download")).status_code == 409


async def test_what_a_project_keeps_no_longer_is_removed(
    platform: Platform, tenant: Tenant, recorded: dict[str, Any]
) -> None:
    changed = await tenant.http.patch(f"/projects/{tenant.project.id}", json={"retention_days": 30})
    assert changed.status_code == 200
    store = platform.app.state.recordings
    await Remover(platform.database, Clock(), store).sweep()
    assert (await tenant.http.get("/recordings")).json()["total"] == 1
    await Remover(platform.database, TurnedClock(days=365), store).sweep()
    assert (await tenant.http.get("/recordings")).json()["total"] == 0
    assert not list(platform.recorder.folder.rglob("*.ogg"))


async def test_a_complete_recording_is_measured_for_players(
    platform: Platform, tenant: Tenant, room: str, tmp_path: Path
) -> None:
    made = await start(tenant, channels="dual")
    await complete(platform, made["egress_id"], two_tones(tmp_path / "tones.ogg"))
    async with platform.jobs():
        await until(lambda: peaks_status(tenant, made["id"]), 200)
    answer = await tenant.http.get(f"/recordings/{made['id']}/peaks", params={"points": 10})
    left, right = answer.json()["peaks"]
    assert max(left) == pytest.approx(0.5, abs=0.05)
    assert [round(peak, 1) for peak in right[:4]] == [0, 0, 0, 0]
    assert max(right[6:]) == pytest.approx(0.9, abs=0.06)


def two_tones(path: Path) -> bytes:
    """Four seconds of Opus: a tone on the left, and after two seconds a louder one on the right."""
    moments = np.arange(4 * 48_000) / 48_000
    right = np.where(moments < 2, 0, 0.9 * np.sin(2 * np.pi * 880 * moments))
    sound = np.stack([0.5 * np.sin(2 * np.pi * 440 * moments), right]).astype(np.float32)
    with av.open(path, "w") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="stereo")
        frame.rate = 48_000
        for each in (frame, None):
            container.mux(stream.encode(each))
    return path.read_bytes()


async def peaks_status(tenant: Tenant, recording_id: int) -> int:
    return (await tenant.http.get(f"/recordings/{recording_id}/peaks")).status_code


async def test_files_that_lost_their_recording_and_the_other_way_round_are_found(
    platform: Platform, clone: Clone, recorded: dict[str, Any]
) -> None:
    folder = platform.recorder.folder
    assert compare_recordings(folder, clone.owner) == ([], [])
    (file,) = folder.rglob("*.ogg")
    stray = file.rename(folder / "stray.ogg")
    assert compare_recordings(folder, clone.owner) == ([stray.name], [str(file.relative_to(folder))])


async def test_the_file_of_an_export_is_no_stray(platform: Platform, tenant: Tenant, clone: Clone) -> None:
    made = (await tenant.http.post("/privacy/exports", json={"email": "ann@example.org"})).json()["export"]

    async def status() -> str:
        read = await tenant.http.get(f"/privacy/exports/{made['id']}")
        return str(read.json()["export"]["status"])

    async with platform.jobs():
        await until(status, "completed")
    assert list(platform.recorder.folder.rglob("*.zip")) != []
    assert compare_recordings(platform.recorder.folder, clone.owner) == ([], [])
