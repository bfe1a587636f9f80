"""The store of recordings: a folder or a bucket, plain or encrypted."""

import hashlib
import hmac
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from control_plane.errors import Unavailable
from control_plane.recordings.sealing import FRAME, FileSeal, SealBroken
from control_plane.recordings.storage import ObjectStore
from tests.support.buckets import ACCESS, Bucket, a_bucket
from tests.support.platform import SECRET_KEY
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio

FORMER = "Zm9ybWVy"
SIZES = [1, 100, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME, 40 * FRAME + 7]


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with a_bucket() as made:
        yield made


def folder(path: Path) -> str:
    return f"file://{path}/recordings"


def store(url: str, *, seals: bool = False, key: str = SECRET_KEY) -> ObjectStore:
    return ObjectStore(url, ACCESS if url.startswith("s3") else {}, FileSeal(key), seals=seals)


async def read(files: ObjectStore, key: str, begin: int, end: int) -> bytes:
    return b"".join([piece async for piece in files.read(key, begin, end)])


async def keep(files: ObjectStore, content: bytes) -> str:
    await files.write("1/2026-03/abc.ogg", content)
    return await files.seal("1/2026-03/abc.ogg")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seals", [False, True])
async def test_any_part_of_a_file_is_read_as_it_was_written(tmp_path: Path, size: int, seals: bool) -> None:
    content = random.Random(size).randbytes(size)
    files = store(folder(tmp_path), seals=seals)
    key = await keep(files, content)
    assert await files.size(key) == size
    assert await read(files, key, 0, size) == content
    for begin in {0, 1, size // 2, max(0, size - 1), min(size - 1, FRAME)}:
        for end in {begin + 1, min(size, begin + FRAME), size}:
            assert await read(files, key, begin, min(size, max(begin + 1, end))) == content[begin : max(begin + 1, end)]
    await files.remove(key)
    assert await files.size(key) is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


async def test_what_is_encrypted_is_not_on_the_disk_and_does_not_open_changed(tmp_path: Path) -> None:
    content = b"what somebody said " * 10_000
    files = store(folder(tmp_path), seals=True)
    key = await keep(files, content)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    sealed = file.read_bytes()
    assert b"somebody" not in sealed
    with pytest.raises(SealBroken):
        await read(store(folder(tmp_path), key="b3RoZXI="), key, 0, 10)
    for changed in (sealed[:-1], sealed[: 12 + FRAME + 16], sealed[:100] + b"x" + sealed[101:], b"XXXX" + sealed[4:]):
        file.write_bytes(changed)
        with pytest.raises((SealBroken, Unavailable)):
            await read(files, key, 0, await files.size(key) or 0)


async def test_a_sealed_file_opens_under_no_other_name(tmp_path: Path) -> None:
    files = store(folder(tmp_path), seals=True)
    keys = []
    for name in ("1/ada.ogg", "2/grace.ogg"):
        await files.write(name, name.encode() * 10_000)
        keys.append(await files.seal(name))
    one, other = (tmp_path / "recordings" / key for key in keys)
    one_bytes, other_bytes = one.read_bytes(), other.read_bytes()
    one.write_bytes(other_bytes)
    other.write_bytes(one_bytes)
    for key in keys:
        with pytest.raises(SealBroken):
            await read(files, key, 0, 10)


async def test_a_file_of_the_former_form_or_key_is_read_and_sealed_anew(tmp_path: Path) -> None:
    content, name = random.Random(2).randbytes(3 * FRAME + 9), "1/2026-03/abc.ogg.sealed"
    cipher = AESGCM(hmac.digest(FORMER.encode(), b"parley recordings at rest v1", hashlib.sha256))
    frames = [content[place : place + FRAME] for place in range(0, len(content), FRAME)]
    salt = bytes(8)
    sealed = b"".join(
        cipher.encrypt(salt + number.to_bytes(4, "big"), frame, b"last" if frame is frames[-1] else b"more")
        for number, frame in enumerate(frames)
    )
    (tmp_path / "recordings" / name).parent.mkdir(parents=True)
    (tmp_path / "recordings" / name).write_bytes(b"PRS1" + salt + sealed)
    both = ObjectStore(folder(tmp_path), {}, FileSeal((SECRET_KEY, FORMER)), seals=True)
    assert await read(both, name, 0, len(content)) == content
    assert await both.seal_again(name)
    assert not await both.seal_again(name)
    assert await read(store(folder(tmp_path), seals=True), name, 5, len(content)) == content[5:]


async def test_sealing_again_after_a_crash_finds_what_was_done(tmp_path: Path) -> None:
    files = store(folder(tmp_path), seals=True)
    key = await keep(files, b"sound")
    assert await files.seal("1/2026-03/abc.ogg") == key
    assert await files.seal(key) == key
    assert await files.seal("1/2026-03/other.ogg") == "1/2026-03/other.ogg"


@pytest.mark.parametrize("seals", [False, True])
async def test_a_bucket_is_a_store_like_a_folder(bucket: Bucket, seals: bool) -> None:
    files = store(bucket.url, seals=seals)
    content = random.Random(1).randbytes(3 * FRAME + 5)
    key = await keep(files, content)
    assert await files.size(key) == len(content)
    assert await read(files, key, FRAME - 5, 2 * FRAME) == content[FRAME - 5 : 2 * FRAME]
    await files.remove(key)
    await files.remove(key)
    assert await files.size(key) is None


async def test_a_bucket_that_is_not_there_is_said_to_be_away(bucket: Bucket) -> None:
    files = store(bucket.url.replace("s3://parley", "s3://nobody"))
    with pytest.raises(Unavailable):
        await files.write("a", b"x")
    with pytest.raises(Unavailable, match="not there"):
        await files.remove("a")  # nobody can say that it is gone
    gone = store(f"s3://parley?region=us-east-1&endpoint=http://127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable):
        await gone.size("a")


async def test_a_folder_that_is_gone_is_not_an_empty_one(tmp_path: Path) -> None:
    files = store(folder(tmp_path))
    assert await files.size("a") is None
    (tmp_path / "recordings").rmdir()
    for asked in (files.size("a"), files.remove("a")):
        with pytest.raises(Unavailable, match="not there"):
            await asked


@pytest.mark.parametrize("url", ["file://relative", "file:///", "ftp://x", "s3://"])
def test_what_is_no_store_is_refused_when_it_is_named(url: str) -> None:
    with pytest.raises(ValueError, match="recordings"):
        store(url)
