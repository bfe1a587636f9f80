"""Bots from the request to their last webhook."""

import time

import pytest

from agents.attendance import BotJob
from control_plane.clock import Clock
from control_plane.errors import Unavailable
from control_plane.events.log import EventLog
from control_plane.media.recorder import EgressState
from control_plane.sessions.ending import end_session, lock_session
from tests.support.bothost import (
    FakeHost,
    baas,
    bot_host,
    codes,
    data_of,
    expire,
    in_state,
    job_grants,
    job_room,
    meet_waiting,
    read,
    send,
)
from tests.support.meetings import meet_people
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver
from tests.support.recordings import complete, tell
from tests.support.webhooks import until

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
        assert "unknown" in job_grants(job.token)["canPublishSources"], "it may publish its silence"
        await host.starts(job)
        await receiver.wait_for(2)

        async def is_asked() -> bool:
            return "EG_1" in platform.recorder.egresses

        await until(is_asked)
        await tell(platform, platform.recorder.says("EG_1", EgressState.ACTIVE, started_at=job.started_at))
        await receiver.wait_for(3)
        await host.hears(job, "Ada", HELLO)
        await host.ends(job, "caller_left")
        await receiver.wait_for(4)
        await complete(platform, "EG_1")
        received = await receiver.wait_for(5)
        expected = ["joining_call", "in_call_not_recording", "in_call_recording", "call_ended", "complete"]
        assert codes(receiver) == expected
        assert {each.headers["x-meeting-baas-api-key"] for each in received} == {tenant.key}
        assert all("webhook-signature" in each.headers for each in received)
        data = received[-1].event["data"]
        assert (data["bot_id"], data["speakers"], data["extra"]) == (bot_id, ["Ada"], {"a": 1})
        assert [word["word"] for word in data["transcript"][0]["words"]] == ["Hello", "everybody"]
        file = await http.get(data["mp4"].replace(platform.settings.public_url, platform.url))
        assert (file.status_code, file.headers["content-type"]) == (200, "video/mp4")
        kept = await data_of(http, bot_id)
        assert kept["bot_data"]["transcripts"][0]["words"][0]["text"] == "Hello"
        assert (kept["bot_data"]["bot"]["extra"], kept["audio"], kept["duration"]) == ({"a": 1}, "", 5)
        assert (await read(platform, bot_id)).state == "completed"
        order = next(order for call, order in platform.recorder.calls if call == "start")
        assert (order.room, order.format, order.picture.layout) == (job_room(job.token), "mp4", "single-speaker")
        analysed = await tenant.http.get(f"/sessions/{job.session_id}/analysis")
        assert analysed.status_code == 200


async def leave_early(platform: Platform, host: FakeHost, job: BotJob, how: str) -> None:
    """The stay of a bot is over, and not all that was said is recognised."""
    if how == "by itself":
        await host.leaves(job, "caller_left")
    else:
        async with platform.database.platform() as db:
            session = await lock_session(db, job.session_id, project_id=(await read(platform, job.bot_id)).project_id)
            assert session is not None
            now = Clock().now()
            await end_session(db, EventLog(db, Clock()), session, outcome="ok", reason="room_closed", at=now)


@pytest.mark.parametrize("how", ["by itself", "with its room"])
async def test_what_is_recognised_after_a_bot_left_is_waited_for(
    platform: Platform, tenant: Tenant, receiver: Receiver, how: str
) -> None:
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform) as host:
        bot_id = await send(http, meeting["url"], webhook_url=f"{receiver.url}/", speech_to_text="Default")
        job = await host.attend()
        await host.starts(job)
        await receiver.wait_for(2)

        async def is_asked() -> bool:
            return "EG_1" in platform.recorder.egresses

        await until(is_asked)
        async with host.beating(job):
            await leave_early(platform, host, job, how)
            await receiver.wait_for(3)
            await complete(platform, "EG_1")
            await in_state(platform, bot_id, "ending")
            await host.hears(job, "Ada", HELLO)
            assert codes(receiver)[-1] == "call_ended"
            await host.ends(job, "caller_left")
            received = await receiver.wait_for(4)
        assert codes(receiver)[-1] == "complete"
        assert [word["word"] for word in received[-1].event["data"]["transcript"][0]["words"]] == ["Hello", "everybody"]

        async def is_analysed() -> bool:
            return (await tenant.http.get(f"/sessions/{job.session_id}/analysis")).json().get("status") != "pending"

        await until(is_analysed)


