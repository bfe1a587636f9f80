import asyncio
import json
import stat
from pathlib import Path

import av
import numpy as np
import pytest
from livekit.protocol import egress

from pocket.recorder.encoding import BROKEN, FORMATS, Kind, Writer
from pocket.recorder.journal import Journal
from pocket.recorder.protobufs import rpc_egress_pb2 as rpc
from pocket.recorder.repair import Part, join, length
from pocket.recorder.storage import StorageError, put_locally
from pocket.recorder.voice import RATE

KINDS: tuple[Kind, ...] = ("ogg", "mp3", "mp4", "mp4 opus", "wav")
STEP = RATE * 16 // 100


def sound(count: int, channels: int = 1) -> np.ndarray:
    moments = np.repeat(np.arange(count) / RATE, channels)
    return (np.sin(2 * np.pi * 440 * moments) * 9000).astype(np.int16)


def cut_off(path: Path, kind: Kind, steps: int, *, stereo: bool = False) -> Path:
    """What is on the disk when a writer is killed."""
    writer = Writer(path, kind, stereo=stereo)
    for _ in range(steps):
        writer.write(sound(STEP, 2 if stereo else 1))
    left = path.with_name(f"left-{path.name}")
    left.write_bytes(path.read_bytes())
    writer.close()
    return left


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stereo", [False, True])
def test_nearly_all_of_a_file_is_there_while_it_is_written(tmp_path: Path, kind: Kind, stereo: bool) -> None:
    left = cut_off(tmp_path / f"x{FORMATS[kind].ending}", kind, 25, stereo=stereo)
    assert 4.0 - length(left) < 0.4
    whole = tmp_path / f"whole{FORMATS[kind].ending}"
    assert join([Part(left, 0.0)], kind, whole) == pytest.approx(length(left), abs=0.001)
    with av.open(str(whole)) as file:
        assert file.duration is not None
        assert file.duration / 1e6 == pytest.approx(length(left), abs=0.08)
        assert file.streams.audio[0].layout.nb_channels == (2 if stereo else 1)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_are_put_where_they_were_recorded(tmp_path: Path, kind: Kind) -> None:
    ending = FORMATS[kind].ending
    first, second = (cut_off(tmp_path / f"{name}{ending}", kind, 10) for name in "ab")
    whole = tmp_path / f"whole{ending}"
    told = join([Part(first, 0.0), Part(second, 3.0)], kind, whole)
    assert told == pytest.approx(3.0 + length(second), abs=0.1)
    with av.open(str(whole)) as file:
        samples = np.concatenate([f.to_ndarray().astype(np.float64) for f in file.decode(audio=0)], axis=1)[0]
    loud = np.abs(samples) > np.abs(samples).max() / 10
    assert loud[int(0.1 * RATE) : int(1.1 * RATE)].mean() > 0.8
    assert loud[int(1.8 * RATE) : int(2.85 * RATE)].mean() < 0.01
    assert loud[int(3.15 * RATE) : int(4.1 * RATE)].mean() > 0.8


@pytest.mark.parametrize("content", [b"", b"nonsense" * 100, b"OggS"])
def test_what_is_no_sound_has_no_length(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.ogg").write_bytes(content)
    assert length(tmp_path / "x.ogg") == 0
    assert length(tmp_path / "not-there.ogg") == 0


def test_a_full_disk_is_one_of_the_errors_that_are_expected() -> None:
    def fill() -> None:
        writer = Writer(Path("/dev/full"), "wav", stereo=False)
        writer.write(sound(RATE))
        writer.close()

    with pytest.raises(BROKEN):
        fill()


def test_a_file_is_never_put_over_another_nor_outside(tmp_path: Path) -> None:
    root, local = tmp_path / "root", tmp_path / "local.ogg"
    local.write_text("one")
    assert put_locally(local, root, "a/x.ogg", instead="EG_1") == root / "a" / "x.ogg"
    assert put_locally(local, root, "a/x.ogg", instead="EG_1") == root / "a" / "x.ogg", "the same again"
    other = tmp_path / "other.ogg"
    other.write_text("two")
    assert put_locally(other, root, "a/x.ogg", instead="EG_2") == root / "a" / "x-EG_2.ogg"
    assert (root / "a" / "x.ogg").read_text() == "one"
    (root / "out").symlink_to(tmp_path)
    with pytest.raises(StorageError, match="outside"):
        put_locally(local, root, "out/x.ogg", instead="EG_1")


@pytest.mark.anyio
async def test_a_journal_is_its_owners_and_has_one_owner(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "state")
    asked = rpc.StartEgressRequest(egress_id="EG_1", room_id="RM_1")
    entry = journal.entry(asked, egress.EgressInfo(egress_id="EG_1", room_name="r"))
    entry.parts.append(("part0.ogg", 5))
    assert entry.own()
    await asyncio.gather(*(entry.save() for _ in range(20)))
    for path in (journal.folder, entry.folder, entry.folder / "journal.json"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o77 == 0
    (found,) = journal.entries()
    assert (found.asked, found.info, found.parts) == (entry.asked, entry.info, entry.parts)
    assert not found.own()
    entry.release()
    assert found.own()
    found.remove()
    assert list(journal.entries()) == []
    entry.remove()
    await entry.save()
    assert not entry.folder.exists(), "what is over is not written down again"


def test_a_journal_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for name, text in (("a", ""), ("b", "{}"), ("c", json.dumps({"asked": "x", "info": "", "parts": [], "kept": ""}))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "journal.json").write_text(text)
    assert list(journal.entries()) == []
    (tmp_path / "orphan").mkdir()
    journal.sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
    for name in ("../x", "a/b", ""):
        with pytest.raises(ValueError, match="egress id"):
            journal.entry(rpc.StartEgressRequest(egress_id=name), egress.EgressInfo())
