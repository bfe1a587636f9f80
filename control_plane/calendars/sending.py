"""Bots for events: planned with the event, moved with it, called off with it."""

import base64
import json
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlmodel import col, select

from control_plane.accounts.models import Project
from control_plane.bots.addresses import Unreachable, read_address
from control_plane.bots.asking import BotAsk, Order, patience
from control_plane.bots.models import OVER, Bot, BotState
from control_plane.bots.sending import BotSender, dismiss
from control_plane.calendars.models import CalendarEvent, CalendarSeries
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Conflict
from control_plane.secrets.box import SecretBox

FORMERLY: Final = "calendar_bot"
"""What the keys of all bots were sealed for when they were not yet sealed for their events."""
NEAR: Final = timedelta(minutes=1)
"""A bot that waits for its meeting to begin goes on waiting where the meeting begins this soon."""

Keys = dict[str, str]
"""`key`: the API key that scheduled a bot; `recogniser`: its recogniser's."""

log = structlog.get_logger()


class BotPlanner:
    """Keeps the bots of events where their events are, in a transaction of whoever reads or asks.

    A bot has its row from the moment it is planned; the one that keeps the clock of bots sends it.
    """

    def __init__(self, clock: Clock, box: SecretBox, public_url: str) -> None:
        self._clock, self._box, self._public_url = clock, box, public_url

    def sealed(self, holder: CalendarEvent | CalendarSeries, params: dict[str, Any], keys: Keys) -> dict[str, Any]:
        """A bot's parameters for one event or series, among them the API key that scheduled it and its recogniser's,
        which open there alone."""
        return params | {"sealed": base64.b64encode(self._box.seal(json.dumps(keys), row=sealed_for(holder))).decode()}

    def open(self, holder: CalendarEvent | CalendarSeries) -> Keys:
        """The keys of the bot of an event or series."""
        sealed = base64.b64decode((holder.bot or {})["sealed"])
        try:
            opened = self._box.open(sealed, row=sealed_for(holder))
        except ValueError:
            opened = self._box.open(sealed, row=FORMERLY)
        keys: Keys = json.loads(opened)
        return keys

    async def plan(self, db: Db, event: CalendarEvent, params: dict[str, Any], keys: Keys) -> None:
        """Have a bot go to an event. One that is there already stays; one that was planned goes as is asked now.

        Raises `Conflict` where the same key sends a bot to that meeting at that time already.
        """
        live = await self._live(db, event)
        event.bot = self.sealed(event, params, keys)
        db.add(event)
        if live is not None and live.state != BotState.SCHEDULED:
            return
        if live is not None:
            dismiss(live, self._clock)
            await db.flush()
        if event.meeting_url and event.ends_at > self._clock.now():
            await self._send(db, event, params, keys)

    async def follow(self, db: Db, event: CalendarEvent) -> None:
        """An event that has a bot may have another time or place: its bot goes there.

        A bot that is in the meeting already stays in it.
        """
        assert event.bot is not None
        live, now = await self._live(db, event), self._clock.now()
        goes_on = bool(event.meeting_url) and event.ends_at > now
        if live is not None and live.state in (BotState.ATTENDING, BotState.ENDING):
            return
        if live is not None and goes_on and live.meeting_url == event.meeting_url:
            if live.state != BotState.SCHEDULED and event.starts_at <= now + NEAR:
                return
            if live.state == BotState.SCHEDULED and live.session_id is None:
                live.due_at = live.wanted_at = max(event.starts_at, now)
                return
        if live is not None:
            dismiss(live, self._clock)
            await db.flush()
        if goes_on and (live is not None or event.starts_at > now):
            await self.plan_quietly(db, event, event.bot, self.open(event))

    async def plan_quietly(self, db: Db, event: CalendarEvent, params: dict[str, Any], keys: Keys) -> None:
        """The same as `plan` where nobody could be told of a conflict: then the event has no bot."""
        try:
            await self.plan(db, event, params, keys)
        except Conflict:
            log.info("no bot for this event: one goes there already", calendar_event=str(event.uuid))
            event.bot = None

    async def cancel(self, db: Db, event: CalendarEvent) -> None:
        """No bot goes to the event; nothing happens where none was planned. One that is there already stays."""
        live = await self._live(db, event)
        if live is not None and live.state in (BotState.SCHEDULED, BotState.JOINING, BotState.WAITING):
            dismiss(live, self._clock)
        event.bot = None
        db.add(event)

    async def _live(self, db: Db, event: CalendarEvent) -> Bot | None:
        query = select(Bot).where(
            Bot.project_id == event.project_id, Bot.event_uuid == event.uuid, col(Bot.state).not_in(OVER)
        )
        return (await db.exec(query.order_by(col(Bot.id).desc()).limit(1).with_for_update())).one_or_none()

    async def _send(self, db: Db, event: CalendarEvent, params: dict[str, Any], keys: Keys) -> None:
        slug = (await db.exec(select(Project.slug).where(Project.id == event.project_id))).one()
        sender = BotSender(db, self._clock, self._box, event.project_id, slug, self._public_url)
        await sender.send(
            Order(
                key_id=params["key_id"],
                key=keys["key"],
                recogniser_key=keys["recogniser"],
                meeting_url=event.meeting_url,
                bot_name=params["bot_name"],
                deduplication_key=params.get("deduplication_key") or str(event.uuid),
                webhook_url=params.get("webhook_url"),
                extra=self._extra(event, params.get("extra") or {}),
                event_uuid=event.uuid,
                due_at=max(event.starts_at, self._clock.now()),
                ask=ask_of(params),
            )
        )

    def _extra(self, event: CalendarEvent, extra: dict[str, Any]) -> dict[str, Any]:
        """What was given; with the telephone entry of the invitation where there is no other way in."""
        if event.dial_in is None or "dial_in" in extra:
            return extra
        reached = read_address(event.meeting_url, extra, self._public_url)
        return extra | {"dial_in": event.dial_in} if isinstance(reached, Unreachable) else extra


def sealed_for(holder: CalendarEvent | CalendarSeries) -> str:
    """The row that the keys of an event's or a series' bots are sealed for."""
    if isinstance(holder, CalendarEvent):
        return f"calendar_event:{holder.uuid}"
    return f"calendar_series:{holder.calendar_id}:{holder.series_id}"


def ask_of(params: dict[str, Any]) -> BotAsk:
    """What is asked of a bot, in the words of the bots' own operations."""
    same = (
        "bot_image",
        "streaming_input",
        "streaming_output",
        "streaming_audio_frequency",
        "transcription_custom_parameters",
        "zoom_sdk_id",
        "zoom_access_token_url",
        "zoom_obf_token_url",
        "zoom_obf_token_user_id",
    )
    return BotAsk(
        entry_message=params.get("enter_message"),
        recording_mode=params.get("recording_mode") or "speaker_view",
        recogniser=params.get("speech_to_text_provider"),
        waiting_room_timeout=patience(params.get("waiting_room_timeout")),
        noone_joined_timeout=patience(params.get("noone_joined_timeout")),
        silence_timeout=patience(params.get("silence_timeout")),
        **{name: params.get(name) for name in same},
    )
