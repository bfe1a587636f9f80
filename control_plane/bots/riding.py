"""What comes into a meeting with a bot: its first line in the chat, and the persona that rides along."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Final

import structlog
from sqlmodel import col, select

from agents.calling import DispatchMetadata
from agents.contract import AGENT_NAME
from control_plane.accounts.models import Project
from control_plane.bots.asking import BotAsk
from control_plane.bots.entering import meeting_of
from control_plane.bots.models import Bot
from control_plane.clock import Clock, iso_ms
from control_plane.db.database import Db
from control_plane.errors import Conflict, PlatformError
from control_plane.events.live import LiveBus
from control_plane.events.log import EventLog
from control_plane.ids import fingerprint
from control_plane.meetings.announcing import MEETINGS, announcement
from control_plane.meetings.hosting import CHAT, Host
from control_plane.personas.serving import find_serving
from control_plane.sessions.ending import end_job, find_running
from control_plane.sessions.models import SessionJob
from control_plane.sessions.places import demand_place, make_place
from control_plane.sessions.repository import SessionRepository
from control_plane.sessions.slots import Ticket, dispatch_of, new_secret
from control_plane.wire import MAX_ID

SAID: Final = "chat:message"

log = structlog.get_logger()


def rider_of(extra: dict[str, object]) -> int | None:
    """The agent that is to ride along with a bot, by what is extra: `agent_id`; None where it names none."""
    given = extra.get("agent_id")
    return given if isinstance(given, int) and not isinstance(given, bool) and 0 < given <= MAX_ID else None


class BotGreeter:
    """Does once what a bot was asked to do when it is in."""

    def __init__(self, host: Host, live: LiveBus, *, slot_lifetime: timedelta) -> None:
        self.host, self.live, self.slot_lifetime = host, live, slot_lifetime

    async def greet(self, bot: Bot) -> None:
        """Bring the persona, and write the entry message; a meeting without a chat, or behind a line, has none."""
        rider, message = rider_of(bot.extra), BotAsk.of(bot).entry_message
        if rider is not None:
            await self._attempt(bot, self._bring(bot, rider))
        if message:
            await self._attempt(bot, self._write(bot, message))

    async def _attempt(self, bot: Bot, duty: Awaitable[None]) -> None:
        try:
            await duty
        except PlatformError as error:
            log.warning("bot is in, but did not do all", bot=str(bot.uuid), reason=error.message)

    async def _bring(self, bot: Bot, persona_id: int) -> None:
        room = bot.meeting_room or bot.room_name
        async with self.host.database.platform() as db:
            dispatch = await self._place(db, bot, persona_id, room)
        if dispatch is not None:
            await self.host.media.dispatch(room, agent_name=AGENT_NAME, metadata=dispatch.model_dump_json())

    async def _place(self, db: Db, bot: Bot, persona_id: int, room: str) -> DispatchMetadata | None:
        """The way in for a persona; None where it is there already, as that of the meeting itself."""
        found = await meeting_of(db, bot)
        if found is not None and found[0].project_id != bot.project_id:  # a room has one conversation, which is theirs
            raise Conflict("an agent rides along into meetings of its own project only")
        if found is not None and found[0].persona_id == persona_id:
            return None
        serving = await find_serving(db, persona_id, project_id=bot.project_id)
        if serving is None or not serving.persona.is_active:
            raise Conflict("the agent that was to ride along is not in service")
        project = (await db.exec(select(Project).where(Project.id == bot.project_id))).one()
        await demand_place(db, self.host.clock, project, persona_id)
        secret = new_secret()
        variables = {name: value for name, value in bot.extra.items() if isinstance(value, (str, int, float))}
        slot = await make_place(
            db,
            self.host.clock,
            project,
            room_name=room,
            persona_id=persona_id,
            ticket_hash=fingerprint(secret),
            variables=variables,
        )
        slot.expires_at = self.host.clock.now() + self.slot_lifetime
        return dispatch_of(Ticket(secret, persona_id), serving.persona.name)

    async def _write(self, bot: Bot, text: str) -> None:
        async with self.host.database.platform() as db:
            found = await meeting_of(db, bot)
        if found is None:
            return
        meeting, attendee = found
        session_id = await self.host.keep_chat(meeting, attendee, text)
        line = {"participantId": attendee.identity, "name": attendee.name, "text": text}
        said = line | {"sentAt": iso_ms(self.host.clock.now())}
        await self.live.publish(MEETINGS, announcement(meeting.room_name, SAID, said, to="all"))
        if session_id is not None:
            told = {"session_id": session_id, "text": text, "identity": attendee.identity, "name": attendee.name}
            await self.live.publish(CHAT, told)


async def take_along(db: Db, clock: Clock, bot: Bot) -> None:
    """The persona that rode along with a bot leaves with it; its worker hears of that with its next heartbeat."""
    rider = rider_of(bot.extra)
    found = await meeting_of(db, bot) if rider is not None else None
    if rider is None or found is None or found[0].persona_id == rider:
        return
    session = await SessionRepository(db, bot.project_id).lock_active(found[0].room_name)
    if session is None:
        return
    query = select(SessionJob.id).where(
        SessionJob.session_id == session.id, SessionJob.persona_id == rider, col(SessionJob.ended_at).is_(None)
    )
    job_id = (await db.exec(query)).first()
    running = await find_running(db, job_id, session) if job_id is not None else None
    if running is not None:
        await end_job(db, EventLog(db, clock), running, outcome="ok", reason="api", at=clock.now())
