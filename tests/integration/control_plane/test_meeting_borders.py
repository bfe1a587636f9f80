"""What nobody gets out of a meeting, whatever client they bring, and what no lost process takes from it."""

import json
from datetime import timedelta
from functools import partial
from typing import Any

import jwt
import pytest
from livekit import api
from sqlmodel import col, select, update

from agents.calling import PersonaJob
from control_plane.clock import Clock
from control_plane.errors import Unavailable
from control_plane.jobs.models import Job
from control_plane.livekit_hooks.service import take
from control_plane.media.server import LiveParticipant, LiveRoom
from control_plane.meetings.models import Attendee, AttendeeState
from control_plane.rooms.models import Participant
from control_plane.sessions.models import Slot, Worker
from control_plane.sessions.slots import StandingSigner
from control_plane.supervisor.dispatch import redispatch
from control_plane.supervisor.reconciler import Reconciler
from tests.support.meetings import a_bot, claims, make_meeting, meet_people, tell
from tests.support.platform import SECRET_KEY, Platform, Tenant
from tests.support.studio import eventually
from tests.support.uplink import lease_watch, watch_for, worker

pytestmark = pytest.mark.anyio

LINE = {"type": "line.spoken.v1", "speaker": "user", "identity": "p_1", "name": "Ada", "timestamp_ms": 1}


def there(identity: str, sid: str = "PA_1") -> LiveParticipant:
    return LiveParticipant(sid, identity, "Ada", "standard", "ACTIVE", 1, hidden=False, tracks=[])


def is_running(platform: Platform, room: str, *people: LiveParticipant) -> None:
    """LiveKit shows a room that no hook has told of."""
    platform.media.rooms[room] = LiveRoom(room, f"RM_{room}", 1, 300, 0)
    platform.media.people[room] = list(people)


async def waiting(tenant: Tenant, made: dict[str, Any]) -> list[str]:
    listed = (await tenant.http.get(f"/meetings/{made['meeting']['id']}/waiting")).json()["waiting"]
    return [each["identity"] for each in listed]


async def waits(tenant: Tenant, made: dict[str, Any], identity: str) -> bool:
    return await waiting(tenant, made) == [identity]


async def publishes(platform: Platform, room: str, identity: str, kind: Any, source: Any) -> None:
    """A hook of LiveKit: somebody's track is there."""
    hook = api.WebhookEvent(
        id=f"EV_{identity}_{kind}_{source}",
        event="track_published",
        room=api.Room(name=room, sid="RM_1"),
        participant=api.ParticipantInfo(sid="PA_1", identity=identity),
        track=api.TrackInfo(sid="TR_1", type=kind, source=source),
    )
    async with platform.database.platform() as db:
        await take(db, Clock(), hook)


