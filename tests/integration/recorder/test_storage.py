"""Where recordings go: buckets that take them, refuse them, hang, and come back."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
import requests
from livekit import api
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from tests.support.ports import free_port
from tests.support.studio import ENDED, Recorder, Stage, emptied, eventually, tone
from tests.support.takes import seconds

pytestmark = pytest.mark.anyio

SECRET_KEY = "a-secret-that-nobody-may-read"


@pytest.fixture
def bucket() -> Iterator[api.S3Upload]:
    """A bucket of a server that speaks S3."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    upload = api.S3Upload(
        access_key="somebody", secret=SECRET_KEY, bucket="tapes", endpoint=endpoint, force_path_style=True
    )
    make(upload)
    yield upload
    server.stop()


def make(upload: api.S3Upload) -> None:
    """Make the bucket of an upload."""
    requests.put(f"{upload.endpoint}/{upload.bucket}", timeout=30).raise_for_status()


def files_in(upload: api.S3Upload) -> dict[str, bytes]:
    """What is in a bucket."""
    store = S3Store(
        upload.bucket,
        endpoint=upload.endpoint,
        access_key_id="somebody",
        secret_access_key=SECRET_KEY,
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    names = [each["path"] for batch in obstore.list(store) for each in batch]
    return {name: bytes(obstore.get(store, name).bytes()) for name in names}


async def record(stage: Stage, room: str, upload: api.S3Upload) -> api.EgressInfo:
    """A second of a tone, to be stored in a bucket."""
    await stage.enter(room, "ada", tone(440))
    begun = await stage.record(room, "/a/{room_name}", output={"s3": upload})
    await stage.until(begun.egress_id, api.EGRESS_ACTIVE)
    await asyncio.sleep(1)
    return await stage.stop(begun.egress_id)


def never_said(recorder: Recorder, *infos: api.EgressInfo) -> bool:
    """Whether nobody was told the secret, and only the owner can read what is on the disk."""
    told = "".join(map(str, infos)) + recorder.log.read_text()
    return SECRET_KEY not in told and all(path.stat().st_mode & 0o77 == 0 for path in recorder.state.glob("*"))


async def test_a_bucket_gets_the_file_and_its_manifest(recorder: Recorder, stage: Stage, bucket: api.S3Upload) -> None:
    ended = await record(stage, "bucket", bucket)

    result = ended.file_results[0]
    assert ended.status == api.EGRESS_COMPLETE
    assert result.filename == "a/bucket.ogg"
    assert result.location == f"{bucket.endpoint}/tapes/a/bucket.ogg"
    files = files_in(bucket)
    assert len(files["a/bucket.ogg"]) == result.size
    (recorder.root / "back.ogg").write_bytes(files["a/bucket.ogg"])
    assert seconds(recorder.root / "back.ogg") == pytest.approx(result.duration / 1e9, abs=0.03)
    manifest = json.loads(files[f"a/{ended.egress_id}.json"])
    assert manifest["files"] == [{"filename": result.filename, "location": result.location}]
    assert not list(recorder.root.glob("a/*"))
    assert ended.room_composite.file_outputs[0].s3.secret == "{secret}"
    assert never_said(recorder, ended)


async def test_a_bucket_gets_hls_piece_by_piece(recorder: Recorder, stage: Stage, bucket: api.S3Upload) -> None:
    await stage.enter("pieces", "ada", tone(440))
    output = api.SegmentedFileOutput(filename_prefix="p/piece", segment_duration=1, s3=bucket)
    asked = api.RoomCompositeEgressRequest(room_name="pieces", audio_only=True, segment_outputs=[output])
    begun = await stage.livekit.egress.start_room_composite_egress(asked)
    await eventually(lambda: "p/piece.m3u8" in files_in(bucket))
    ended = await stage.stop(begun.egress_id)

    files, result = files_in(bucket), ended.segment_results[0]
    names = [line for line in files["p/piece.m3u8"].decode().splitlines() if not line.startswith("#")]
    assert ended.status == api.EGRESS_COMPLETE
    assert result.playlist_location == f"{bucket.endpoint}/tapes/p/piece.m3u8"
    assert result.segment_count == len(names) > 1
    assert result.size == sum(len(files[f"p/{name}"]) for name in names)
    assert b"#EXT-X-ENDLIST" in files["p/piece.m3u8"]


@pytest.mark.parametrize("recorder_settings", [{"upload_again": "0.5"}])
async def test_a_file_whose_bucket_is_gone_is_kept_and_stored_when_it_is_back(
    recorder: Recorder, stage: Stage, bucket: api.S3Upload
) -> None:
    elsewhere = api.S3Upload()
    elsewhere.CopyFrom(bucket)
    elsewhere.bucket = "elsewhere"
    failed = await record(stage, "gone", elsewhere)
    assert failed.status == api.EGRESS_FAILED
    assert failed.error.startswith("S3 upload failed: ")
    assert failed.error_code == 400
    assert seconds(failed.file_results[0].location) == pytest.approx(failed.file_results[0].duration / 1e9, abs=0.03)
    assert recorder.figures()["pocket_egress_kept"] == 1
    recorder.kill()
    await asyncio.to_thread(recorder.start)
    make(elsewhere)
    stored = await stage.until(failed.egress_id, api.EGRESS_COMPLETE)

    assert stored.error == ""
    assert stored.details == failed.details == "End reason: StopEgress API"
    assert stored.file_results[0].location.endswith("/elsewhere/a/gone.ogg")
    assert len(files_in(elsewhere)["a/gone.ogg"]) == stored.file_results[0].size
    assert stored.ended_at == failed.ended_at
    assert never_said(recorder, failed, stored)
    await emptied(recorder.state)


@pytest.fixture
def backup(tmp_path: Path, recorder_settings: dict[str, str]) -> Path:
    """A folder for what cannot be uploaded."""
    recorder_settings["backup"] = str(tmp_path / "backup")
    return tmp_path / "backup"


@pytest.mark.parametrize("recorder_settings", [{"upload_within": "1"}])
async def test_with_a_backup_folder_a_bucket_that_hangs_costs_nothing_but_time(
    backup: Path, recorder: Recorder, stage: Stage
) -> None:
    over, hanging = asyncio.Event(), []

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hanging.append(asyncio.current_task())
        await over.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    upload = api.S3Upload(
        access_key="x", secret=SECRET_KEY, bucket="b", endpoint=f"http://127.0.0.1:{port}", force_path_style=True
    )
    ended = await record(stage, "hangs", upload)
    over.set()
    await asyncio.gather(*hanging)
    server.close()

    assert ended.status in ENDED
    assert ended.status == api.EGRESS_COMPLETE
    assert ended.backup_storage_used
    location = Path(ended.file_results[0].location)
    assert location == backup / ended.egress_id / "hangs.ogg"
    assert seconds(location) == pytest.approx(ended.file_results[0].duration / 1e9, abs=0.03)
    assert never_said(recorder, ended)


@pytest.mark.parametrize("recorder_settings", [{"upload_again": "0.5"}])
async def test_what_is_in_the_backup_folder_goes_to_its_bucket_when_that_is_back(
    backup: Path, recorder: Recorder, stage: Stage, bucket: api.S3Upload
) -> None:
    bucket.bucket = "sometime"
    kept = await record(stage, "later", bucket)
    assert kept.backup_storage_used
    make(bucket)

    async def is_stored() -> bool:
        return not (await stage.info(kept.egress_id)).backup_storage_used

    await eventually(is_stored)
    stored = await stage.info(kept.egress_id)
    assert stored.status == api.EGRESS_COMPLETE
    assert stored.file_results[0].location.endswith("/sometime/a/later.ogg")
    assert len(files_in(bucket)["a/later.ogg"]) == stored.file_results[0].size
    await emptied(recorder.state)
    await emptied(backup)


@pytest.mark.parametrize("recorder_settings", [{"least_free": str(1 << 60)}])
async def test_a_full_disk_is_said_at_once_and_takes_no_recordings(recorder: Recorder, stage: Stage) -> None:
    await stage.enter("disk", "ada", tone(440))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stage.record("disk", "disk"), 2)
    assert recorder.figures()["pocket_egress_active"] == 0
