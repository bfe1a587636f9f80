"""Bots that nobody wants, or may send, any more: none is sent all the same, and none is left over."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import col, select, update

from control_plane.bots.following import BotFollower
from control_plane.bots.models import Bot
from control_plane.bots.watching import BotWatch
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Unavailable
from control_plane.events.facts import Fact
from control_plane.events.following import LogFollower
from control_plane.events.log import EventLog
from control_plane.events.models import Event
from control_plane.metering.ledger import record
from control_plane.metering.models import UsageEntry
from control_plane.sessions.ending import end_session, lock_session
from control_plane.sessions.models import Slot
from control_plane.telephony.models import Call, SipTrunk
from tests.support.bothost import add_trunk, baas, bot_host, data_of, expire, in_state, read, send
from tests.support.meetings import meet_people
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver
from tests.support.uplink import worker
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio


def watch(platform: Platform) -> BotWatch:
    """One that sweeps when it is told to."""
    return BotWatch(platform.database, Clock(), platform.app.state.secrets, longest=timedelta(hours=4))


async def lose_host(platform: Platform, bot_id: str) -> None:
    """Until it is known that a bot's host, which is gone, has gone."""

    async def is_known() -> bool:
        await expire(platform)
        await watch(platform).sweep()
        return (await read(platform, bot_id)).wanted_at is not None

    await until(is_known)


async def change(platform: Platform, bot_id: str, **values: Any) -> None:
    """Another state of a bot's row."""
    async with platform.database.platform() as db:
        await db.exec(update(Bot).where(col(Bot.uuid) == bot_id).values(**values))


async def test_a_bot_that_finds_no_place_in_its_plan_fails_when_its_patience_is_over(
    platform: Platform, receiver: Receiver
) -> None:
    """A host looks at it again and again all the while."""
    tenant = await platform.tenant("few", plan="free")
    meeting = await meet_people(tenant)
    leave = {"waiting_room_timeout": 3}
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform) as host:
        for number in range(3):
            await send(http, meeting["url"], deduplication_key=f"{number}")
            await host.attend()
        asked = {"start_time": 1_600_000_000, "automatic_leave": leave, "webhook_url": f"{receiver.url}/"}
        refused = await http.post("/bots", json={"meeting_url": meeting["url"], "bot_name": "One more"})
        assert (refused.status_code, refused.json()["code"]) == (429, "QUOTA_EXCEEDED")
        asked["start_time"] = int(Clock().now().timestamp()) + 2
        bot_id = await send(http, meeting["url"], deduplication_key="late", **asked)
        (received,) = await receiver.wait_for(1)
        assert received.event["data"] == {"bot_id": bot_id, "error": "InternalError"}
        assert (await read(platform, bot_id)).state == "failed"


async def test_thousands_that_find_no_place_in_their_plan_do_not_go_before_those_of_others(
    platform: Platform, tenant: Tenant
) -> None:
    crowd = await platform.tenant("crowd", plan="free")
    claimer = platform.app.state.bots.claimer
    async with baas(platform, crowd) as many, baas(platform, tenant) as one:
        for number in range(20):
            await send(many, "https://meet.google.com/abc-defg-hij", start_time=1, deduplication_key=f"{number}")
        async with platform.database.platform() as db:
            slots = [
                Slot(
                    project_id=crowd.project.id,
                    account_id=crowd.project.account_id,
                    room_name=f"crowd_{number}",
                    persona_ids=[],
                    ticket_hash=bytes([number]),
                    dispatched_at=Clock().now(),
                    expires_at=Clock().now() + timedelta(minutes=5),
                )
                for number in range(3)
            ]
            db.add_all(slots)
        bot_id = await send(one, (await meet_people(tenant))["url"])
        looks = 1
        while (job := (await claimer.claim("bots-1"))[0]) is None:
            looks += 1
        assert (job.bot_id, looks) == (bot_id, 2)


async def test_a_bot_that_was_to_leave_when_its_host_died_is_not_sent_again(platform: Platform, tenant: Tenant) -> None:
    platform.recorder.away = Unavailable("no recorder")
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http:
        bot_id = await send(http, meeting["url"])
        async with bot_host(platform) as host:
            await host.starts(await host.attend())
        await lose_host(platform, bot_id)
        assert (await http.delete(f"/bots/{bot_id}")).status_code == 200
        async with bot_host(platform, name="bots-2") as host:
            with pytest.raises(TimeoutError):
                await host.attend(within=2)
            await watch(platform).sweep()
            bot = await in_state(platform, bot_id, "completed")
        assert (bot.told, bot.wanted_at) == ("call_ended", None)


