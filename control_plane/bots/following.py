"""Follows the log for what concerns bots: their sessions' ends, their recordings' ends, and what is written."""

from sqlmodel import select

from control_plane.bots.life import ended, recorded
from control_plane.bots.models import Bot, BotState
from control_plane.clock import Clock, iso_ms
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.models import Event
from control_plane.secrets.box import SecretBox

READER = "bots"
FOLLOWED = frozenset({Fact.SESSION_ENDED, Fact.RECORDING_STOPPED, Fact.MEETING_CHAT})
MOST_LINES = 2000
"""Of the chat, that one bot keeps."""
MOST_LETTERS = 200_000
"""Of all these lines. Each is written with those before it: who fills a chat must not hold up facts of others."""


class BotFollower:
    """Does what follows for bots of one fact."""

    def __init__(self, clock: Clock, box: SecretBox) -> None:
        self.clock, self.box = clock, box

    async def take(self, db: Db, event: Event) -> None:
        """To be called once for each fact of `FOLLOWED`."""
        match event.type:
            case Fact.SESSION_ENDED if event.data.get("session_id"):
                await ended(db, self.clock, self.box, event.data["session_id"])
            case Fact.RECORDING_STOPPED if event.data.get("recording_id"):
                await recorded(db, self.clock, self.box, event.data["recording_id"])
            case Fact.MEETING_CHAT if event.data.get("text"):
                await self._keep_line(db, event)

    async def _keep_line(self, db: Db, event: Event) -> None:
        here = select(Bot).where(Bot.meeting_room == event.room_name, Bot.state == BotState.ATTENDING)
        line = {name: event.data.get(name, "") for name in ("identity", "name", "text")}
        for bot in (await db.exec(here.with_for_update())).all():
            letters = sum(len(each["text"]) for each in bot.chat) + len(line["text"])
            if len(bot.chat) < MOST_LINES and letters <= MOST_LETTERS:
                bot.chat = [*bot.chat, line | {"at": iso_ms(event.created_at)}]
