"""What is known of one caller is handed out, or erased from everywhere; of nobody else is anything missing or shown."""

import asyncio
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlmodel import col, select

from control_plane.clock import Clock
from control_plane.dialects.videosdk.life import CLOSE_LATE, set_timer
from control_plane.dialects.videosdk.models import VideoRoom
from control_plane.errors import Unavailable
from control_plane.events.models import Event
from control_plane.gate.models import AuditEntry
from control_plane.jobs.models import Job
from control_plane.privacy import erasing, places
from control_plane.privacy.erasing import Eraser
from control_plane.privacy.exporting import Exporter
from control_plane.privacy.models import PrivacyRequest
from control_plane.privacy.places import PLACES
from control_plane.privacy.receipts import Receipts
from control_plane.recordings.models import Recording
from control_plane.recordings.removing import Remover
from control_plane.rooms.models import Room
from control_plane.secrets.box import SecretBox
from control_plane.sessions.ending import ANALYSE, wish_analysis
from control_plane.sessions.models import Session, TranscriptLine
from control_plane.telephony.models import Call
from tests.support.callers import Caller, left_of, plant, rows_of
from tests.support.clocks import SteppedClock
from tests.support.database import Clone
from tests.support.estates import tables
from tests.support.platform import SECRET_KEY, Platform, Tenant
from tests.support.tried import tried
from tests.support.uplink import worker

pytestmark = pytest.mark.anyio

LINE = "erase and export: rows of one caller"
NOW = datetime.now(UTC) - timedelta(days=1)


def eraser(platform: Platform) -> Eraser:
    state, clock = platform.app.state, Clock()
    remover = Remover(platform.database, clock, state.recordings)
    box, receipts = SecretBox(SECRET_KEY), Receipts(SECRET_KEY, backups=timedelta(days=7))
    return Eraser(platform.database, clock, box, remover, state.live, receipts)


