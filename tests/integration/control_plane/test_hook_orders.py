"""LiveKit's hooks come in any order, twice, late or never: rows and events are the same in the end.

A story of some steps is told. Either hooks are late, doubled and lost as the dice say, also all of them, and the
reconciler looks after each step; or all come once at least, in whatever order, after everything. What lasted for no
pass and lost its hooks nobody can know.
"""

import os
from collections import Counter
from itertools import count

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from livekit import api
from sqlmodel import col, select

from control_plane.clock import Clock
from control_plane.events.models import Event
from control_plane.livekit_hooks.service import take
from control_plane.personas.models import Persona
from control_plane.recordings.models import Recording, ToldEgress
from control_plane.rooms.models import Participant, Room
from control_plane.sessions.models import Session
from control_plane.supervisor.reconciler import Reconciler
from control_plane.telephony.models import Call, SipConfig, SipTrunk
from tests.support.database import Clone
from tests.support.hooks import FILE, Dice, World
from tests.support.platform import Platform, Tenant
from tests.support.recordings import watch

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

EXAMPLES = int(os.environ.get("PARLEY_HOOK_ORDERS", "100"))
STEPS, LONGEST = 8, 14
CLEAR = "; ".join(
    f"delete from {table}"
    for table in ("participant", "room", "event", "call", "recording", "egress", "livekit_hook", "session", "job")
)
_numbers = count()

Slots = list[list[api.WebhookEvent]]


def tell(world: World, step: int, before: int, slots: Slots, dice: Dice, *, lost: bool) -> None:
    """Put the hooks of a step where they come: at once, later, twice, never."""
    for hook in world.hooks[before:]:
        fate = dice.roll(8)
        if lost or fate == 4:
            continue
        when = [step]
        if fate in (5, 6, 7):
            later = min(step + 1 + dice.roll(4), STEPS)
            when = [later] if fate == 6 else [step, later] if fate == 5 else [later, later]
        for slot in when:
            slots[slot].insert(dice.roll(len(slots[slot]) + 1) if fate else len(slots[slot]), hook)


class Stage:
    """The platform, and the story that is told to it."""

    def __init__(self, platform: Platform, clone: Clone, trunk: str, project_id: int) -> None:
        self.platform, self.clone, self.project_id = platform, clone, project_id
        self.clock = Clock()
        platform.media.rooms.clear()
        platform.media.people.clear()
        platform.recorder.egresses.clear()
        self.world = World(platform.media, platform.recorder, trunk, next(_numbers))
        self.reconciler = Reconciler(platform.database, platform.media, self.clock)

    async def prepare(self) -> None:
        """A recording that is ordered, and a conversation that goes on in the first room."""
        now = self.clock.now()
        recording = Recording(
            project_id=self.project_id, room_name="proj_r0", storage_key=f"1/{FILE}", started_at=now, ordered_at=now
        )
        session = Session(project_id=self.project_id, room_name="proj_r0", started_at=now, announced_at=now)
        await self.platform.add(recording, session)

    async def hear(self, hooks: list[api.WebhookEvent]) -> None:
        """Hooks come."""
        for hook in hooks:
            async with self.platform.database.platform() as db:
                await take(db, self.clock, hook)

    async def look(self) -> None:
        """A pass of the reconciler."""
        await self.reconciler.reconcile()
        if self.world.egress is not None:
            await watch(self.platform).compare()

    async def check(self) -> None:
        """Everything is known as it was, and was told once."""
        world = self.world
        async with self.platform.database.platform() as db:
            rooms = {room.id: room for room in (await db.exec(select(Room))).all()}
            stays = (await db.exec(select(Participant))).all()
            calls = (await db.exec(select(Call))).all()
            recording = (await db.exec(select(Recording))).one()
            egresses = (await db.exec(select(ToldEgress))).all()
            session = (await db.exec(select(Session))).one()
            events = (await db.exec(select(Event).order_by(col(Event.id)))).all()
        assert {room.sid: (room.full_name, room.status, room.started_at is not None) for room in rooms.values()} == {
            sid: (row["name"], row["status"], row["started"]) for sid, row in world.rooms.items()
        }
        shown = {
            stay.sid: {
                "room": rooms[stay.room_id].sid,
                "who": (stay.identity, stay.name, stay.kind),
                "tracks": {track["sid"] for track in stay.tracks},
                "past": set(stay.past_tracks),
                "left": stay.left_at is not None,
            }
            for stay in stays
        }
        assert shown == world.stays
        assert len(stays) == len(shown)
        assert [call.status for call in calls] == ([world.call] if world.call else [])
        if world.egress is not None:
            over = world.egress.status == api.EgressStatus.EGRESS_COMPLETE
            assert (recording.egress_id, recording.ended_at is not None) == (world.egress.egress_id, over)
            assert [(egress.id, egress.ended_at is not None) for egress in egresses] == [(recording.egress_id, over)]
        closed = any(row["name"] == "proj_r0" and row["status"] == "closed" for row in world.rooms.values())
        if not world.reopened:
            assert session.status == ("completed" if closed else "active")
        assert Counter(fact for event in events if (fact := told(event))) == world.facts