async def test_words_that_die_with_their_host_are_waited_for_no_more(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    platform.recorder.away = Unavailable("no recorder")
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, platform.jobs():
        bot_id = await send(http, meeting["url"], webhook_url=f"{receiver.url}/", speech_to_text="Default")
        async with bot_host(platform) as host:
            job = await host.attend()
            await host.starts(job)
            await host.leaves(job, "caller_left")
            await in_state(platform, bot_id, "ending")
        await expire(platform)
        await receiver.wait_for(4)
        assert codes(receiver)[-1] == "complete"


async def test_nothing_is_written_down_where_nobody_asked(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    meeting = await meet_people(tenant)
    answer = await tenant.http.patch("/account", json={"meeting_baas_webhook_url": f"{receiver.url}/"})
    assert answer.json()["account"]["meeting_baas_webhook_url"] == f"{receiver.url}/"
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform) as host:
        await send(http, meeting["url"], recording_mode="audio_only")
        job = await host.attend()
        assert not job.transcribe
        await host.starts(job)
        await receiver.wait_for(2)
        await host.ends(job, "silence")
        await receiver.wait_for(3)

        async def is_settled() -> bool:
            if "EG_1" in platform.recorder.egresses:
                await complete(platform, "EG_1")
            return len(receiver.at("/")) >= 4

        await until(is_settled)
        data = receiver.at("/")[-1].event["data"]
        assert "transcript" not in data
        assert (data["speakers"], data["mp4"]) == ([], data["audio"])


async def test_a_bot_goes_on_where_nothing_can_be_recorded(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    platform.recorder.away = Unavailable("no recorder")
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform) as host:
        await send(http, meeting["url"], webhook_url=f"{receiver.url}/")
        job = await host.attend()
        await host.starts(job)
        await receiver.wait_for(2)
        await host.ends(job, "caller_left")
        received = await receiver.wait_for(4)
        assert codes(receiver) == ["joining_call", "in_call_not_recording", "call_ended", "complete"]
        assert received[-1].event["data"]["mp4"] == ""


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("denied", "BotNotAccepted"),
        ("not_admitted", "TimeoutWaitingToStart"),
        ("cannot_join", "CannotJoinMeeting"),
        ("model_failed", "InternalError"),
    ],
)
async def test_a_bot_that_never_gets_in_has_failed(
    platform: Platform, tenant: Tenant, receiver: Receiver, reason: str, error: str
) -> None:
    meeting = await meet_waiting(tenant)
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform) as host:
        bot_id = await send(http, meeting["url"], webhook_url=f"{receiver.url}/")
        job = await host.attend()
        assert job.waits
        assert job_room(job.token).startswith("waiting.")
        await host.report(job, "bot.waits.v1")
        await host.ends(job, reason, failed=reason in ("cannot_join", "model_failed"))
        received = await receiver.wait_for(4)
        assert codes(receiver) == ["joining_call", "in_waiting_room", "call_ended", "failed"]
        assert received[-1].event == {"event": "failed", "data": {"bot_id": bot_id, "error": error}}
        assert (await data_of(http, bot_id))["bot_data"]["bot"]["errors"].startswith(error)


async def test_bots_come_at_their_time(platform: Platform, tenant: Tenant) -> None:
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, bot_host(platform) as host:
        await send(http, meeting["url"], start_time=int(time.time()) + 400_000_000, deduplication_key="far")
        reserved = await send(http, meeting["url"], reserved=True, deduplication_key="reserved")
        due = int(time.time()) + 5
        at_its_time = await send(http, meeting["url"], start_time=due)
        past = await send(http, meeting["url"], start_time=1_600_000_000, deduplication_key="past")
        assert (await host.attend()).bot_id == past
        job = await host.attend()
        late = time.time() - due
        assert job.bot_id == at_its_time
        assert late >= 0
        bot = await read(platform, reserved)
        assert abs((bot.due_at - bot.created_at).total_seconds() - 240) < 2


