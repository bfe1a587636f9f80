"""Recordings of bots that are written down after their end, or again."""

import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlmodel import col, delete, func, select, update

from control_plane.bots.life import WRITE_DOWN
from control_plane.bots.models import Bot
from control_plane.events.models import Event
from control_plane.jobs.models import Job
from control_plane.jobs.queue import AT_ONCE, enqueue
from control_plane.meetings.life import ANSWER
from control_plane.sessions.models import TranscriptLine
from control_plane.webhooks.models import WebhookDelivery
from tests.support.bothost import baas, bot_host, codes, data_of, in_state, read, send
from tests.support.gladia import Recognisers, open_recognisers
from tests.support.meetings import meet_people
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver
from tests.support.recordings import complete
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio


def silence(seconds: int = 1) -> bytes:
    """So much of it, as a file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(16_000)
        written.writeframes(bytes(32_000 * seconds))
    return file.getvalue()


@asynccontextmanager
async def recognising(platform: Platform) -> AsyncIterator[tuple[Platform, Recognisers]]:
    """The platform's jobs, with recognisers on the loopback."""
    async with open_recognisers() as both:
        where = {"gladia_url": both.url, "models_url": f"{both.url}/v1", "runpod_url": f"{both.url}/v1"}
        settings = platform.settings.model_copy(update=where | {"stt_model": "any"})
        platform.app.state.settings = settings
        changed = replace(platform, settings=settings)
        async with changed.jobs():
            yield changed, both


async def attend(platform: Platform, tenant: Tenant, receiver: Receiver, *, seconds: int = 1, **asked: Any) -> str:
    """A bot that has been in a meeting, where Ada spoke; its recording is complete."""
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, bot_host(platform) as host:
        bot_id = await send(http, meeting["url"], webhook_url=f"{receiver.url}/", **asked)
        job = await host.attend()
        await host.starts(job)

        async def is_asked() -> bool:
            return "EG_1" in platform.recorder.egresses

        await until(is_asked)
        if job.transcribe:
            await host.hears(job, "Ada", [("Good", 100, 400), ("evening", 400, 900)])
        await host.ends(job, "caller_left")
        await in_state(platform, bot_id, "ending")
        await complete(platform, "EG_1", silence(seconds))
    return bot_id


@pytest.mark.parametrize("provider", ["Gladia", "Runpod"])
async def test_another_recogniser_writes_down_before_the_bot_is_complete(
    platform: Platform, tenant: Tenant, receiver: Receiver, provider: str
) -> None:
    async with recognising(platform) as (changed, both), baas(platform, tenant) as http:
        both.length = 200_000  # an answer of many packets
        asked = {"speech_to_text": {"provider": provider, "api_key": "their-key"}}
        bot_id = await attend(changed, tenant, receiver, **asked, recording_mode="audio_only")
        await in_state(platform, bot_id, "completed")

        async def is_told() -> bool:
            return "complete" in codes(receiver)

        await until(is_told)
        data = receiver.at("/")[-1].event["data"]
        assert [word["word"] for word in data["transcript"][0]["words"]] == ["Good", "morning"]
        assert data["speakers"] == ["Speaker 1" if provider == "Gladia" else "Unknown"]
        assert both.keys == ["their-key"]
        kept = (await data_of(http, bot_id))["bot_data"]
        assert kept["transcripts"][0]["words"][1]["text"] == "morning"
        assert "their-key" not in str(kept)


