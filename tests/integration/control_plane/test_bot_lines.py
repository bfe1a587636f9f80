"""Bots in meetings behind a telephone, what they write in the chat, and personas that ride along."""

import json
from typing import Any

import pytest
from sqlmodel import col, select, update

from control_plane.bots.models import Bot
from control_plane.bots.riding import GREET
from control_plane.errors import Unavailable
from control_plane.events.facts import Fact
from control_plane.events.models import Event
from control_plane.jobs.models import Job, JobState
from control_plane.media.server import LiveParticipant, LiveRoom
from control_plane.sessions.models import Slot
from sip.outcomes import Outcome
from tests.support.bothost import add_trunk, baas, bot_host, data_of, in_state, job_room, meet_waiting, send
from tests.support.meetings import a_bot, meet_people
from tests.support.meetings import tell as hooked
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver
from tests.support.uplink import worker
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio


async def greeted(platform: Platform) -> bool:
    """Whether all that bots were to do when they came in is done."""
    async with platform.database.platform() as db:
        states = (await db.exec(select(Job.state).where(Job.kind == GREET))).all()
    return bool(states) and set(states) == {JobState.DONE}


@pytest.mark.parametrize(
    ("url", "extra", "number", "host", "keys"),
    [
        ("tel:+18005550100", {}, "+18005550100", "", ""),
        ("sip:room@127.0.0.1:5080", {"dial_in": {"pin": "42"}}, "room", "127.0.0.1:5080", "wwwwww42#"),
        ("sip:+18005550100;rn=+19005550123,,1900@127.0.0.1:05080", {}, "+18005550100", "127.0.0.1:5080", ""),
        ("sip:%2B1(800)555-0100@LOCALHOST.", {}, "+18005550100", "localhost", ""),
        (
            "https://meet.google.com/abc-defg-hij",
            {"dial_in": {"number": "+1 800 555 0101", "pin": "123 456#"}},
            "+18005550101",
            "",
            "wwwwww123456#",
        ),
    ],
)
async def test_a_meeting_behind_a_telephone_is_called(
    platform: Platform, tenant: Tenant, url: str, extra: dict[str, Any], number: str, host: str, keys: str
) -> None:
    await add_trunk(platform, tenant)
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform) as hosted:
        bot_id = await send(http, url, extra=extra)
        job = await hosted.attend()
        assert (job.line, job_room(job.token)) == (f"sip_bot-{bot_id}", f"proj_bot-{bot_id}")

        async def is_called() -> Any:
            return next((call[1] for call in platform.dialer.calls if call[0] == "call"), None)

        call = await until(is_called)
        assert (call.number, call.host, call.keys, call.room, call.identity) == (
            number,
            host,
            keys,
            job_room(job.token),
            job.line,
        )
        platform.dialer.picked_up.set()
        await hosted.starts(job)
        await hosted.ends(job, "caller_left")
        await in_state(platform, bot_id, "failed" if keys else "ending")
        heard = (await data_of(http, bot_id))["bot_data"]
        assert heard["heard_as"] == "one_line"


@pytest.mark.parametrize("outcome", [Outcome("busy", 486, "Busy"), Outcome("no_answer", 480, "")])
async def test_a_telephone_that_does_not_answer_is_no_meeting(
    platform: Platform, tenant: Tenant, receiver: Receiver, outcome: Outcome
) -> None:
    await add_trunk(platform, tenant)
    platform.dialer.answer = outcome
    platform.dialer.picked_up.set()
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform) as host:
        bot_id = await send(http, "tel:+18005550100", webhook_url=f"{receiver.url}/")
        job = await host.attend()
        received = await receiver.wait_for(2)
        assert received[-1].event["data"] == {"bot_id": bot_id, "error": "CannotJoinMeeting"}
        await host.beat(job)
        assert (await host.hear("command"))["action"] == "end"


async def test_a_telephone_needs_a_trunk(platform: Platform, tenant: Tenant) -> None:
    async with baas(platform, tenant) as http, bot_host(platform):
        bot_id = await send(http, "tel:+18005550100")
        bot = await in_state(platform, bot_id, "failed")
        assert (bot.error, "trunk" in (bot.error_message or "")) == ("CannotJoinMeeting", True)


async def test_a_persona_rides_along_and_leaves_with_the_bot(platform: Platform, tenant: Tenant) -> None:
    agent_id = await tenant.make_agent(name="Speaker")
    stranger = await platform.tenant("other")
    foreign = await stranger.make_agent(name="Foreign")
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, platform.jobs(), bot_host(platform) as host:
        for unknown, status in ((foreign, 403), (10_000, 404)):
            body = {"meeting_url": meeting["url"], "bot_name": "Bot", "extra": {"agent_id": unknown}}
            assert (await http.post("/bots", json=body)).status_code == status
        await send(http, meeting["url"], extra={"agent_id": agent_id})
        job = await host.attend()
        await host.starts(job)

        async def is_dispatched() -> Any:
            return next((call for call in platform.media.calls if call[0] == "dispatch"), None)

        _, room, metadata = await until(is_dispatched)
        assert room == job_room(job.token)
        async with worker(platform) as persona:
            taken = await persona.exchange(json.loads(metadata)["ticket"], job_id="AJ_9", room=room)
            assert taken["job"]["identity"] == f"agent-{agent_id}"
            await host.ends(job, "api")

            async def is_sent_away() -> bool:
                await persona.say(type="heartbeat", calls=["AJ_9"])
                try:
                    return bool((await persona.hear("command", within=0.5))["action"] == "end")
                except TimeoutError:
                    return False

            await until(is_sent_away)


