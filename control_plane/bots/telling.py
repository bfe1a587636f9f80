"""What becomes known of a bot: an event of the log first, whose webhook is a projection."""

import json
from collections.abc import Sequence
from typing import Final

from sqlmodel import col, select

from control_plane.accounts.models import Account, Project
from control_plane.bots.models import Bot, BotError, BotState
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.secrets.box import SecretBox
from control_plane.webhooks.models import WebhookEndpoint
from control_plane.webhooks.signing import new_secret
from control_plane.webhooks.targets import headers_row, sealed_as

DIALECT: Final = "meeting_baas"
"""What the webhooks of bots are written in."""
KEY_HEADER: Final = "x-meeting-baas-api-key"
STEPS: Final = ("joining_call", "in_waiting_room", "in_call_not_recording", "in_call_recording", "call_ended")
"""Statuses, in the only order in which they are told; a bot may pass by some."""


class BotTeller:
    """Tells of bots whose rows are locked."""

    def __init__(self, db: Db, clock: Clock, box: SecretBox) -> None:
        self.db, self.clock, self.box = db, clock, box

    async def status(self, bot: Bot, code: str) -> None:
        """Tell a status, unless it or a later one was told."""
        if bot.told and STEPS.index(bot.told) >= STEPS.index(code):
            return
        bot.told = code
        await self._tell(bot, Fact.BOT_STATUS, status=code)

    async def failed(self, bot: Bot, error: BotError, message: str) -> None:
        """A bot has failed: the last that is told of it."""
        bot.state, bot.error, bot.error_message = BotState.FAILED, error, message
        bot.wanted_at, bot.ended_at = None, self.clock.now()
        await self._tell(bot, Fact.BOT_FAILED, error=error.value, message=message)

    async def completed(self, bot: Bot) -> None:
        """A bot has brought back what there is: the last that is told of it."""
        bot.state, bot.ended_at = BotState.COMPLETED, self.clock.now()
        await self._tell(bot, Fact.BOT_COMPLETED, recording_id=bot.recording_id)

    async def transcribed(self, bot: Bot) -> None:
        """The recording of a bot that is complete was written down again."""
        await self._tell(bot, Fact.BOT_TRANSCRIBED, error=bot.writing_error)

    async def _tell(self, bot: Bot, fact: Fact, **data: object) -> None:
        await self._find_endpoint(bot)
        EventLog(self.db, self.clock).append(
            fact,
            project_id=bot.project_id,
            room_name=bot.room_name,
            bot_id=str(bot.uuid),
            session_id=bot.session_id,
            **data,
        )

    async def _find_endpoint(self, bot: Bot) -> None:
        """The endpoint of a bot's webhooks: made with its first, for its own address, else for the account's."""
        if bot.endpoint_id is not None:
            return
        url = bot.webhook_url or await account_url(self.db, bot.project_id)
        if url:
            key = secrets_of(self.box, bot).get("key", "")
            bot.endpoint_id = await add_endpoint(self.db, self.box, bot.project_id, url, key, room_name=bot.room_name)


async def account_url(db: Db, project_id: int) -> str | None:
    """Where a project's account is told of bots that name no address."""
    query = select(Account.meeting_baas_webhook_url).join(Project, col(Project.account_id) == Account.id)
    return (await db.exec(query.where(Project.id == project_id))).one_or_none()


def secrets_of(box: SecretBox, bot: Bot) -> dict[str, str]:
    """The keys that a bot's row keeps, until its last webhook."""
    kept: dict[str, str] = json.loads(box.open(bot.sealed_secrets, row=bot.sealed_as)) if bot.sealed_secrets else {}
    return kept


async def add_endpoint(
    db: Db,
    box: SecretBox,
    project_id: int,
    url: str,
    key: str,
    *,
    room_name: str | None,
    letters: Sequence[str] = ("*",),
) -> int:
    """An endpoint that is told of one bot, or without a room of calendars, by the letters of these names; it is shown
    the key that sent the bot."""
    endpoint = WebhookEndpoint(
        project_id=project_id,
        url=url,
        dialect=DIALECT,
        room_name=room_name,
        events=list(letters),
        sealed_secret=b"",
    )
    db.add(endpoint)
    await db.flush()
    endpoint.sealed_secret = box.seal(new_secret(), row=sealed_as(endpoint.id))
    if key:
        endpoint.sealed_headers = box.seal(json.dumps({KEY_HEADER: key}), row=headers_row(endpoint.id))
    return endpoint.id
