"""A session as it is heard and seen again: everything in one answer, and links that show it to others."""

import io
import wave
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import numpy as np
import pytest
from sqlmodel import select, update

from agents.calling import PersonaJob
from control_plane.gate.models import AuditEntry
from control_plane.plans.catalogue import strangers
from control_plane.recordings.models import Recording
from control_plane.recordings.peaks import PeakMaker
from control_plane.replays.models import ReplayShare
from control_plane.sessions.models import Session
from tests.support.platform import Platform, Tenant
from tests.support.statements import statements
from tests.support.uplink import FakeWorker, ticket_of, worker

pytestmark = pytest.mark.anyio

PASSAGE = "Customers park behind the workshop."


def at(job: PersonaJob, seconds: float) -> str:
    return (job.started_at + timedelta(seconds=seconds)).isoformat()


def a_file(seconds: float = 2.0, rate: int = 8000) -> bytes:
    """Sound in two channels: an agent in the first half, a person in the second."""
    time = np.arange(int(seconds * rate)) / rate
    tone = (np.sin(2 * np.pi * 300 * time) * 20_000).astype("<i2")
    early = time < seconds / 2
    samples = np.stack([tone * early, tone * ~early], axis=1)
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(samples.tobytes())
    return file.getvalue()


async def a_passage(tenant: Tenant) -> int:
    base = (await tenant.http.post("/knowledge-bases", json={"name": "Workshop"})).json()["knowledge_base"]["id"]
    sent = {"content": PASSAGE, "source_name": "parking.md"}
    uploaded = await tenant.http.post(f"/knowledge-bases/{base}/ingest", json=sent)
    assert uploaded.status_code < 300, uploaded.text
    chunks = (await tenant.http.get(f"/knowledge-bases/{base}/chunks")).json()["chunks"]
    return int(chunks[0]["id"])


async def held(platform: Platform, tenant: Tenant, *, chunk: int = 0) -> int:
    """A session in which somebody asked, and a persona used a tool, failed once and answered."""
    async with worker(platform) as fake:
        ticket = await ticket_of(tenant)
        job = PersonaJob.model_validate((await fake.exchange(ticket))["job"])
        await tell_all(fake, job, chunk)
    return job.session_id


async def tell_all(fake: FakeWorker, job: PersonaJob, chunk: int) -> None:
    reports: list[dict[str, Any]] = [
        {"type": "call.started.v1"},
        {"type": "line.spoken.v1", "speaker": "agent", "text": "Hello Ada.", "timestamp_ms": 100, "duration_ms": 900},
        {
            "type": "line.spoken.v1",
            "speaker": "user",
            "text": "Where can I park?",
            "timestamp_ms": 1500,
            "duration_ms": 1000,
            "words": [
                {"text": word, "start_ms": 1500 + 250 * place, "end_ms": 1700 + 250 * place}
                for place, word in enumerate(["Where", "can", "I", "park?"])
            ],
        },
        {
            "type": "fault.seen.v1",
            "at": at(job, 2.6),
            "service": "llm",
            "source": "first",
            "reason": "it cannot be reached",
        },
        {
            "type": "provider.changed.v1",
            "at": at(job, 2.7),
            "service": "llm",
            "wanted": "first",
            "used": "second",
            "reason": "it does not answer",
        },
        {
            "type": "tool.used.v1",
            "name": "web_search",
            "arguments": '{"query": "parking"}',
            "result": "According to example.org: behind\x00 the house",
            "began_at": at(job, 2.8),
            "ms": 120.5,
        },
        {
            "type": "turn.measured.v1",
            "speech_ended_at": at(job, 2.5),
            "audio_started_at": at(job, 3.5),
            "recognition_ms": 100.0,
            "endpointing_ms": 200.0,
            "retrieval_ms": 10.0,
            "model_ms": 400.0,
            "tools_ms": 120.5,
            "speech_ms": 100.0,
            "playout_ms": 20.0,
            "chunks": [{"chunk_id": chunk, "score": 0.83, "source": "parking.md", "version": ""}] if chunk else [],
        },
        {
            "type": "line.spoken.v1",
            "speaker": "agent",
            "text": "Behind the workshop.",
            "timestamp_ms": 3500,
            "duration_ms": 1200,
        },
        {
            "type": "usage.counted.v1",
            "service": "llm",
            "provider": "openai",
            "model": "gpt-4o",
            "input_tokens": 1000,
            "output_tokens": 50,
            "requests": 1,
        },
        {"type": "call.ended.v1", "reason": "caller_left", "duration_ms": 5000},
    ]
    for sequence, report in enumerate(reports, start=1):
        for _ in range(2):  # what was not acknowledged comes again
            assert (await fake.report(job, sequence, **report))["refused"] is None