async def test_a_bot_is_seen_as_one_and_its_message_is_read(
    platform: Platform, tenant: Tenant, receiver: Receiver
) -> None:
    meeting = await meet_people(tenant)
    async with (
        a_bot(platform.url) as person,
        baas(platform, tenant) as http,
        platform.jobs(),
        bot_host(platform) as host,
    ):
        await person.join(meeting, "Ada")
        bot_id = await send(http, meeting["url"], entry_message="I take notes")
        job = await host.attend()
        await host.starts(job)
        line = await person.until("chat:message")
        assert (line["name"], line["text"], line["participantId"]) == ("Notetaker", "I take notes", f"bot-{bot_id}")
        await person.say("chat:message", {"text": "Hello bot"})

        async def is_kept() -> Any:
            chat = (await data_of(http, bot_id))["bot_data"]["chat"]
            return chat if len(chat) == 2 else None

        chat = await until(is_kept)
        assert [(each["name"], each["text"]) for each in chat] == [("Notetaker", "I take notes"), ("Ada", "Hello bot")]


async def test_a_bot_that_came_in_as_everything_ended_greets_when_there_is_somebody_to_do_it(
    platform: Platform, tenant: Tenant
) -> None:
    """Nobody works off jobs as it comes in, LiveKit is away when somebody does, and a job that was done comes again."""
    agent_id = await tenant.make_agent(name="Speaker")
    meeting = await meet_people(tenant)

    async def dispatches() -> list[Any]:
        return [call for call in platform.media.calls if call[0] == "dispatch"]

    async with a_bot(platform.url) as person, baas(platform, tenant) as http, bot_host(platform) as host:
        await person.join(meeting, "Ada")
        bot_id = await send(http, meeting["url"], extra={"agent_id": agent_id}, entry_message="I take notes")
        job = await host.attend()
        await host.starts(job)
        await in_state(platform, bot_id, "attending")
        assert not await dispatches()
        platform.media.fail_next = Unavailable("LiveKit is away")
        async with platform.jobs():
            assert (await person.until("chat:message"))["text"] == "I take notes"
            await until(lambda: greeted(platform))
        first, second = await dispatches()
        assert first == second
        async with platform.database.platform() as db:
            await db.exec(update(Job).where(col(Job.kind) == GREET).values(state=JobState.WAITING))
        async with platform.jobs():
            await until(lambda: greeted(platform))
        async with platform.database.platform() as db:
            lines = (await db.exec(select(Event).where(Event.type == Fact.MEETING_CHAT))).all()
            slots = (await db.exec(select(Slot).where(Slot.project_id == tenant.project.id))).all()
        assert [line.data["text"] for line in lines] == ["I take notes"]
        assert [slot.persona_ids for slot in slots if slot.persona_ids] == [[agent_id]], "a place was made twice"


async def test_a_bot_that_has_left_by_then_greets_nobody(platform: Platform, tenant: Tenant) -> None:
    meeting = await meet_people(tenant)
    async with baas(platform, tenant) as http, bot_host(platform) as host:
        bot_id = await send(http, meeting["url"], entry_message="I take notes")
        job = await host.attend()
        await host.starts(job)
        async with platform.database.platform() as db:
            await db.exec(update(Bot).where(col(Bot.uuid) == bot_id).values(state="ending"))
        async with platform.jobs():
            await until(lambda: greeted(platform))
        async with platform.database.platform() as db:
            assert (await db.exec(select(Event).where(Event.type == Fact.MEETING_CHAT))).first() is None


async def test_the_hosts_of_a_meeting_are_told_that_a_bot_waits_no_longer(platform: Platform, tenant: Tenant) -> None:
    meeting = await meet_waiting(tenant)
    async with (
        a_bot(platform.url) as ada,
        baas(platform, tenant) as http,
        platform.jobs(),
        bot_host(platform) as host,
    ):
        await ada.join(meeting, "Ada", isAdmin=True, adminToken=meeting["adminToken"])
        bot_id = await send(http, meeting["url"])
        job = await host.attend()
        lobby = job_room(job.token)
        await hooked(platform, "participant_joined", lobby)
        assert (await ada.until("waiting"))["participantId"] == f"bot-{bot_id}"
        (await http.delete(f"/bots/{bot_id}")).raise_for_status()
        await host.ends(job, "api")
        await hooked(platform, "participant_left", lobby)
        assert await ada.until("waiting:left") == {"participantId": f"bot-{bot_id}"}


async def test_the_hosts_of_a_meeting_let_a_bot_in(platform: Platform, tenant: Tenant) -> None:
    meeting = await meet_waiting(tenant)
    async with (
        a_bot(platform.url) as person,
        baas(platform, tenant) as http,
        platform.jobs(),
        bot_host(platform) as host,
    ):
        await person.join(meeting, "Ada", isAdmin=True, adminToken=meeting["adminToken"])
        bot_id = await send(http, meeting["url"])
        job = await host.attend()
        lobby = job_room(job.token)
        platform.media.rooms[lobby] = LiveRoom(lobby, "RM_1", 1, 300, 0)
        platform.media.people[lobby] = [
            LiveParticipant("PA_1", job.identity, "Notetaker", "standard", "ACTIVE", 1, hidden=False, tracks=[])
        ]
        await hooked(platform, "participant_joined", lobby)
        waits = await person.until("waiting")
        assert waits == {"participantId": f"bot-{bot_id}", "name": "Notetaker"}
        await person.say("participant:admit", {"participantId": waits["participantId"]})

        async def is_let_in() -> Any:
            return next((call for call in platform.media.calls if call[0] == "send_data"), None)

        _, room, told, topic, _ = await until(is_let_in)
        assert (room, topic) == (lobby, "parley.admitted")
        assert job_room(json.loads(told)["token"]) == f"proj_{meeting['meetingId']}"