async def test_a_bot_whose_host_is_lost_is_sent_again_and_tells_nothing_twice(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http:
        asked = {"webhook_url": f"{receiver.url}/", "speech_to_text": "Default"}
        bot_id = await send(http, meeting["url"], **asked)
        async with platform.jobs():
            async with bot_host(platform) as host:
                job = await host.attend()
                await host.starts(job)
                await host.hears(job, "Ada", HELLO)
            await expire(platform)
            async with bot_host(platform, name="bots-2") as host:
                again = await host.attend(within=60)
                assert (again.bot_id, again.session_id, again.epoch) == (bot_id, job.session_id, job.epoch + 1)
                assert again.job_id != job.job_id
                await host.starts(again)
                await host.hears(again, "Bob", [("Bye", 5000, 5300)])
                await host.ends(again, "caller_left")
            await in_state(platform, bot_id, "ending")

            async def is_settled() -> bool:
                if "EG_1" in platform.recorder.egresses:
                    await complete(platform, "EG_1")
                return "complete" in codes(receiver)

            await until(is_settled)
        assert codes(receiver) == ["joining_call", "in_call_not_recording", "call_ended", "complete"]
        assert receiver.at("/")[-1].event["data"]["speakers"] == ["Ada", "Bob"]


async def test_a_bot_whose_host_is_lost_and_whose_meeting_is_over_by_then_is_complete(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    platform.recorder.away = Unavailable("no recorder")
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, platform.jobs():
        asked = {"webhook_url": f"{receiver.url}/", "speech_to_text": "Default"}
        bot_id = await send(http, meeting["url"], **asked)
        async with bot_host(platform) as host:
            job = await host.attend()
            await host.starts(job)
            await host.hears(job, "Ada", HELLO)
        url = str(tenant.http.base_url).replace("/api/v1/", "/api/meetings")
        assert (await tenant.http.delete(f"{url}/{meeting['meetingId']}")).is_success
        await expire(platform)
        async with bot_host(platform, name="bots-2"):
            await in_state(platform, bot_id, "completed")
        received = await receiver.wait_for(4)
    assert codes(receiver) == ["joining_call", "in_call_not_recording", "call_ended", "complete"]
    assert received[-1].event["data"]["speakers"] == ["Ada"]


async def test_a_bot_that_no_host_takes_fails_when_its_patience_is_over(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    meeting = await meet_people(tenant)
    leave = {"waiting_room_timeout": 1}
    async with baas(platform, tenant) as http, platform.jobs():
        bot_id = await send(http, meeting["url"], webhook_url=f"{receiver.url}/", automatic_leave=leave)
        (received,) = await receiver.wait_for(1)
        assert received.event["data"] == {"bot_id": bot_id, "error": "InternalError"}


async def test_a_dismissed_bot_that_was_there_is_complete(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform) as host:
        bot_id = await send(http, meeting["url"], webhook_url=f"{receiver.url}/")
        job = await host.attend()
        await host.starts(job)
        assert (await http.delete(f"/bots/{bot_id}")).json() == {"ok": True}
        command = await host.hear("command")
        assert (command["action"], command["job_id"], command["reason"]) == ("end", job.job_id, "api")
        await host.ends(job, "api")
        await in_state(platform, bot_id, "ending")

        async def is_settled() -> bool:
            if "EG_1" in platform.recorder.egresses:
                await complete(platform, "EG_1")
            return "complete" in codes(receiver)

        await until(is_settled)
        assert (await http.delete(f"/bots/{bot_id}")).json() == {"ok": True}
        deleted = await http.post(f"/bots/{bot_id}/delete_data")
        assert deleted.json() == {"ok": True, "status": "deleted"}
        assert (await http.post(f"/bots/{bot_id}/delete_data")).json()["status"] == "alreadyDeleted"
        assert (await data_of(http, bot_id))["mp4"] == ""
        again = [(await http.post(f"/bots/{bot_id}/delete_data")).status_code for _ in range(12)]
        assert 429 in again


async def test_a_dismissed_bot_that_had_not_joined_is_not_complete(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    meeting = await meet_waiting(tenant)
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform) as host:
        later = await send(http, meeting["url"], start_time=int(time.time()) + 3600, webhook_url=f"{receiver.url}/")
        assert (await http.delete(f"/bots/{later}")).json() == {"ok": True}
        assert (await read(platform, later)).state == "cancelled"
        bot_id = await send(http, meeting["url"], webhook_url=f"{receiver.url}/")
        job = await host.attend()
        await host.report(job, "bot.waits.v1")
        await http.delete(f"/bots/{bot_id}")
        await host.hear("command")
        await host.ends(job, "api")
        await in_state(platform, bot_id, "cancelled")
        await receiver.wait_for(3)
        assert codes(receiver) == ["joining_call", "in_waiting_room", "call_ended"]
