"""What is taken out of the words is taken out of the sound, before anybody is told of the file; else none is made."""

from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from control_plane.clock import Clock
from control_plane.events.models import Event
from control_plane.recordings.beeping import NO_LISTENER, Beeper, deaf, private
from control_plane.recordings.finishing import Finisher
from control_plane.recordings.models import Recording, RecordingOrigin
from control_plane.recordings.removing import Remover
from control_plane.sessions.models import Session, SessionJob, TranscriptLine
from tests.support.bothost import baas, bot_host, in_state, send
from tests.support.humming import VOICE, energy, listen, loudest, record
from tests.support.meetings import meet_people
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

BEGAN = datetime.now(UTC) - timedelta(hours=1)
LENGTH = 6.0


def line(begin: int, content: str, *, words: Any = None, duration: int = 0, epoch: int = 0) -> TranscriptLine:
    told = {"project_id": 1, "session_id": 1, "sequence": begin, "speaker": "user", "created_at": BEGAN, "epoch": epoch}
    return TranscriptLine(**told, content=content, timestamp_ms=begin, words=words, duration_ms=duration)


def test_words_are_overwritten_where_they_are_timed_and_whole_lines_where_they_are_not() -> None:
    words = [{"text": "call", "start_ms": 1000, "end_ms": 1300}, {"text": "[phone]", "start_ms": 1300, "end_ms": 2000}]
    lines = [
        line(1000, "call [phone]", words=words),
        line(3000, "it is [email]", duration=500),
        line(4000, "[name]"),
        line(5000, "no name"),
    ]
    found = private(
        lines,
        zero=BEGAN + timedelta(seconds=1),
        begins=BEGAN,
        heard=(BEGAN, BEGAN + timedelta(seconds=10)),
        length=20,
    )
    assert found == [pytest.approx(each) for each in [(2.2, 3.1), (3.8, 4.7), (4.8, 6.2), (10, 20)]]


def a_job(epoch: int, identity: str, **fields: Any) -> SessionJob:
    told: dict[str, Any] = {"epoch": epoch, "identity": identity, "livekit_job_id": f"{identity}-{epoch}"}
    told |= {"project_id": 1, "session_id": 1, "persona_id": 0, "worker_id": "w"}
    told |= {"accepted_at": BEGAN, "lease_until": BEGAN}
    return SessionJob(**told | fields)


def test_what_nobody_heard_because_a_host_was_lost_is_known_by_the_words_around_it() -> None:
    jobs = [a_job(1, "bot-a"), a_job(2, "agent-7"), a_job(3, "bot-a")]
    lines = [line(1000, "a", duration=500, epoch=1), line(2000, "b", epoch=2), line(9000, "c", epoch=3)]
    assert set(deaf(jobs, lines, is_lost=False)) == {(1.5, 9.0)}
    assert set(deaf(jobs, lines, is_lost=True)) == {(1.5, 9.0), (9.0, inf), (2.0, inf)}
    assert set(deaf(jobs[:1], lines, is_lost=False)) == set()
    assert set(deaf(jobs, [], is_lost=False)) == {(0.0, inf)}


async def talk(platform: Platform, tenant: Tenant, tmp_path: Path, **fields: Any) -> int:
    """A recording whose file has come, of a conversation in which a number was said from 1 to 2 seconds."""
    mine: dict[str, Any] = {"project_id": tenant.project.id}
    session = Session(
        **mine,
        room_name="proj_r",
        status="completed",
        started_at=BEGAN,
        ended_at=BEGAN + timedelta(seconds=LENGTH),
        store_transcripts=fields.pop("store_transcripts", True),
    )
    await platform.add(session)
    said = {"session_id": session.id, "sequence": 1, "speaker": "user", "created_at": BEGAN}
    words = [{"text": "[phone]", "start_ms": 1100, "end_ms": 1900}]
    await platform.add(
        TranscriptLine(**mine, **said, content="[phone]", timestamp_ms=1100, duration_ms=800, words=words)
    )
    file = tmp_path / "raw.ogg"
    record(file, "libopus")
    key = f"{tenant.project.id}/2026-01/abc.ogg"
    await platform.app.state.recordings.write(key, file.read_bytes())
    recording = Recording(
        **mine,
        room_name="proj_r",
        session_id=session.id,
        storage_key=key,
        started_at=BEGAN,
        zero_at=BEGAN,
        ended_at=BEGAN + timedelta(seconds=LENGTH),
        duration=LENGTH,
        **fields,
    )
    await platform.add(recording)
    return recording.id


async def facts(platform: Platform) -> list[str]:
    async with platform.database.platform() as db:
        return list((await db.exec(select(Event.type).where(Event.type == "recording.stopped"))).all())


async def read(platform: Platform, recording_id: int) -> Recording:
    async with platform.database.platform() as db:
        found = await db.get(Recording, recording_id)
    assert found is not None
    return found