async def ask(tenant: Tenant, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await tenant.http.post(f"/privacy/{kind}s", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json()[kind])


async def erase(platform: Platform, tenant: Tenant, body: dict[str, Any]) -> dict[str, Any]:
    made = await ask(tenant, "erasure", body)
    await eraser(platform).handle({"project_id": tenant.project.id, "request_id": made["id"]})
    return await receipt_of(tenant, made["id"])


async def receipt_of(tenant: Tenant, request_id: int) -> dict[str, Any]:
    read = (await tenant.http.get(f"/privacy/erasures/{request_id}")).json()["erasure"]
    assert (read["status"], read["receipt_holds"]) == ("completed", True), read
    return dict(read["receipt"])


def test_every_table_of_a_project_has_its_fate() -> None:
    assert {table.name for table in tables()} == PLACES.keys()


async def test_one_caller_is_erased_from_every_table_and_nobody_else_from_any(
    platform: Platform, tenant: Tenant, clone: Clone
) -> None:
    gone, stays = Caller(tenant, 1), Caller(tenant, 2)
    other = Caller(await platform.tenant("other"), 3, who=1)  # the same person, known to another project
    for caller in (gone, stays, other):
        plant(clone.superuser, caller)
    held = {name: count for name, (count, _) in rows_of(clone.superuser, gone).items() if count}
    before = [rows_of(clone.superuser, each) for each in (stays, other)]

    async with worker(platform) as fake:
        receipt = await erase(platform, tenant, gone.asked)
        told = await fake.hear("forget")

    left = left_of(clone.superuser, gone)
    after = [rows_of(clone.superuser, each) for each in (stays, other)]
    touched = [name for each, now in zip(before, after, strict=True) for name in each if each[name] != now[name]]
    tried(LINE, sum(held.values()), len(left) + len(touched))
    assert left == {}
    assert touched == []
    assert set(receipt["rows"]) >= {"session", "transcript_line", "call", "event", "end_user", "webhook_delivery"}
    assert receipt["rows"]["knowledge_chunk"] == receipt["vectors"] == 1
    assert receipt["recordings"] == {"removed": 1, "to_come": 0}
    assert receipt["spool"] == {"sessions": 1, "told": ["w1"], "missed": []}
    assert told["session_ids"] == [gone.ids["session"]]
    assert receipt["backups"]["until"] is not None
    assert "persona" in receipt["kept"]
    async with platform.database.platform() as db:
        request = (await db.exec(select(PrivacyRequest).where(PrivacyRequest.id == receipt["id"]))).one()
        trail = (await db.exec(select(AuditEntry).where(AuditEntry.action == "person erased"))).one()
    assert request.sealed_person is None
    assert not any(name.strip("%") in json.dumps(trail.target) for name in gone.known_by)


async def test_an_erasure_that_is_cut_off_at_each_step_comes_to_the_same(
    platform: Platform, tenant: Tenant, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm, cut = Caller(tenant, 1), Caller(await platform.tenant("cut"), 3)
    for caller in (calm, cut):
        plant(clone.superuser, caller)
    expected = await erase(platform, tenant, calm.asked)

    made = await ask(cut.tenant, "erasure", cut.asked)
    payload = {"project_id": cut.tenant.project.id, "request_id": made["id"]}
    go_on, calls = erasing._go_on, 0

    def dies(*args: Any, **more: Any) -> None:
        nonlocal calls
        calls += 1
        go_on(*args, **more)
        if calls % 2:  # what it did is undone with its transaction
            raise ConnectionError("the process is gone")

    monkeypatch.setattr(erasing, "_go_on", dies)
    tries, parts = 0, list[float]()
    while not (read := (await cut.tenant.http.get(f"/privacy/erasures/{made['id']}")).json()["erasure"])["receipt"]:
        parts.append(read["progress"])
        tries += 1
        assert tries < 300
        try:
            await eraser(platform).handle(payload)
        except ConnectionError:
            continue

    receipt = await receipt_of(cut.tenant, made["id"])
    assert tries > len(erasing.STEPS) // 2
    assert receipt["rows"] == expected["rows"]
    assert (parts[0], read["progress"]) == (0, 1)
    assert parts == sorted(parts)
    assert max(parts) > 0.9
    assert left_of(clone.superuser, cut) == {}


async def test_what_waits_for_a_room_of_somebody_else_with_the_number_of_an_erased_session_goes_on_waiting(
    platform: Platform, tenant: Tenant, clone: Clone
) -> None:
    gone = Caller(tenant, 1)
    plant(clone.superuser, gone)
    number, now = gone.ids["session"], datetime.now(UTC)
    async with platform.database.platform() as db:  # rooms and sessions are counted apart
        theirs = Room(id=number, project_id=tenant.project.id + 1, started_at=now)
        await set_timer(db, VideoRoom(auto_close={"type": "session-ends", "duration": 5}), theirs)
        await wish_analysis(db, number, run_at=now + timedelta(hours=1))
    await erase(platform, tenant, gone.asked)
    async with platform.database.platform() as db:
        left = select(Job.kind).where(col(Job.kind).in_((CLOSE_LATE, ANALYSE)))
        assert (await db.exec(left)).all() == [CLOSE_LATE]


async def test_once_more_finds_nothing_and_says_so(platform: Platform, tenant: Tenant, clone: Clone) -> None:
    gone = Caller(tenant, 1)
    plant(clone.superuser, gone)
    first = await erase(platform, tenant, gone.asked)

    again = await erase(platform, tenant, gone.asked)

    assert again["rows"] == {}
    assert again["person"] == first["person"]
    assert again["mac"] != first["mac"]


async def test_a_long_erasure_is_gone_on_with_by_the_next_job(
    platform: Platform, tenant: Tenant, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Caller(tenant, 1)
    plant(clone.superuser, gone)
    monkeypatch.setattr(erasing, "BUDGET", -1.0)
    monkeypatch.setattr(places, "WINDOW", 50)
    made = await ask(tenant, "erasure", gone.asked)
    await eraser(platform).handle({"project_id": tenant.project.id, "request_id": made["id"]})

    async with platform.database.platform() as db:
        waiting = (await db.exec(select(Job.payload).where(Job.kind == erasing.ERASE).order_by(Job.id))).all()  # type: ignore[arg-type]

    assert [payload.get("turn") for payload in waiting] == [None, 1]


async def test_what_goes_on_is_waited_for(platform: Platform, tenant: Tenant) -> None:
    call = Call(
        project_id=tenant.project.id, room_name="proj_c", phone_number="+17751234567", started_at=NOW, identity="sip_x"
    )
    await platform.add(call)
    made = await ask(tenant, "erasure", {"phone_number": "+17751234567"})

    with pytest.raises(Unavailable):
        await eraser(platform).handle({"project_id": tenant.project.id, "request_id": made["id"]})

    read = (await tenant.http.get(f"/privacy/erasures/{made['id']}")).json()["erasure"]
    assert (read["status"], read["waits_for"]) == ("pending", f"call {call.id} has not ended")


async def meet(platform: Platform, tenant: Tenant) -> int:
    """A conversation of two people with an agent."""
    mine = {"project_id": tenant.project.id}
    session = Session(
        **mine, room_name="proj_m", status="completed", summary="Ann and Ben", started_at=NOW, ended_at=NOW
    )
    await platform.add(session)
    for place, (speaker, identity) in enumerate((("user", "ann-0001"), ("agent", "agent-1"), ("user", "ben-0001"))):
        told = {"session_id": session.id, "sequence": place + 1, "timestamp_ms": place, "created_at": NOW}
        line = {"speaker": speaker, "identity": identity, "content": f"said by {identity}"}
        await platform.add(TranscriptLine(**mine, **told, **line))
    return session.id


async def test_of_a_conversation_with_others_only_their_own_words_go(platform: Platform, tenant: Tenant) -> None:
    session_id = await meet(platform, tenant)

    receipt = await erase(platform, tenant, {"identity": "ann-0001"})

    async with platform.database.platform() as db:
        lines = (await db.exec(select(TranscriptLine.identity))).all()
        session = await db.get(Session, session_id)
    assert sorted(lines) == ["agent-1", "ben-0001"]
    assert session is not None
    assert session.summary is None
    assert receipt["rows"] == {"transcript_line": 1, "session": 1}


async def test_their_number_goes_where_somebody_else_says_it_in_words(platform: Platform, tenant: Tenant) -> None:
    theirs, others = (
        "seven seven five one two three four five six seven",
        "seven seven five one two three four five six",
    )
    lines = [f"Call Ada: {theirs}.", f"Call Ben: {others} eight.", "Call +1 775 123-4567.", "Call nobody."]
    session_id = await meet(platform, tenant)
    keys = {"project_id": tenant.project.id, "session_id": session_id, "identity": "ann-0001", "speaker": "user"}
    words = [{"text": each, "start_ms": 0, "end_ms": 1} for each in theirs.split()]
    for number, content in enumerate(lines):
        await platform.add(
            TranscriptLine(
                **keys, epoch=9, sequence=number + 1, content=content, timestamp_ms=0, words=words, created_at=NOW
            ),
            Event(
                project_id=tenant.project.id,
                type="transcript.line",
                room_name="proj_m",
                data={"content": content, "session_id": session_id},
                created_at=NOW,
            ),
        )

    receipt = await erase(platform, tenant, {"phone_number": "+17751234567"})

    async with platform.database.platform() as db:
        kept = (await db.exec(select(TranscriptLine).where(TranscriptLine.epoch == 9).order_by("sequence"))).all()
        told = (await db.exec(select(Event.data).where(Event.type == "transcript.line").order_by("id"))).all()
    assert [line.content for line in kept] == ["Call Ada: [erased].", lines[1], "Call [erased].", lines[3]]
    assert [line.words is None for line in kept] == [True, False, True, False]
    assert [each["content"] for each in told][-4:] == ["[erased]", lines[1], "[erased]", lines[3]]
    assert (receipt["rows"]["transcript_line"], receipt["rows"]["event"]) == (2, 2)


def exporter(platform: Platform, clock: Clock | None = None) -> Exporter:
    return Exporter(platform.database, clock or Clock(), SecretBox(SECRET_KEY), platform.app.state.recordings)


def here(platform: Platform, url: str) -> str:
    """The same address at the test's own port."""
    return url.replace(platform.settings.public_url, platform.url)


async def test_an_export_holds_what_is_known_of_one_and_nothing_of_others(
    platform: Platform, tenant: Tenant, clone: Clone
) -> None:
    mine, theirs = Caller(tenant, 1), Caller(tenant, 2)
    for caller in (mine, theirs):
        plant(clone.superuser, caller)
    sound = b"OggS" + bytes(3000)
    async with platform.database.platform() as db:
        recording = await db.get(Recording, mine.ids["recording"])
        assert recording is not None
        recording.storage_key, recording.size_bytes = "1/2026-01/a.ogg", len(sound)
        recording.format = "ogg"
    await platform.app.state.recordings.write("1/2026-01/a.ogg", sound)
    made = await ask(tenant, "export", mine.asked)
    assert (made["status"], made["url"]) == ("pending", None)

    await exporter(platform).handle({"project_id": tenant.project.id, "request_id": made["id"]})

    read = (await tenant.http.get(f"/privacy/exports/{made['id']}")).json()["export"]
    url = here(platform, read["url"])
    async with httpx2.AsyncClient(timeout=30) as anybody:
        file = await anybody.get(url)
        assert (await anybody.get(url + "0")).status_code == 403
        assert (await anybody.get(url.replace(f"/{made['id']}/", f"/{made['id'] + 1}/"))).status_code == 403
    assert file.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert parts.pop(f"recordings/{mine.ids['recording']}.ogg") == sound
    for name in ("sessions", "lines", "turns", "traces", "analyses", "calls", "stays", "attendances", "end_users"):
        assert json.loads(parts[f"{name}.json"]), name
    assert b"CANARY-projc1-transcript_line-content" in parts["lines.json"]
    assert b"CANARY-projc1-consent-evidence" in parts["consents.json"]
    assert [row["allowed"] for row in json.loads(parts["dial_decisions.json"])] == [True]
    leaked = [name for name, content in parts.items() if b"CANARY-projc2" in content]
    tried(LINE, sum(len(json.loads(each)) for each in parts.values()), len(leaked))
    assert leaked == []


async def test_an_export_ends(platform: Platform, tenant: Tenant) -> None:
    made = await ask(tenant, "export", {"email": "nobody@example.org"})
    await exporter(platform).handle({"project_id": tenant.project.id, "request_id": made["id"]})
    read = (await tenant.http.get(f"/privacy/exports/{made['id']}")).json()["export"]

    later = SteppedClock(datetime.now(UTC) + timedelta(hours=25))
    await exporter(platform, later).sweep()

    async with platform.database.platform() as db:
        request = await db.get(PrivacyRequest, made["id"])
    assert request is not None
    assert request.storage_key is None
    assert list((platform.recorder.folder / str(tenant.project.id) / "exports").glob("*")) == []
    async with httpx2.AsyncClient(timeout=30) as anybody:
        assert (await anybody.get(here(platform, read["url"]))).status_code == 410


@pytest.mark.parametrize("known_as", [{"phone_number": "+17751234001"}, {"identity": "customer-8801"}])
async def test_an_export_of_somebody_who_is_erased_ends_with_the_erasure(
    platform: Platform, tenant: Tenant, clone: Clone, known_as: dict[str, str]
) -> None:
    gone, stays = Caller(tenant, 1), Caller(tenant, 2)
    assert (gone.phone_number, gone.identity) == ("+17751234001", "customer-8801")
    for caller in (gone, stays):
        plant(clone.superuser, caller)
    urls = []
    for body in (gone.asked, known_as, stays.asked):
        made = await ask(tenant, "export", body)
        await exporter(platform).handle({"project_id": tenant.project.id, "request_id": made["id"]})
        read = (await tenant.http.get(f"/privacy/exports/{made['id']}")).json()["export"]
        urls.append(here(platform, read["url"]))

    await erase(platform, tenant, gone.asked)

    async with httpx2.AsyncClient(timeout=30) as anybody:
        assert [(await anybody.get(url)).status_code for url in urls] == [410, 410, 200]
    await exporter(platform).sweep()
    assert len(list((platform.recorder.folder / str(tenant.project.id) / "exports").glob("*"))) == 1


async def test_an_export_that_is_made_while_its_person_is_erased_is_not_handed_out(
    platform: Platform, tenant: Tenant, clone: Clone
) -> None:
    plant(clone.superuser, gone := Caller(tenant, 1))
    made = await ask(tenant, "export", gone.asked)
    await erase(platform, tenant, gone.asked)
    await exporter(platform).handle({"project_id": tenant.project.id, "request_id": made["id"]})

    read = (await tenant.http.get(f"/privacy/exports/{made['id']}")).json()["export"]
    assert (read["status"], read["url"]) == ("completed", None)


async def test_jobs_do_what_was_asked(platform: Platform, tenant: Tenant) -> None:
    session_id = await meet(platform, tenant)
    async with platform.jobs():
        made = await ask(tenant, "erasure", {"identity": "ben-0001"})
        asked = await ask(tenant, "export", {"identity": "ann-0001"})
        for kind, request_id in (("erasure", made["id"]), ("export", asked["id"])):
            status = "pending"
            async with asyncio.timeout(60):
                while status != "completed":
                    await asyncio.sleep(0.05)
                    status = (await tenant.http.get(f"/privacy/{kind}s/{request_id}")).json()[kind]["status"]
    async with platform.database.platform() as db:
        lines = (await db.exec(select(TranscriptLine).where(TranscriptLine.session_id == session_id))).all()
    assert len(lines) == 2


async def test_a_worker_that_was_away_is_told_when_it_comes_back(
    platform: Platform, tenant: Tenant, clone: Clone
) -> None:
    gone = Caller(tenant, 1)
    plant(clone.superuser, gone)
    await erase(platform, tenant, gone.asked)

    async with worker(platform, name="came-back") as fake:
        assert (await fake.hear("forget"))["session_ids"] == [gone.ids["session"]]


@pytest.mark.parametrize("body", [{}, {"phone_number": "12"}, {"email": "x"}, {"identity": ""}, {"name": "Ann"}])
async def test_nobody_is_nobody(tenant: Tenant, body: dict[str, Any]) -> None:
    for kind in ("exports", "erasures"):
        assert (await tenant.http.post(f"/privacy/{kind}", json=body)).status_code == 400
        assert (await tenant.http.get(f"/privacy/{kind}")).json()["total"] == 0
