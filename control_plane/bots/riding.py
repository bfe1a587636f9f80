"""What comes into a meeting with a bot: its first line in the chat, and the persona that rides along."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlmodel import col, select

from agents.calling import DispatchMetadata
from agents.contract import AGENT_NAME
from control_plane.accounts.models import Project
from control_plane.bots.asking import BotAsk
from control_plane.bots.entering import meeting_of
from control_plane.bots.models import Bot, BotState
from control_plane.clock import Clock, iso_ms
from control_plane.db.database import Db
from control_plane.errors import Conflict, PlatformError, Unavailable
from control_plane.events.facts import Fact
from control_plane.events.live import LiveBus
from control_plane.events.log import EventLog
from control_plane.events.models import Event
from control_plane.ids import fingerprint
from control_plane.meetings.announcing import MEETINGS, announcement
from control_plane.meetings.hosting import CHAT, Host
from control_plane.personas.serving import find_serving
from control_plane.sessions.ending import end_job, find_running
from control_plane.sessions.models import SessionJob, Slot
from control_plane.sessions.places import demand_place, make_place
from control_plane.sessions.repository import SessionRepository
from control_plane.sessions.slots import StandingSigner, dispatch_of, new_secret
from control_plane.wire import MAX_ID

GREET: Final = "bot.greet"
"""Job: a bot is in, so it does what it was asked to do then. Payload: bot_id."""
SAID: Final = "chat:message"

log = structlog.get_logger()


def rider_of(extra: dict[str, object]) -> int | None:
    """The agent that is to ride along with a bot, by what is extra: `agent_id`; None where it names none."""
    given = extra.get("agent_id")
    return given if isinstance(given, int) and not isinstance(given, bool) and 0 < given <= MAX_ID else None


class BotGreeter:
    """Does the job `GREET`: what a bot was asked to do when it is in. What was done before is not done again."""

    def __init__(self, host: Host, live: LiveBus, slots: StandingSigner, *, slot_lifetime: timedelta) -> None:
        self.host, self.live, self.slots, self.slot_lifetime = host, live, slots, slot_lifetime

    async def handle(self, payload: dict[str, Any]) -> None:
        """Greet, unless the bot has left. Raises `Unavailable`: then the job comes again."""
        async with self.host.database.platform() as db:
            bot = await db.get(Bot, payload["bot_id"])
        if bot is not None and bot.state == BotState.ATTENDING:
            await self.greet(bot)

    async def greet(self, bot: Bot) -> None:
        """Bring the persona, and write the entry message; a meeting without a chat, or behind a line, has none."""
        rider, message = rider_of(bot.extra), BotAsk.of(bot).entry_message
        away = None
        if message:
            away = await self._attempt(bot, self._write(bot, message))
        if rider is not None:
            away = await self._attempt(bot, self._bring(bot, rider)) or away
        if away is not None:
            raise away

    async def _attempt(self, bot: Bot, duty: Awaitable[None]) -> Unavailable | None:
        try:
            await duty
        except Unavailable as error:
            return error
        except PlatformError as error:
            log.warning("bot is in, but did not do all", bot=str(bot.uuid), reason=error.message)
        return None

    async def _bring(self, bot: Bot, persona_id: int) -> None:
        room = bot.meeting_room or bot.room_name
        async with self.host.database.platform() as db:
            dispatch = await self._place(db, bot, persona_id, room)
        if dispatch is not None:
            await self.host.media.dispatch(room, agent_name=AGENT_NAME, metadata=dispatch.model_dump_json())

    async def _place(self, db: Db, bot: Bot, persona_id: int, room: str) -> DispatchMetadata | None:
        """The way in for a persona; None where it is there already, as that of the meeting itself or another's."""
        found = await meeting_of(db, bot)
        if found is not None and found[0].project_id != bot.project_id:  # a room has one conversation, which is theirs
            raise Conflict("an agent rides along into meetings of its own project only")
        if found is not None and found[0].persona_id == persona_id:
            return None
        active = await SessionRepository(db, bot.project_id).find_active(room)
        if active is not None and await _find_job(db, active[0], persona_id) is not None:
            return None
        serving = await find_serving(db, persona_id, project_id=bot.project_id)
        if serving is None or not serving.persona.is_active:
            raise Conflict("the agent that was to ride along is not in service")
        slot = await self._find_slot(db, bot, persona_id, room) or await self._make_slot(db, bot, persona_id, room)
        slot.dispatched_at = self.host.clock.now()
        slot.expires_at = slot.dispatched_at + self.slot_lifetime
        return dispatch_of(self.slots.sign(slot.id, persona_id), serving.persona.name)

    async def _find_slot(self, db: Db, bot: Bot, persona_id: int, room: str) -> Slot | None:
        """The place that was made before something was away, or this process ended."""
        query = select(Slot).where(
            Slot.project_id == bot.project_id,
            Slot.room_name == room,
            Slot.persona_ids == [persona_id],
            col(Slot.session_id).is_(None),
            col(Slot.caller_identity).is_(None),
        )
        return (await db.exec(query.with_for_update().limit(1))).first()

    async def _make_slot(self, db: Db, bot: Bot, persona_id: int, room: str) -> Slot:
        project = (await db.exec(select(Project).where(Project.id == bot.project_id))).one()
        await demand_place(db, self.host.clock, project, persona_id)
        return await make_place(
            db,
            self.host.clock,
            project,
            room_name=room,
            persona_id=persona_id,
            ticket_hash=fingerprint(new_secret()),
            variables={name: value for name, value in bot.extra.items() if isinstance(value, (str, int, float))},
        )

    async def _write(self, bot: Bot, text: str) -> None:
        async with self.host.database.platform() as db:
            found = await meeting_of(db, bot)
            has_written = await _has_written(db, bot)
        if found is None or has_written:
            return
        meeting, attendee = found
        await self.live.demand()  # what is written is not told later
        session_id = await self.host.keep_chat(meeting, attendee, text)
        line = {"participantId": attendee.identity, "name": attendee.name, "text": text}
        said = line | {"sentAt": iso_ms(self.host.clock.now())}
        await self.live.publish(MEETINGS, announcement(meeting.room_name, SAID, said, to="all"))
        if session_id is not None:
            told = {"session_id": session_id, "text": text, "identity": attendee.identity, "name": attendee.name}
            await self.live.publish(CHAT, told)


