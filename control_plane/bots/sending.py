"""How a bot comes to be: its row, once per key, address and deduplication key within five minutes."""

import json
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlmodel import col, select

from control_plane.bots.addresses import read_address
from control_plane.bots.asking import Order
from control_plane.bots.models import Bot, BotError, BotState
from control_plane.bots.telling import BotTeller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import refuse_missing_uuid
from control_plane.errors import Conflict
from control_plane.secrets.box import SecretBox

BOTS: Final = "bots"
"""Live channel: a bot may be due, or is to leave."""
APART: Final = timedelta(minutes=5)
"""Bots of one key come to one meeting at least so far apart, unless their deduplication keys differ."""

_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended(:which, 0))")


class BotSender:
    """Sends bots of one project, in a transaction of whoever asks."""

    def __init__(self, db: Db, clock: Clock, box: SecretBox, project_id: int, slug: str, public_url: str) -> None:
        self.db, self.clock, self.box = db, clock, box
        self.project_id, self.slug, self.public_url = project_id, slug, public_url

    async def send(self, order: Order) -> Bot:
        """A new bot; what is no meeting's address has failed at once. Raises `Conflict` for one too many.

        After the commit somebody publishes on `BOTS`, so that a bot that is due need not wait for the clock.
        """
        await self._demand_apart(order)
        bot_id = uuid4()
        bot = Bot(
            uuid=bot_id,
            project_id=self.project_id,
            key_id=order.key_id,
            event_uuid=order.event_uuid,
            bot_name=order.bot_name,
            meeting_url=order.meeting_url,
            deduplication_key=order.deduplication_key,
            webhook_url=order.webhook_url,
            extra=order.extra,
            asked=order.ask.model_dump(),
            room_name=f"{self.slug}_bot-{bot_id}",
            due_at=order.due_at,
            wanted_at=order.due_at,
            created_at=self.clock.now(),
        )
        secrets = {"key": order.key, "recogniser": order.recogniser_key}
        bot.sealed_secrets = self.box.seal(json.dumps(secrets), row=bot.sealed_as)
        self.db.add(bot)
        await self.db.flush()
        if read_address(bot.meeting_url, bot.extra, self.public_url) is None:
            teller = BotTeller(self.db, self.clock, self.box)
            await teller.failed(bot, BotError.INVALID_URL, "the address is that of no meeting this server knows")
        return bot

    async def _demand_apart(self, order: Order) -> None:
        which = f"bot {order.key_id} {order.meeting_url} {order.deduplication_key or ''}"
        await self.db.execute(_ONE_AT_A_TIME, {"which": which})
        query = select(Bot.uuid).where(
            Bot.project_id == self.project_id,
            Bot.key_id == order.key_id,
            Bot.meeting_url == order.meeting_url,
            col(Bot.deduplication_key).is_not_distinct_from(order.deduplication_key),
            Bot.due_at - order.due_at > -APART,
            Bot.due_at - order.due_at < APART,
            Bot.state != BotState.CANCELLED,
        )
        if (await self.db.exec(query.limit(1))).first() is not None:
            raise Conflict(
                "A bot with this key goes to this meeting within five minutes already; "
                "send another deduplication_key for one more"
            )


async def lock_bot(db: Db, project_id: int, bot_id: UUID) -> Bot:
    """A project's bot, locked until the commit; `NotFound` or `Forbidden`."""
    query = select(Bot).where(Bot.project_id == project_id, Bot.uuid == bot_id).with_for_update()
    locked = await db.exec(query.execution_options(populate_existing=True))
    return locked.one_or_none() or await refuse_missing_uuid(db, "bot", bot_id, "bot")


async def find_bot(db: Db, project_id: int, bot_id: UUID) -> Bot:
    """A project's bot as it is; `NotFound` or `Forbidden`."""
    query = select(Bot).where(Bot.project_id == project_id, Bot.uuid == bot_id)
    return (await db.exec(query)).one_or_none() or await refuse_missing_uuid(db, "bot", bot_id, "bot")


def dismiss(bot: Bot, clock: Clock) -> None:
    """Have a locked bot leave; one that nobody took yet goes nowhere. Harmless for one that is over.

    After the commit somebody publishes on `BOTS`.
    """
    if bot.is_over or bot.state == BotState.ENDING:
        return
    bot.leave_at = bot.leave_at or clock.now()
    if bot.session_id is None:
        bot.state, bot.wanted_at, bot.ended_at = BotState.CANCELLED, None, clock.now()
        bot.sealed_secrets = None