def told(event: Event) -> tuple[str, ...] | None:
    """A fact as the world says it: without times, and without what only a hook can know."""
    fields = {
        "participant.joined": ("identity",),
        "participant.left": ("identity", "reason"),
        "track.published": ("identity", "track_sid"),
        "track.unpublished": ("identity", "track_sid"),
        "call.status": ("status",),
        "egress.ended": ("status",),
    }
    if event.type in ("session.ended", "session.failed"):
        return None
    return (event.type, event.room_name or "", *(event.data[name] for name in fields.get(event.type, ())))


@pytest.fixture
async def trunk(platform: Platform, tenant: Tenant) -> str:
    """A number of ours that is answered: LiveKit's id of its line."""
    owner, number = tenant.project.id, "+18001234567"
    persona = Persona(project_id=owner, name="Ada")
    await platform.add(persona)
    config = SipConfig(project_id=owner, name="Inbound", phone_number=number, agent_config_id=persona.id)
    await platform.add(SipTrunk(project_id=owner, name="Line", phone_number=number, inbound_trunk_id="ST_in"), config)
    return "ST_in"


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    story=st.binary(max_size=4 * LONGEST),
    fates=st.binary(max_size=60),
    mode=st.sampled_from(["late", "after", "none", "after"]),
)
@example(story=b"", fates=b"", mode="late")
async def test_any_order_of_hooks_comes_to_the_same(
    platform: Platform, tenant: Tenant, clone: Clone, trunk: str, story: bytes, fates: bytes, mode: str
) -> None:
    async with await psycopg.AsyncConnection.connect(clone.owner, autocommit=True) as owner:
        await owner.execute(CLEAR)
    stage = Stage(platform, clone, trunk, tenant.project.id)
    await stage.prepare()
    happens, comes = Dice(story), Dice(fates)
    slots: Slots = [[] for _ in range(STEPS + 1)]
    steps = 4 + happens.roll(LONGEST - 3) if mode == "after" else 1 + happens.roll(STEPS)
    for step in range(steps):
        before = len(stage.world.hooks)
        stage.world.step(happens)
        if mode != "after":
            tell(stage.world, step, before, slots, comes, lost=mode == "none")
            await stage.hear(slots[step])
            await stage.look()
    if mode == "after":
        for hook in stage.world.hooks:
            for _ in range(1 + comes.roll(4) // 3):
                slots[0].insert(len(slots[0]) - comes.roll(len(slots[0]) + 1), hook)
        await stage.hear(slots[0])
    else:
        for slot in slots[steps:]:
            await stage.hear(slot)
    await stage.look()
    await stage.check()