async def test_a_recogniser_that_refuses_leaves_the_bot_complete_without_words(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    async with recognising(platform) as (changed, both):
        both.refuse = 401
        bot_id = await attend(changed, tenant, receiver, speech_to_text={"provider": "Gladia", "api_key": "wrong"})
        bot = await in_state(platform, bot_id, "completed")
        assert bot.writing_error == "Gladia refused: 401"


async def test_words_are_written_down_again_with_those_who_spoke(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    async with recognising(platform) as (changed, _), baas(platform, tenant) as http:
        bot_id = await attend(changed, tenant, receiver, speech_to_text="Default")
        await in_state(platform, bot_id, "completed")
        body = {"bot_uuid": bot_id, "webhook_url": f"{receiver.url}/again"}
        assert (await http.post("/bots/retranscribe", json=body)).status_code == 202
        (received,) = await receiver.wait_for(1, "/again")
        assert received.event == {"event": "transcription_complete", "data": {"bot_id": bot_id}}
        assert received.headers["x-meeting-baas-api-key"] == tenant.key
        (passage,) = (await data_of(http, bot_id))["bot_data"]["transcripts"]
        assert [word["text"] for word in passage["words"]] == ["Good", "morning"]
        assert passage["speaker"] == "Ada"


async def test_an_address_that_another_key_has_named_is_not_shown_the_key_that_writes_down_again(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    """Who may do nothing but send bots would be told the keys of those who may do more."""
    made = await tenant.http.post("/api-keys", json={"label": "bots", "scopes": ["bots:write"]})
    confined = replace(tenant, key=made.json()["api_key"]["key"])
    async with recognising(platform) as (changed, _), baas(platform, tenant) as http:
        bot_id = await attend(changed, confined, receiver, speech_to_text="Default")
        await in_state(platform, bot_id, "completed")
        assert (await http.post("/bots/retranscribe", json={"bot_uuid": bot_id})).status_code == 202

        async def is_told() -> bool:
            return {"complete", "transcription_complete"} <= set(codes(receiver))

        await until(is_told)
        shown = {one.event["event"]: one.headers.get("x-meeting-baas-api-key") for one in receiver.at("/")}
        assert (shown["complete"], shown["transcription_complete"]) == (confined.key, None)
        own = {"bot_uuid": bot_id, "webhook_url": f"{receiver.url}/own"}
        assert (await http.post("/bots/retranscribe", json=own)).status_code == 202
        (told,) = await receiver.wait_for(1, "/own")
        assert told.headers["x-meeting-baas-api-key"] == tenant.key


async def test_what_cannot_be_written_down_again_is_refused(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    async with baas(platform, tenant) as http:
        bot_id = await send(http, "https://example.com")
        assert (await http.post("/bots/retranscribe", json={"bot_uuid": bot_id})).status_code == 409
        runpod = {"bot_uuid": bot_id, "speech_to_text": {"provider": "Runpod", "api_key": "x"}}
        refused = await http.post("/bots/retranscribe", json=runpod)
        assert refused.status_code == 400
        assert "PARLEY_RUNPOD_URL" in refused.text
        assert (await http.post("/bots/retranscribe", json={"bot_uuid": "42"})).status_code == 400


async def words_of(http: httpx2.AsyncClient, bot_id: str) -> list[str]:
    """What a bot has written down."""
    passages = (await data_of(http, bot_id))["bot_data"]["transcripts"]
    return [word["text"] for passage in passages for word in passage["words"]]


async def test_a_recogniser_that_fails_in_the_middle_writes_nothing_twice(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    async with recognising(platform) as (changed, both), baas(platform, tenant) as http:
        both.faults = {2, 3}  # the second piece, and its client's own second try
        asked = {"speech_to_text": {"provider": "Runpod", "api_key": "k"}, "recording_mode": "audio_only"}
        bot_id = await attend(changed, tenant, receiver, seconds=150, **asked)
        await in_state(platform, bot_id, "completed")
        assert await words_of(http, bot_id) == ["Good", "morning"] * 3
        assert both.pieces == 5


async def test_a_step_that_was_done_and_not_marked_is_done_again_without_a_trace(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    """As where the jobs process is killed just then."""
    async with recognising(platform) as (changed, both), baas(platform, tenant) as http:
        bot_id = await attend(changed, tenant, receiver, speech_to_text="Default")
        bot = await in_state(platform, bot_id, "completed")
        both.go_on.clear()
        assert (await http.post("/bots/retranscribe", json={"bot_uuid": bot_id})).status_code == 202
        async with platform.database.platform() as db:
            values = {"project_id": bot.project_id, "session_id": bot.session_id, "created_at": bot.created_at}
            db.add(TranscriptLine(epoch=-1, sequence=0, speaker="user", content="Half", timestamp_ms=1, **values))
        assert "Half" not in (await tenant.http.get(f"/sessions/{bot.session_id}/transcript")).text
        both.go_on.set()
        await receiver.wait_for(1)
        await until(lambda: _written(platform, bot_id))
        assert await words_of(http, bot_id) == ["Good", "morning"]


async def _written(platform: Platform, bot_id: str) -> bool:
    return (await read(platform, bot_id)).writing_since is None


async def test_deleted_data_do_not_come_back_with_what_is_being_written_down(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    async with recognising(platform) as (changed, both), baas(platform, tenant) as http:
        bot_id = await attend(changed, tenant, receiver, speech_to_text="Default")
        bot = await in_state(platform, bot_id, "completed")
        both.go_on.clear()
        body = {"bot_uuid": bot_id, "webhook_url": f"{receiver.url}/again"}
        assert (await http.post("/bots/retranscribe", json=body)).status_code == 202

        async def is_asked() -> bool:
            return both.pieces > 0

        await until(is_asked)
        async with platform.database.platform() as db:  # as if that had been said last of all
            last = (await db.exec(select(func.max(Event.seq)).where(Event.type == "transcript.line"))).one()
            assert last is not None
            await db.exec(delete(Event).where(col(Event.seq) > last))
        assert (await http.post(f"/bots/{bot_id}/delete_data")).json() == {"ok": True, "status": "deleted"}
        async with platform.database.platform() as db:
            newest = (await db.exec(select(func.max(Event.seq)))).one()
            assert newest is not None
            assert newest >= last, "a number is never given twice"
        both.go_on.set()

        async def is_over() -> bool:
            async with platform.database.platform() as db:
                left = select(Job.id).where(Job.kind == WRITE_DOWN, col(Job.state).in_(("waiting", "running")))
                return (await db.exec(left)).first() is None

        await until(is_over)
        async with platform.database.platform() as db:
            lines = select(TranscriptLine.content).where(TranscriptLine.session_id == bot.session_id)
            assert (await db.exec(lines)).all() == []
            bodies = (await db.exec(select(WebhookDelivery.body))).all()
            said = (
                await db.exec(select(col(Event.data)["content"].as_string()).where(Event.type == "transcript.line"))
            ).all()
        assert not any("morning" in each or "evening" in each for each in (*bodies, *said))
        assert await words_of(http, bot_id) == []
        again = await http.post("/bots/retranscribe", json={"bot_uuid": bot_id})
        assert again.status_code == 409


async def test_a_recogniser_that_never_ends_is_given_up(platform: Platform, tenant: Tenant, receiver: Receiver) -> None:
    async with recognising(platform) as (changed, both), baas(platform, tenant) as http:
        bot_id = await attend(changed, tenant, receiver, speech_to_text="Default")
        await in_state(platform, bot_id, "completed")
        both.go_on.clear()
        again = {"bot_uuid": bot_id, "webhook_url": f"{receiver.url}/again"}
        assert (await http.post("/bots/retranscribe", json=again)).status_code == 202
        async with platform.database.platform() as db:
            await db.exec(update(Bot).values(writing_since=col(Bot.writing_since) - timedelta(hours=3)))
        await receiver.wait_for(1, "/again")
        bot = await read(platform, bot_id)
        assert (bot.state, bot.writing_since) == ("completed", None)
        assert await words_of(http, bot_id) == ["Good", "evening"]
        both.go_on.set()


async def test_a_project_that_keeps_no_transcripts_has_none_written_down_afterwards(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    settings = {"store_transcripts": False}
    assert (await tenant.http.patch(f"/projects/{tenant.project.id}", json=settings)).status_code == 200
    async with recognising(platform) as (changed, both), baas(platform, tenant) as http:
        asked = {"speech_to_text": {"provider": "Runpod", "api_key": "k"}}
        bot_id = await attend(changed, tenant, receiver, **asked)
        bot = await in_state(platform, bot_id, "completed")
        assert (bot.writing_error, both.pieces) == ("this project keeps no transcripts", 0)
        assert await words_of(http, bot_id) == []
        refused = await http.post("/bots/retranscribe", json={"bot_uuid": bot_id})
        assert (refused.status_code, "keeps no transcripts" in refused.text) == (409, True)


async def test_what_was_written_down_afterwards_is_analysed(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    async with recognising(platform) as (changed, _):
        asked = {"speech_to_text": {"provider": "Runpod", "api_key": "k"}}
        bot = await in_state(platform, await attend(changed, tenant, receiver, **asked), "completed")

        async def is_analysed() -> bool:
            analysis = (await tenant.http.get(f"/sessions/{bot.session_id}/analysis")).json()
            return "nothing is kept" not in str(analysis) and "Unknown" in str(analysis)

        await until(is_analysed)
        [listed] = (await tenant.http.get("/sessions")).json()["sessions"]
        assert listed["message_count"] == 1


async def test_slow_recognisers_keep_nobody_waiting_at_the_door(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    async with recognising(platform) as (changed, both), baas(platform, tenant) as http:
        bot_id = await attend(changed, tenant, receiver, speech_to_text="Default")
        bot = await in_state(platform, bot_id, "completed")
        both.go_on.clear()
        assert (await http.post("/bots/retranscribe", json={"bot_uuid": bot_id})).status_code == 202
        async with platform.database.platform() as db:
            for number in range(AT_ONCE):
                await enqueue(db, WRITE_DOWN, f"more {number}", run_at=bot.created_at, bot_id=bot.id, place=0)

        async def is_busy() -> bool:
            return both.pieces >= AT_ONCE

        await until(is_busy)
        async with platform.database.platform() as db:
            await enqueue(db, ANSWER, "door", run_at=bot.created_at, attendee_id=0)

        async def is_answered() -> Any:
            async with platform.database.platform() as db:
                return (await db.exec(select(Job.id).where(Job.kind == ANSWER, Job.state == "done"))).first()

        await until(is_answered)
        both.go_on.set()