async def record(platform: Platform, session_id: int) -> int:
    """A recording of a session that is complete, measured, and begins half a second into it."""
    file = a_file()
    async with platform.database.platform() as db:
        session = await db.get_one(Session, session_id)
        began = session.started_at + timedelta(milliseconds=500)
        recording = Recording(
            project_id=session.project_id,
            room_name=session.room_name,
            session_id=session_id,
            origin="agent",
            format="wav",
            channels="dual",
            status="completed",
            storage_key=f"{session.project_id}/{session_id}.wav",
            duration=2.0,
            size_bytes=len(file),
            started_at=began,
            heard_at=began,
            zero_at=session.started_at,
        )
        db.add(recording)
        await db.flush()
    await platform.app.state.recordings.write(recording.storage_key, file)
    await PeakMaker(platform.database, platform.app.state.recordings).make(recording.id)
    return recording.id


async def replay_of(tenant: Tenant, session_id: int) -> dict[str, Any]:
    answer = await tenant.http.get(f"/sessions/{session_id}/replay")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture
async def outsider(platform: Platform) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody without a key."""
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", timeout=30) as client:
        yield client


def served(platform: Platform, url: str) -> str:
    """A link where this platform listens, which need not be what it calls itself."""
    return platform.url + url.removeprefix(platform.settings.public_url)


async def share(tenant: Tenant, session_id: int, **asked: int) -> tuple[int, dict[str, str]]:
    """A link's id, and the header that shows its secret."""
    made = await tenant.http.post(f"/sessions/{session_id}/share", json=asked)
    assert made.status_code == 201, made.text
    address, _, secret = made.json()["share"]["url"].partition("#")
    assert address.endswith("/replay")
    return int(made.json()["share"]["id"]), {"Authorization": f"Bearer {secret}"}


async def test_one_answer_holds_all_that_is_known_of_a_session(platform: Platform, tenant: Tenant) -> None:
    chunk = await a_passage(tenant)
    session_id = await held(platform, tenant, chunk=chunk)
    recording = await record(platform, session_id)
    replay = await replay_of(tenant, session_id)

    assert (replay["session"]["id"], replay["session"]["llm_model"]) == (session_id, "gpt-4o")
    assert replay["costs"]["llm"] > 0
    assert [line["speaker"] for line in replay["lines"]] == ["agent", "user", "system", "agent"]
    greeting, question = replay["lines"][:2]
    assert (greeting["words_measured"], question["words_measured"], replay["words_measured"]) == (False, True, False)
    assert greeting["words"] == [
        {"text": "Hello", "start_ms": 100, "end_ms": 590},
        {"text": "Ada.", "start_ms": 590, "end_ms": 1000},
    ]
    assert [word["start_ms"] for word in question["words"]] == [1500, 1750, 2000, 2250]

    (turn,) = replay["turns"]
    assert (turn["speech_ended_ms"], turn["audio_started_ms"], turn["gap_ms"]) == (2500, 3500, 1000.0)
    assert [bar["part"] for bar in turn["waterfall"]] == [
        "recognition",
        "endpointing",
        "retrieval",
        "model",
        "tools",
        "speech",
        "transport",
        "other",
    ]
    assert turn["waterfall"][-1]["ms"] == 49.5
    assert abs(sum(bar["ms"] for bar in turn["waterfall"]) - turn["gap_ms"]) < 5
    assert turn["passages"] == [
        {
            "chunk_id": chunk,
            "source": "parking.md",
            "score": 0.83,
            "heading": None,
            "content": PASSAGE,
            "changed": False,
        }
    ]
    (tool,) = replay["tools"]
    assert tool == {
        "name": "web_search",
        "arguments": '{"query": "parking"}',
        "result": "According to example.org: behind the house",
        "failed": False,
        "at_ms": 2800,
        "ms": 120.5,
    }
    assert [(each["used"], each["at_ms"]) for each in replay["fallbacks"]] == [("second", 2700)]
    assert [(each["reason"], each["at_ms"]) for each in replay["faults"]] == [("it cannot be reached", 2600)]

    (sound,) = replay["recordings"]
    assert (sound["id"], sound["offset_ms"], sound["channels"]) == (recording, 500, "dual")
    assert sound["peaks"]["names"] == ["agents", "people"]
    agents, people = sound["peaks"]["peaks"]
    assert max(agents[:15]) > 0.5 > 0.1 > max(agents[25:])
    assert max(people[25:]) > 0.5 > 0.1 > max(people[:15])
    async with httpx2.AsyncClient(timeout=30) as player:
        heard = await player.get(served(platform, sound["url"]), headers={"Range": "bytes=0-3"})
    assert (heard.status_code, heard.content) == (206, b"RIFF")