async def test_a_number_is_a_tone_before_anybody_is_told_and_the_raw_file_is_gone(
    platform: Platform, tenant: Tenant, tmp_path: Path
) -> None:
    await tenant.http.patch(f"/projects/{tenant.project.id}", json={"redact": True})
    recording_id = await talk(platform, tenant, tmp_path)
    store = platform.app.state.recordings
    beeper = Beeper(platform.database, Clock(), store)
    finisher = Finisher(platform.database, Clock(), store, beeper)

    await platform.app.state.finisher.finish(recording_id)  # a process that serves leaves it
    assert (await read(platform, recording_id)).status == "recording"
    assert await facts(platform) == []
    await finisher.finish(recording_id)
    await beeper.wait()
    assert await facts(platform) == []
    await finisher.finish(recording_id)

    done = await read(platform, recording_id)
    assert (done.status, done.error) == ("completed", None)
    assert await facts(platform) == ["recording.stopped"]
    folder = platform.recorder.folder / str(tenant.project.id) / "2026-01"
    assert [path.name for path in folder.iterdir()] == ["abc-b.ogg"]
    sound = listen(folder / "abc-b.ogg")
    assert energy(sound, 1000, 1.0, 2.0) > 0.2
    assert loudest(sound, VOICE, 1.05, 1.95) < 0.005
    assert energy(sound, VOICE, 2.1, 5.9) > 0.2
    answer = await tenant.http.get(f"/recordings/{recording_id}/download")
    assert answer.content == (folder / "abc-b.ogg").read_bytes()


async def test_a_raw_file_that_a_crash_left_goes_before_anybody_is_told_and_with_its_recording(
    platform: Platform, tenant: Tenant, tmp_path: Path
) -> None:
    await tenant.http.patch(f"/projects/{tenant.project.id}", json={"redact": True})
    raw = f"{tenant.project.id}/2026-01/raw.ogg"
    recording_id = await talk(platform, tenant, tmp_path, details={"beeped": True, "raw": raw})
    store = platform.app.state.recordings
    await store.write(raw, b"raw")
    beeper = Beeper(platform.database, Clock(), store)
    finisher = Finisher(platform.database, Clock(), store, beeper)

    await finisher.finish(recording_id)
    assert await facts(platform) == []
    await beeper.wait()
    assert await store.size(raw) is None
    await finisher.finish(recording_id)
    assert (await read(platform, recording_id)).status == "completed"

    await store.write(raw, b"raw")
    async with platform.database.platform() as db:
        recording = await db.get(Recording, recording_id)
        assert recording is not None
        recording.details, recording.deleted_at = {"beeped": True, "raw": raw}, Clock().now()
    assert await Remover(platform.database, Clock(), store).remove(recording_id)
    assert await store.size(raw) is None


async def test_where_nobody_listens_nothing_is_recorded(platform: Platform, tenant: Tenant) -> None:
    await tenant.http.post("/rooms", json={"name": "r"})
    await tenant.http.patch(f"/projects/{tenant.project.id}", json={"redact": True})

    refused = await tenant.http.post("/rooms/r/recordings/start")

    assert (refused.status_code, refused.json()["error"]) == (409, NO_LISTENER)
    assert platform.recorder.calls == []
    await tenant.http.patch(f"/projects/{tenant.project.id}", json={"redact": False})
    assert (await tenant.http.post("/rooms/r/recordings/start")).status_code == 201


async def beeped(platform: Platform, recording_id: int) -> Recording:
    """A recording after it was looked at as often as it takes, if it is not waited for."""
    beeper = Beeper(platform.database, Clock(), platform.app.state.recordings)
    finisher = Finisher(platform.database, Clock(), platform.app.state.recordings, beeper)
    for _ in range(2):
        await finisher.finish(recording_id)
        await beeper.wait()
    return await read(platform, recording_id)


async def test_a_bots_recording_has_its_tones_once_its_host_has_written_all_down(
    platform: Platform, tenant: Tenant, tmp_path: Path
) -> None:
    await tenant.http.patch(f"/projects/{tenant.project.id}", json={"redact": True})
    recording_id = await talk(platform, tenant, tmp_path, origin=RecordingOrigin.BOT, details={"listened": True})
    session_id = (await read(platform, recording_id)).session_id
    lease = {"lease_until": Clock().now() + timedelta(hours=1)}
    host = a_job(1, "bot-a", **lease, project_id=tenant.project.id, session_id=session_id)
    await platform.add(host)

    assert (await beeped(platform, recording_id)).status == "recording", "more may be said of it"
    async with platform.database.platform() as db:
        (await db.merge(host)).told_at = Clock().now()
    done = await beeped(platform, recording_id)

    assert (done.status, done.error) == ("completed", None)
    sound = listen(platform.recorder.folder / (done.storage_key or ""))
    assert energy(sound, 1000, 1.0, 2.0) > 0.2
    assert loudest(sound, VOICE, 1.05, 1.95) < 0.005
    assert energy(sound, VOICE, 2.1, 5.9) > 0.2


async def test_of_a_bots_recording_nothing_is_left_where_nobody_wrote_down_what_was_said(
    platform: Platform, tenant: Tenant, tmp_path: Path
) -> None:
    recording_id = await talk(platform, tenant, tmp_path, origin=RecordingOrigin.BOT, details={"listened": False})
    await tenant.http.patch(f"/projects/{tenant.project.id}", json={"redact": True})  # while it was there

    done = await beeped(platform, recording_id)

    assert loudest(listen(platform.recorder.folder / (done.storage_key or "")), VOICE, 0.1, 5.9) < 0.005


@pytest.mark.parametrize("keeps_words", [True, False])
async def test_a_bot_writes_down_what_its_recording_is_redacted_by_or_is_not_recorded(
    platform: Platform, tenant: Tenant, keeps_words: bool
) -> None:
    asked = {"redact": True, "store_transcripts": keeps_words}
    await tenant.http.patch(f"/projects/{tenant.project.id}", json=asked)
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform) as host:
        bot_id = await send(http, meeting["url"])  # without speech_to_text
        job = await host.attend()
        assert job.transcribe is keeps_words
        await host.starts(job)
        bot = await in_state(platform, bot_id, "attending")
        recording = await read(platform, bot.recording_id or 0)
        assert (recording.status, recording.error) == (("recording", None) if keeps_words else ("error", NO_LISTENER))