async def test_a_bot_whose_session_was_ended_while_it_had_no_host_does_not_begin_another(
    platform: Platform, tenant: Tenant
) -> None:
    platform.recorder.away = Unavailable("no recorder")
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http:
        bot_id = await send(http, meeting["url"])
        async with bot_host(platform) as host:
            job = await host.attend()
            await host.starts(job)
        async with platform.database.platform() as db:
            session = await lock_session(db, job.session_id, project_id=job.project_id)
            assert session is not None
            log = EventLog(db, Clock())
            await end_session(db, log, session, outcome="ok", reason="api", at=Clock().now())
        await change(platform, bot_id, wanted_at=Clock().now())
        async with bot_host(platform, name="bots-2") as host:
            with pytest.raises(TimeoutError):
                await host.attend(within=2)
        bot = await read(platform, bot_id)
        assert (bot.told, bot.wanted_at, bot.session_id) == ("call_ended", None, job.session_id)


async def test_no_bot_comes_once_the_months_budget_is_used_up(platform: Platform, tenant: Tenant) -> None:
    meeting = await meet_people(tenant)
    limit = {"budget": {"limit_usd": 1}}
    assert (await tenant.http.patch(f"/projects/{tenant.project.id}", json=limit)).status_code == 200
    async with baas(platform, tenant) as http:
        planned = await send(http, meeting["url"], start_time=int(Clock().now().timestamp()) + 2)
        spent = {"service": "llm", "provider": "api.openai.com", "model": "gpt-4o", "input_tokens": 10_000_000}
        async with platform.database.platform() as db:
            entry = UsageEntry(project_id=tenant.project.id, source="test", requests=1, at=Clock().now(), **spent)
            await record(db, entry, clock=Clock())
        body = {"meeting_url": meeting["url"], "bot_name": "B", "deduplication_key": "now"}
        refused = await http.post("/bots", json=body)
        assert (refused.status_code, refused.json()["details"]["rule"]) == (403, "budget")
        async with bot_host(platform):
            bot = await in_state(platform, planned, "failed")
        assert (bot.error, bot.error_message) == ("CannotJoinMeeting", "this month's budget is used up")


async def test_a_bot_may_be_planned_for_the_last_second_of_the_calendar(platform: Platform, tenant: Tenant) -> None:
    body = {"meeting_url": "tel:+18005550100", "bot_name": "B", "start_time": 253_402_300_799}
    async with baas(platform, tenant) as http:
        assert (await http.post("/bots", json=body)).status_code == 200
        assert (await http.post("/bots", json=body)).status_code == 409
        [bot] = (await http.get("/bots/bots_with_metadata")).json()["bots"]
        assert (await http.delete(f"/bots/{bot['uuid']}")).status_code == 200


async def test_no_agent_rides_along_into_a_meeting_of_another_account(platform: Platform, tenant: Tenant) -> None:
    """Its conversation would take the place of theirs, of which a room has one."""
    stranger = await platform.tenant("stranger")
    agent_id = await stranger.make_agent(name="Intruder")
    meeting = await meet_people(tenant)
    async with baas(platform, stranger) as http, platform.jobs(), bot_host(platform) as host, worker(platform):
        bot_id = await send(http, meeting["url"], extra={"agent_id": agent_id}, entry_message="I was here")
        await host.starts(await host.attend())

        async def has_written() -> bool:
            return [line["text"] for line in (await data_of(http, bot_id))["bot_data"]["chat"]] == ["I was here"]

        await until(has_written)
        own = await send(http, (await meet_people(stranger))["url"], extra={"agent_id": agent_id})
        job = await host.attend()
        await host.starts(job)

        async def dispatched() -> Any:
            return [call for call in platform.media.calls if call[0] == "dispatch"]

        await until(dispatched)
        assert job.bot_id == own
        assert [call[1].partition("_")[0] for call in await dispatched()] == ["stranger"]


async def test_a_line_that_waits_for_its_turn_is_not_called_once_its_bot_has_left(
    platform: Platform, tenant: Tenant
) -> None:
    await add_trunk(platform, tenant)
    platform.dialer.picked_up.set()
    async with baas(platform, tenant) as http, bot_host(platform) as host:
        bot_id = await send(http, "tel:+18005550100")
        job = await host.attend()
        assert (await http.delete(f"/bots/{bot_id}")).status_code == 200
        await host.ends(job, "api")
        async with platform.jobs():
            await in_state(platform, bot_id, "cancelled")

            async def is_settled() -> Any:
                async with platform.database.platform() as db:
                    return (await db.exec(select(Call).where(col(Call.ended_at).is_not(None)))).first()

            call = await until(is_settled)
        assert (call.status, call.reason) == ("no_answer", "nobody waits any more")
        assert [each for each in platform.dialer.calls if each[0] == "call"] == []