async def test_a_replay_takes_few_statements_however_much_was_said(platform: Platform, tenant: Tenant) -> None:
    session_id = await held(platform, tenant, chunk=await a_passage(tenant))
    await record(platform, session_id)
    await replay_of(tenant, session_id)
    with statements() as sent:
        await replay_of(tenant, session_id)
    assert len(sent) <= 8, sent  # the first names the project


async def test_a_session_without_a_recording_is_still_worth_a_look(platform: Platform, tenant: Tenant) -> None:
    made = await tenant.http.post("/sessions", json={"room_name": "proj_r"})
    session_id = made.json()["session"]["id"]
    empty = await replay_of(tenant, session_id)
    assert (empty["lines"], empty["turns"], empty["recordings"], empty["analysis"]) == ([], [], [], None)
    for content, moment in (("Hello", 0), ("Hi! How can I help you today?", 1200)):
        line = {"speaker": "user", "content": content, "timestamp_ms": moment}
        await tenant.http.post("/sessions/proj_r/transcript", json=line)
    replay = await replay_of(tenant, session_id)
    assert [line["duration_ms"] for line in replay["lines"]] == [333, 1933]
    assert replay["duration_ms"] == 1200 + 1933


async def test_where_no_transcript_is_kept_tools_are_but_not_what_was_said_to_them(
    platform: Platform, tenant: Tenant
) -> None:
    await tenant.make_agent(name="Silent", greeting="", instructions="", store_transcripts=False)
    session_id = await held(platform, tenant)
    replay = await replay_of(tenant, session_id)
    assert (replay["transcript_kept"], replay["lines"]) == (False, [])
    (tool,) = replay["tools"]
    assert (tool["name"], tool["arguments"], tool["result"], tool["ms"]) == ("web_search", None, None, 120.5)
    assert len(replay["turns"]) == len(replay["fallbacks"]) == len(replay["faults"]) == 1


async def test_a_key_that_may_not_hear_recordings_gets_no_link_to_one(platform: Platform, tenant: Tenant) -> None:
    session_id = await held(platform, tenant)
    await record(platform, session_id)
    made = (await tenant.http.post("/api-keys", json={"label": "x", "scopes": ["sessions:read"]})).json()["api_key"]
    path = f"/sessions/{session_id}/replay"
    answer = await tenant.http.get(path, headers={"X-API-Key": made["key"]})
    (sound,) = answer.json()["recordings"]
    assert (sound["url"], sound["peaks"]) == (None, None)
    refused = await tenant.http.post(f"/sessions/{session_id}/share", headers={"X-API-Key": made["key"]})
    assert refused.status_code == 403


async def test_sessions_of_others_are_not_replayed_nor_shared(platform: Platform, tenant: Tenant) -> None:
    session_id = await held(platform, tenant)
    share_id, _ = await share(tenant, session_id)
    other = await platform.tenant("other")
    for method, path in (
        ("GET", "replay"),
        ("POST", "share"),
        ("GET", "shares"),
        ("DELETE", f"shares/{share_id}"),
    ):
        answer = await other.http.request(method, f"/sessions/{session_id}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN"), path
    assert (await tenant.http.get("/sessions/999999/replay")).status_code == 404
    assert (await tenant.http.delete(f"/sessions/{session_id}/shares/999999")).status_code == 404


