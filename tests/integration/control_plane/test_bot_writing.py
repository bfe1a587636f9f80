"""Recordings of bots that are written down after their end, or again."""

import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.support.bothost import baas, bot_host, codes, data_of, in_state, send
from tests.support.gladia import Recognisers, open_recognisers
from tests.support.meetings import meet_people
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver
from tests.support.recordings import complete
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio


def silence() -> bytes:
    """A second of it, as a file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(16_000)
        written.writeframes(bytes(32_000))
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


async def attend(platform: Platform, tenant: Tenant, receiver: Receiver, **asked: Any) -> str:
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
        await complete(platform, "EG_1", silence())
    return bot_id


@pytest.mark.parametrize("provider", ["Gladia", "Runpod"])
async def test_another_recogniser_writes_down_before_the_bot_is_complete(
    platform: Platform, tenant: Tenant, receiver: Receiver, provider: str
) -> None:
    async with recognising(platform) as (changed, both), baas(platform, tenant) as http:
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