async def test_a_token_of_a_meeting_that_is_over_opens_no_room_to_meet_in(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_meeting(tenant)
    room = made["meeting"]["room_name"]
    await tell(platform, "participant_joined", room)
    await tenant.http.post(f"/meetings/{made['meeting']['id']}/end")
    async with platform.jobs():
        await eventually(lambda: platform.media.calls.count(("close_room", room)) == 2)
        await tell(platform, "participant_joined", room, number=2)
        await eventually(lambda: platform.media.calls.count(("close_room", room)) == 3)
    assert (await tenant.http.get(f"/meetings/{made['meeting']['id']}")).json()["meeting"]["status"] == "completed"


async def test_who_comes_to_wait_for_a_meeting_that_is_over_is_sent_away_and_not_listed(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_meeting(tenant, enable_waiting_room=True)
    lobby = claims(made)["video"]["room"]
    await tenant.http.post(f"/meetings/{made['meeting']['id']}/end")
    async with platform.jobs():
        await tell(platform, "participant_joined", lobby)
        await eventually(lambda: ("close_room", lobby) in platform.media.calls)
    assert await waiting(tenant, made) == []


async def test_a_meeting_that_ends_while_livekit_is_away_is_closed_when_it_is_back(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_meeting(tenant)
    platform.media.fail_next = Unavailable("LiveKit cannot be reached")
    ended = await tenant.http.post(f"/meetings/{made['meeting']['id']}/end")
    assert (ended.status_code, ended.json()["meeting"]["status"]) == (200, "completed")
    platform.media.calls.clear()
    async with platform.jobs():
        await eventually(lambda: ("close_room", made["meeting"]["room_name"]) in platform.media.calls)


async def test_whoever_gives_a_picture_out_for_a_microphone_is_sent_away_for_good(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_meeting(tenant)
    room, guest = made["meeting"]["room_name"], claims(made)["sub"]
    async with platform.jobs(), a_bot(platform.url) as bot:
        await publishes(platform, room, guest, api.TrackType.AUDIO, api.TrackSource.MICROPHONE)
        await publishes(platform, room, guest, api.TrackType.VIDEO, api.TrackSource.MICROPHONE)
        await eventually(lambda: ("remove_participant", room, guest) in platform.media.calls)
        shown = {"meetingId": made["meeting"]["code"], "token": made["room_token"]}
        await bot.socket.emit("join-meeting", shown)
        assert (await bot.until("join-error"))["code"] == "REMOVED"
    assert platform.media.calls.count(("remove_participant", room, guest)) == 1


async def test_only_a_bot_may_say_nothing_from_nowhere(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_meeting(tenant)
    room, guest = made["meeting"]["room_name"], claims(made)["sub"]
    async with platform.jobs():
        await publishes(platform, room, "bot-silent", api.TrackType.AUDIO, api.TrackSource.UNKNOWN)
        await publishes(platform, room, "bot-shows", api.TrackType.VIDEO, api.TrackSource.UNKNOWN)
        await eventually(lambda: ("remove_participant", room, "bot-shows") in platform.media.calls)
        await publishes(platform, room, guest, api.TrackType.AUDIO, api.TrackSource.UNKNOWN)
        await eventually(lambda: ("remove_participant", room, guest) in platform.media.calls)
    assert ("remove_participant", room, "bot-silent") not in platform.media.calls


async def test_people_whose_notetaker_is_lost_are_written_down_by_another(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await meet_people(tenant)
    room = f"proj_{made['meetingId']}"
    async with a_bot(platform.url) as ada, worker(platform) as fake:
        joined = await ada.join(made, "Ada")
        token = jwt.decode(joined["livekit"]["token"], options={"verify_signature": False})
        ticket = json.loads(token["roomConfig"]["agents"][0]["metadata"])["ticket"]
        await tell(platform, "participant_joined", room)
        job = PersonaJob.model_validate((await fake.exchange(ticket, room=room))["job"])
        await fake.report(job, 1, type="call.started.v1")
        await fake.report(job, 2, **LINE, text="Before.")

    await eventually(partial(is_connected, platform, wanted=False))
    leases, clock = lease_watch(platform)
    assert await watch_for(leases, clock, 6) == 1
    async with platform.database.platform() as db:
        assert (await db.exec(select(Job.kind).where(col(Job.kind) == "room.close"))).all() == []
    session = f"/sessions/{job.session_id}"
    assert (await tenant.http.get(f"{session}/detail")).json()["session"]["status"] == "active"

    await long_ago(platform)
    assert await dispatch_again(platform) == 0, "there is no worker"
    async with worker(platform) as other:
        await eventually(partial(is_connected, platform))
        assert await dispatch_again(platform) == 1
        assert await dispatch_again(platform) == 0
        metadata = json.loads(next(call[2] for call in platform.media.calls if call[0] == "dispatch"))
        next_job = PersonaJob.model_validate(
            (await other.exchange(metadata["ticket"], room=room, job_id="AJ_2"))["job"]
        )
        assert (next_job.only_writes, next_job.session_id, next_job.epoch) == (True, job.session_id, 2)
        await other.report(next_job, 1, type="call.started.v1")
        await other.report(next_job, 2, **LINE, text="After.")
        lines = (await tenant.http.get(f"{session}/transcript")).json()["transcripts"]
        assert [line["content"] for line in lines] == ["Before.", "After."]
        await tell(platform, "room_finished", room)
    ended = (await tenant.http.get(f"{session}/detail")).json()["session"]
    assert (ended["status"], ended["end_reason"]) == ("completed", "room_closed")
    async with platform.database.platform() as db:
        assert (await db.exec(select(Slot))).all() == []


@pytest.mark.parametrize("along_a_scenario", [False, True])
async def test_who_meets_before_there_is_a_worker_gets_their_notetaker_or_persona_later(
    platform: Platform, along_a_scenario: bool
) -> None:
    tenant = await platform.tenant()
    if along_a_scenario:
        room = (await make_meeting(tenant))["meeting"]["room_name"]
    else:
        room = f"proj_{(await meet_people(tenant))['meetingId']}"
    await tell(platform, "participant_joined", room)
    await long_ago(platform)
    assert await dispatch_again(platform) == 0, "there is no worker"
    async with worker(platform) as fake:
        await eventually(partial(is_connected, platform))
        assert await dispatch_again(platform) == 1
        assert await dispatch_again(platform) == 0, "it is on its way"
        (metadata,) = [json.loads(call[2]) for call in platform.media.calls if call[0] == "dispatch"]
        job = PersonaJob.model_validate((await fake.exchange(metadata["ticket"], room=room))["job"])
        assert job.only_writes is not along_a_scenario
        await long_ago(platform)
        assert await dispatch_again(platform) == 0, "it is there"


async def test_no_notetaker_comes_where_nobody_is_or_the_plan_is_full(platform: Platform) -> None:
    tenant = await platform.tenant(plan="free")
    rooms = [f"proj_{(await meet_people(tenant))['meetingId']}" for _ in range(4)]
    async with worker(platform):
        await eventually(partial(is_connected, platform))
        await tell(platform, "participant_joined", rooms[0], api.ParticipantInfo.EGRESS)
        await long_ago(platform)
        assert await dispatch_again(platform) == 0, "nobody is there"
        for room in rooms:
            await tell(platform, "participant_joined", room)
        await long_ago(platform)
        assert await dispatch_again(platform) == 3, "the plan has three sessions at once"


async def long_ago(platform: Platform) -> None:
    """Everybody came, and everything was dispatched, a minute ago."""
    past = Clock().now() - timedelta(seconds=60)
    async with platform.database.platform() as db:
        await db.exec(update(Slot).values(dispatched_at=past))
        await db.exec(update(Participant).values(joined_at=past))


async def is_connected(platform: Platform, *, wanted: bool = True) -> bool:
    async with platform.database.platform() as db:
        return (await db.exec(select(Worker.connected))).one_or_none() is wanted


async def dispatch_again(platform: Platform) -> int:
    tickets, held = StandingSigner(SECRET_KEY, "slot"), platform.settings.slot_lifetime
    return await redispatch(platform.database, platform.media, Clock(), tickets, slot_lifetime=held)


async def test_who_waits_is_seen_though_no_hook_told_of_them(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_meeting(tenant, enable_waiting_room=True)
    lobby, guest = claims(made)["video"]["room"], claims(made)["sub"]
    reconciler = Reconciler(platform.database, platform.media, Clock())
    is_running(platform, lobby, there(guest))
    await reconciler.reconcile()
    assert await waiting(tenant, made) == [guest]
    platform.media.rooms.clear()
    platform.media.people.clear()
    async with platform.database.platform() as db:
        await db.exec(update(Attendee).values(since=Clock().now() - timedelta(seconds=60)))
    await reconciler.reconcile()
    assert await waiting(tenant, made) == []


async def test_who_is_admitted_and_still_waits_is_told_again(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_meeting(tenant, enable_waiting_room=True)
    lobby, guest = claims(made)["video"]["room"], claims(made)["sub"]
    is_running(platform, lobby, there(guest))
    async with platform.jobs():
        await eventually(lambda: waits(tenant, made, guest))
        await tenant.http.post(f"/meetings/{made['meeting']['id']}/waiting/{guest}/admit")
        await eventually(lambda: [call[:2] for call in platform.media.calls].count(("send_data", lobby)) > 1)


async def test_whoever_was_sent_away_and_comes_unheard_is_sent_away_again(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await make_meeting(tenant, enable_waiting_room=True)
    lobby, guest = claims(made)["video"]["room"], claims(made)["sub"]
    async with platform.database.platform() as db:
        await db.exec(update(Attendee).values(state=AttendeeState.DENIED))
    is_running(platform, lobby, there(guest))
    async with platform.jobs():
        await eventually(lambda: ("close_room", lobby) in platform.media.calls)