async def test_a_link_shows_the_replay_without_a_key_and_less_of_it(
    platform: Platform, tenant: Tenant, outsider: httpx2.AsyncClient
) -> None:
    session_id = await held(platform, tenant)
    await record(platform, session_id)
    share_id, shown = await share(tenant, session_id, expires_in=600)
    answer = await outsider.get("/shared/replay", headers=shown)
    assert answer.status_code == 200, answer.text
    seen, own = answer.json(), await replay_of(tenant, session_id)
    assert [line["content"] for line in seen["lines"]] == [line["content"] for line in own["lines"]]
    assert seen["turns"] == own["turns"]
    assert "costs" not in seen
    assert {"caller_identity", "metadata"} & set(seen["session"]) == set()
    assert "key_" not in answer.text.replace("storage_key", "")
    (sound,) = seen["recordings"]
    assert sound["peaks_url"] is None
    assert (await outsider.get(served(platform, sound["url"]))).status_code == 200
    (listed,) = (await tenant.http.get(f"/sessions/{session_id}/shares")).json()["shares"]
    assert (listed["id"], listed["active"], listed["opened"]) == (share_id, True, 1)
    assert "url" not in listed


async def test_a_link_ends_with_its_time_or_when_it_is_taken_back(
    platform: Platform, tenant: Tenant, outsider: httpx2.AsyncClient
) -> None:
    session_id = await held(platform, tenant)
    first, shown = await share(tenant, session_id)
    _, kept = await share(tenant, session_id)
    for _ in range(2):
        assert (await tenant.http.delete(f"/sessions/{session_id}/shares/{first}")).status_code == 200
    gone = await outsider.get("/shared/replay", headers=shown)
    assert (gone.status_code, gone.json()["code"]) == (410, "NOT_FOUND")
    assert (await outsider.get("/shared/replay", headers=kept)).status_code == 200
    async with platform.database.platform() as db:
        await db.exec(update(ReplayShare).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert (await outsider.get("/shared/replay", headers=kept)).status_code == 410
    shares = (await tenant.http.get(f"/sessions/{session_id}/shares")).json()["shares"]
    assert [each["active"] for each in shares] == [False, False]
    async with platform.database.platform() as db:
        actions = [entry.action for entry in (await db.exec(select(AuditEntry))).all()]
    assert actions.count("POST /sessions/{session_id}/share") == 2
    assert actions.count("DELETE /sessions/{session_id}/shares/{share_id}") == 2


@pytest.mark.parametrize(
    ("header", "status"),
    [({}, 401), ({"Authorization": "Basic eA=="}, 401), ({"Authorization": "Bearer " + "x" * 9000}, 404)]
    + [({"Authorization": f"Bearer rpl_{word}"}, 404) for word in ("wrong", "'; drop table", "%00")],
)
async def test_what_is_no_secret_opens_nothing(
    outsider: httpx2.AsyncClient, header: dict[str, str], status: int
) -> None:
    answer = await outsider.get("/shared/replay", headers=header)
    assert (answer.status_code, "error" in answer.json()) == (status, True)


async def test_secrets_cannot_be_tried_without_end(outsider: httpx2.AsyncClient) -> None:
    for _ in range(strangers()):
        await outsider.get("/shared/replay", headers={"Authorization": "Bearer rpl_wrong"})
    refused = await outsider.get("/shared/replay", headers={"Authorization": "Bearer rpl_wrong"})
    assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMITED")


@pytest.mark.parametrize("seconds", [0, 59, 31 * 24 * 3600, "600", None])
async def test_a_link_for_a_wrong_time_is_refused(platform: Platform, tenant: Tenant, seconds: object) -> None:
    made = await tenant.http.post("/sessions", json={"room_name": "proj_r"})
    path = f"/sessions/{made.json()['session']['id']}"
    assert (await tenant.http.post(f"{path}/share", json={"expires_in": seconds})).status_code == 400
    assert (await tenant.http.get(f"{path}/shares")).json() == {"shares": []}
