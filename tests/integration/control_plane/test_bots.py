"""Bots from the request to their last webhook."""

import pytest

from tests.support.bothost import baas, bot_host, data_of, send
from tests.support.meetings import meet_people
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver
from tests.support.recordings import complete

pytestmark = pytest.mark.anyio

HELLO = [("Hello", 1000, 1400), ("everybody", 1400, 2000)]


async def test_a_bot_attends_a_meeting_and_brings_back_words_and_a_file(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform) as host:
        asked = {"webhook_url": f"{receiver.url}/", "speech_to_text": "Default", "extra": {"a": 1}}
        bot_id = await send(http, meeting["url"], **asked)
        job = await host.attend()
        assert (job.bot_id, job.identity, job.waits, job.transcribe) == (bot_id, f"bot-{bot_id}", False, True)
        await host.starts(job)
        await host.hears(job, "Ada", HELLO)
        await host.ends(job, "caller_left")
        await complete(platform, "EG_1")
        received = await receiver.wait_for(4)
        told = [each.event for each in received]
        codes = [each["data"]["status"]["code"] for each in told[:-1]]
        assert codes == ["joining_call", "in_call_not_recording", "call_ended"]
        assert {each.headers["x-meeting-baas-api-key"] for each in received} == {tenant.key}
        assert told[-1]["event"] == "complete"
        data = told[-1]["data"]
        assert (data["bot_id"], data["speakers"], data["extra"]) == (bot_id, ["Ada"], {"a": 1})
        assert [word["word"] for word in data["transcript"][0]["words"]] == ["Hello", "everybody"]
        assert data["mp4"].startswith(platform.settings.public_url)
        kept = await data_of(http, bot_id)
        assert kept["bot_data"]["transcripts"][0]["words"][0]["text"] == "Hello"
        assert kept["bot_data"]["bot"]["extra"] == {"a": 1}