async def _has_written(db: Db, bot: Bot) -> bool:
    """Whether a bot's line is in the log: it writes one, and was told to go on by a job that is done again."""
    query = select(Event.id).where(
        Event.type == Fact.MEETING_CHAT,
        Event.project_id == bot.project_id,
        Event.room_name == bot.meeting_room,
        col(Event.data)["identity"].astext == bot.identity,
        col(Event.created_at) >= bot.joined_at,
    )
    return (await db.exec(query.limit(1))).first() is not None


async def _find_job(db: Db, session_id: int, persona_id: int) -> int | None:
    """The job by which a persona is in a conversation."""
    query = select(SessionJob.id).where(
        SessionJob.session_id == session_id, SessionJob.persona_id == persona_id, col(SessionJob.ended_at).is_(None)
    )
    return (await db.exec(query)).first()


async def take_along(db: Db, clock: Clock, bot: Bot) -> None:
    """The persona that rode along with a bot leaves with it; its worker hears of that with its next heartbeat."""
    rider = rider_of(bot.extra)
    found = await meeting_of(db, bot) if rider is not None else None
    if rider is None or found is None or found[0].persona_id == rider:
        return
    session = await SessionRepository(db, bot.project_id).lock_active(found[0].room_name)
    if session is None:
        return
    job_id = await _find_job(db, session.id, rider)
    running = await find_running(db, job_id, session) if job_id is not None else None
    if running is not None:
        await end_job(db, EventLog(db, clock), running, outcome="ok", reason="api", at=clock.now())