@pytest.mark.parametrize(
    ("address", "extra"),
    [
        ("sip:+19005550123@sip.example.net", {}),
        ("sip:%2B19005550123@sip.example.net", {}),
        ("sip:19005550123@CARRIER.example.com:5060", {}),
        ("sip:19005550123@sip.example.net", {}),
        ("sip:0119005550123@sip.example.net", {}),
        ("sip:room;maddr=sip.example.org@sip.example.net", {}),
        ("https://meet.google.com/abc-defg-hij", {"dial_in": {"number": "sip:0119005550123@carrier.example.com"}}),
        ("tel:+18005550100", {"dial_in": {"pin": "secret"}}),
    ],
)
async def test_what_may_not_be_called_is_not_called_by_another_spelling(
    platform: Platform, tenant: Tenant, address: str, extra: dict[str, Any]
) -> None:
    trunk = SipTrunk(
        project_id=tenant.project.id,
        name="Line",
        phone_number="+18001234567",
        address="carrier.example.com",
        outbound_trunk_id="ST_1",
        calls_per_second=100,
    )
    await platform.add(trunk)
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform):
        bot_id = await send(http, address, extra=extra)
        bot = await in_state(platform, bot_id, "failed")
        assert bot.error == "CannotJoinMeeting", json.dumps(bot.error_message)
    assert not any(call[0] == "call" for call in platform.dialer.calls)


async def test_who_fills_the_chat_does_not_fill_the_bots_that_read_it(platform: Platform, tenant: Tenant) -> None:
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, bot_host(platform) as host:
        bot_id = await send(http, meeting["url"])
        await host.starts(await host.attend())
        room = (await in_state(platform, bot_id, "attending")).meeting_room
        follower = BotFollower(Clock(), platform.app.state.secrets)
        async with platform.database.platform() as db:
            for _ in range(60):
                data = {"identity": "p_1", "name": "Eve", "text": "x" * 4000}
                event = Event(project_id=tenant.project.id, type=Fact.MEETING_CHAT, room_name=room, data=data)
                event.created_at = Clock().now()
                await follower.take(db, event)
        chat = (await data_of(http, bot_id))["bot_data"]["chat"]
        assert len(chat) == 50


async def nothing_known(_: Db) -> None:
    raise ValueError


async def two_where_one_was_expected(db: Db) -> None:
    (await db.execute(text("select generate_series(1, 2)"))).one_or_none()


async def a_statement_that_fails(db: Db) -> None:
    await db.execute(text("select 1 / 0"))


@pytest.mark.parametrize("fail", [nothing_known, two_where_one_was_expected, a_statement_that_fails])
async def test_a_fact_that_nothing_can_be_made_of_does_not_hold_up_those_behind_it(
    platform: Platform, tenant: Tenant, fail: Callable[[Db], Awaitable[None]]
) -> None:
    taken: list[str] = []

    async def take(db: Db, event: Event) -> None:
        if event.data["text"] == "poison":
            await fail(db)
        taken.append(event.data["text"])

    follower = LogFollower(platform.database, "test", frozenset({Fact.MEETING_CHAT}), take)
    await follower.step()
    async with platform.database.platform() as db:
        for said in ("poison", "well"):
            EventLog(db, Clock()).append(Fact.MEETING_CHAT, project_id=tenant.project.id, room_name="r", text=said)
    async with platform.jobs():

        async def is_taken() -> bool:
            await follower.step()
            return taken == ["well"]

        await until(is_taken)


async def test_a_bot_that_finds_no_other_host_leaves_no_recording_running(platform: Platform, tenant: Tenant) -> None:
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, platform.jobs():
        bot_id = await send(http, meeting["url"])
        async with bot_host(platform) as host:
            await host.starts(await host.attend())

            async def is_recorded() -> bool:
                return "EG_1" in platform.recorder.egresses

            await until(is_recorded)
        await lose_host(platform, bot_id)
        await change(platform, bot_id, wanted_at=Clock().now() - timedelta(minutes=11))
        bot = await in_state(platform, bot_id, "failed")
        assert (bot.error, bot.told) == ("InternalError", "call_ended")

        async def is_stopped() -> bool:
            return ("stop", "EG_1") in platform.recorder.calls

        await until(is_stopped)
