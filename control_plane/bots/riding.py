"""What comes into a meeting with a bot: its first line in the chat, and the persona that rides along."""

from typing import Final

import structlog

from control_plane.bots.asking import BotAsk
from control_plane.bots.entering import meeting_of
from control_plane.bots.models import Bot
from control_plane.clock import iso_ms
from control_plane.errors import PlatformError
from control_plane.events.live import LiveBus
from control_plane.meetings.announcing import MEETINGS, announcement
from control_plane.meetings.hosting import CHAT, Host

SAID: Final = "chat:message"

log = structlog.get_logger()


class BotGreeter:
    """Does once what a bot was asked to do when it is in."""

    def __init__(self, host: Host, live: LiveBus) -> None:
        self.host, self.live = host, live

    async def greet(self, bot: Bot) -> None:
        """Write the entry message; a meeting without a chat, or behind a line, has none."""
        message = BotAsk.of(bot).entry_message
        if not message:
            return
        try:
            await self._write(bot, message)
        except PlatformError as error:
            log.info("bot writes nothing", bot=str(bot.uuid), reason=error.message)

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
