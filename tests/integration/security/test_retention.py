"""What a project keeps no longer is gone from every table; what runs, or is younger, or another's, stays."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import SQLModel, select

from agents.calling import PersonaJob
from agents.contract import GONE
from control_plane.analysis.models import Analysis
from control_plane.bots.models import Bot, BotState
from control_plane.clock import Clock
from control_plane.dialects.videosdk.models import VideoTranscription
from control_plane.events.models import Event
from control_plane.meetings.models import Attendee, Meeting, MeetingStatus
from control_plane.rooms.models import Participant, Room
from control_plane.sessions.models import Session, SessionJob, SessionTrace, TranscriptLine, Turn
from control_plane.supervisor import retaining
from control_plane.supervisor.retaining import retain
from control_plane.telephony.models import Call, DialDecision, Transfer
from control_plane.webhooks.models import DeliveryState, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from tests.support.platform import Platform, Tenant
from tests.support.tried import tried
from tests.support.uplink import ticket_of, worker

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
TABLES = (
    "session",
    "session_job",
    "transcript_line",
    "turn",
    "session_trace",
    "analysis",
    "call",
    "transfer",
    "dial_decision",
    "participant",
    "meeting",
    "attendee",
    "bot",
    "video_transcription",
    "event",
    "webhook_delivery",
    "webhook_attempt",
    "knowledge_unanswered",
)
"""Every table that holds what somebody said, or who they were, of a conversation."""


async def furnish(platform: Platform, tenant: Tenant, name: str, then: datetime, *, is_open: bool = False) -> None:
    """One row of a conversation in each table."""
    project = tenant.project.id
    mine: dict[str, Any] = {"project_id": project}
    ended = None if is_open else then
    session = Session(
        **mine,
        room_name=f"{tenant.project.slug}_{name}",
        status="active" if is_open else "completed",
        started_at=then,
        ended_at=ended,
    )
    room = Room(**mine, name=name, full_name=session.room_name, created_at=then)
    call = Call(**mine, room_name=session.room_name, phone_number="+1", started_at=then, ended_at=ended)
    status = MeetingStatus.ACTIVE if is_open else MeetingStatus.COMPLETED
    code = f"{project}-{name}"
    meeting = Meeting(**mine, code=code, room_name=session.room_name, status=status, created_at=then, ended_at=ended)
    endpoint = WebhookEndpoint(**mine, url="http://x", sealed_secret=b"s")
    await platform.add(session, room, call, meeting, endpoint)
    delivery = WebhookDelivery(
        **mine,
        endpoint_id=endpoint.id,
        event_type="x",
        body=name,
        state=DeliveryState.WAITING if is_open else DeliveryState.DELIVERED,
        next_at=then,
        created_at=then,
        finished_at=ended,
    )
    await platform.add(delivery)
    of_session = {**mine, "session_id": session.id}
    told = {"epoch": 1, "sequence": 1, "created_at": then}
    job = {"epoch": 1, "livekit_job_id": code, "persona_id": 1, "identity": "a", "worker_id": "w"}
    rows: list[SQLModel] = [
        SessionJob(**of_session, **job, accepted_at=then, lease_until=then + timedelta(days=900), ended_at=ended),
        TranscriptLine(**of_session, **told, speaker="user", content=name, timestamp_ms=0),
        Turn(**of_session, **told),
        SessionTrace(**of_session, **told, kind="tool", began_at=then),
        Analysis(**of_session, created_at=then),
        Transfer(**mine, call_id=call.id, address=name, asked_by="api", longest_seconds=1, at=then),
        DialDecision(
            **mine, at=then if not is_open else NOW, kind="dial", destination="+1", allowed=True, longest_seconds=1
        ),
        Participant(**mine, room_id=room.id, sid=name, identity=name, joined_at=then, left_at=ended),
        Attendee(**mine, meeting_id=meeting.id, identity=name, name=name, created_at=then),
        Bot(
            **mine,
            key_id="k",
            bot_name=name,
            meeting_url=name,
            room_name=f"bot-{code}",
            state=BotState.ATTENDING if is_open else BotState.COMPLETED,
            due_at=then,
            created_at=then,
            ended_at=ended,
        ),
        VideoTranscription(
            **mine, recording_id=session.id, room_name=name, created_at=then, finished_at=ended, lines=[{"text": name}]
        ),
        Event(**mine, type="transcript.line", room_name=session.room_name, data={"content": name}, created_at=then),
        WebhookAttempt(**mine, delivery_id=delivery.id, number=1, at=then, latency_ms=1),
    ]
    await platform.add(*rows)
    made = await tenant.http.post("/knowledge-bases", json={"name": name})
    async with platform.database.platform() as db:
        await db.execute(
            text(
                "insert into knowledge_unanswered (project_id, base_id, question, score, session_id, last_asked_at)"
                " values (:project, :base, :name, 0, :session, :then)"
            ),
            {
                "project": project,
                "base": made.json()["knowledge_base"]["id"],
                "name": name,
                "session": session.id,
                "then": then if not is_open else NOW,
            },
        )


async def count(platform: Platform, project_id: int) -> dict[str, int]:
    async with platform.database.platform() as db:
        return {
            table: await db.scalar(text(f"select count(*) from {table} where project_id = :p"), {"p": project_id})
            for table in TABLES
        }


async def stamp(platform: Platform) -> None:
    async with platform.database.platform() as db:
        await db.execute(text("update event set seq = id"))


async def test_old_conversations_are_gone_from_every_table_and_nothing_else_is(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retaining, "AT_ONCE", 1)
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    old, young = NOW - timedelta(days=31), NOW - timedelta(days=29)
    for tenant in (theirs, mine):  # what is read from the front finds theirs first
        await furnish(platform, tenant, "oldest", old - timedelta(days=9))
        await furnish(platform, tenant, "old", old)
        await furnish(platform, tenant, "young", young)
        await furnish(platform, tenant, "open", old, is_open=True)
    await stamp(platform)
    before = await count(platform, theirs.project.id)
    await mine.http.patch(f"/projects/{mine.project.id}", json={"retention_days": 30})

    for _ in range(2):
        await retain(platform.database, Clock())

    left = await count(platform, mine.project.id)
    wrong = {table: rows for table, rows in left.items() if rows != 2}
    tried("retention: tables", len(TABLES), len(wrong))
    assert not wrong
    assert await count(platform, theirs.project.id) == before


async def test_the_newest_event_stays_so_that_numbers_go_on(platform: Platform, tenant: Tenant) -> None:
    await furnish(platform, tenant, "old", NOW - timedelta(days=31))
    await stamp(platform)
    await tenant.http.patch(f"/projects/{tenant.project.id}", json={"retention_days": 30})

    await retain(platform.database, Clock())

    async with platform.database.platform() as db:
        assert len((await db.exec(select(Event.seq))).all()) == 1


async def test_a_report_of_a_conversation_that_is_gone_is_put_aside_nowhere(platform: Platform, tenant: Tenant) -> None:
    await platform.add_worker()
    async with worker(platform) as fake:
        answer = await fake.exchange(await ticket_of(tenant), room="proj_r")
        async with platform.database.platform() as db:
            await db.execute(text("delete from session"))
        job = PersonaJob.model_validate(answer["job"])
        verdict = await fake.report(job, 1, type="line.spoken.v1", speaker="user", text="late", timestamp_ms=0)

    assert verdict["refused"] == GONE
