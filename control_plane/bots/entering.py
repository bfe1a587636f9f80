"""How a bot comes into a meeting: by the entrance of people, where it is one of this server."""

from datetime import timedelta
from typing import Final

from sqlmodel import select

from control_plane.bots.addresses import Here, Line, Unreachable, read_address
from control_plane.bots.dialling import dial, line_identity
from control_plane.bots.models import Bot
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.meetings.attending import CannotJoin, attend_as_bot
from control_plane.meetings.models import Attendee, AttendeeState, Meeting
from control_plane.meetings.passes import Passes
from control_plane.meetings.waiting import room_of
from control_plane.metering.budget import find_used_up
from control_plane.telephony.carriers import TrunkRules
from control_plane.tokens.signer import Pass

LIFETIME: Final = timedelta(hours=24)


class Entrance:
    """Signs the tokens with which bots enter; where they wait, the meeting's own comes to them there."""

    def __init__(self, passes: Passes, public_url: str, rules: TrunkRules) -> None:
        self.passes, self.public_url, self.rules = passes, public_url, rules

    async def enter(self, db: Db, clock: Clock, bot: Bot) -> tuple[str, bool, str]:
        """A locked bot's token, whether it opens a waiting room only, and the telephone line behind which the meeting
        is, if it is. Raises `CannotJoin`."""
        if await find_used_up(db, bot.project_id, [], at=clock.now()) is not None:
            raise CannotJoin("BUDGET", "this month's budget is used up")
        address = read_address(bot.meeting_url, bot.extra, self.public_url)
        match address:
            case Here(code):
                return await self._enter_here(db, clock, bot, code)
            case Line() as line:
                bot.meeting_room = bot.room_name
                await dial(db, clock, bot, line, self.rules)
                return self._own_room(bot), False, line_identity(bot)
            case Unreachable(reason):
                raise CannotJoin("UNREACHABLE", reason)
        raise CannotJoin("UNREACHABLE", "the address is that of no meeting")

    async def _enter_here(self, db: Db, clock: Clock, bot: Bot, code: str) -> tuple[str, bool, str]:
        meeting, attendee = await attend_as_bot(db, clock, code, bot.bot_name, bot.identity)
        bot.meeting_room, bot.attendee_id = meeting.room_name, attendee.id
        if attendee.state == AttendeeState.ADMITTED:
            persona = await self.passes.persona_of(db, meeting)
            return self.passes.admission(meeting, bot.identity, bot.bot_name, persona), False, ""
        return self.passes.waiting(room_of(attendee), bot.identity, bot.bot_name), True, ""

    def _own_room(self, bot: Bot) -> str:
        entry = Pass(identity=bot.identity, room=bot.room_name, ttl=LIFETIME, name=bot.bot_name)
        return self.passes.signer.sign(entry)


async def meeting_of(db: Db, bot: Bot) -> tuple[Meeting, Attendee] | None:
    """The meeting of this server in which a bot is, and who it is there; None where it is behind a line."""
    if bot.attendee_id is None:
        return None
    query = select(Meeting, Attendee).where(Attendee.id == bot.attendee_id, Meeting.id == Attendee.meeting_id)
    return (await db.exec(query)).one_or_none()
