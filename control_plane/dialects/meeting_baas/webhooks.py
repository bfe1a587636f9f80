"""The webhooks of bots and calendars, as the document shows them."""

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlmodel import col, select

from control_plane.bots.asking import BotAsk
from control_plane.bots.models import Bot
from control_plane.bots.reading import BotReader, Passage, speakers_of
from control_plane.clock import Clock, iso_ms
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.models import Event
from control_plane.recordings.links import LinkSigner
from control_plane.webhooks.dialects import Letter

NAMES: Final = {
    Fact.BOT_STATUS: "bot.status_change",
    Fact.BOT_COMPLETED: "complete",
    Fact.BOT_FAILED: "failed",
    Fact.BOT_TRANSCRIBED: "transcription_complete",
}


class BotLetters:
    """Writes them. The header with the key is the endpoint's own, so there is no signature of this dialect."""

    facts = frozenset(fact.value for fact in (*NAMES, Fact.CALENDAR_SYNCED))

    def __init__(self, links: LinkSigner, public_url: str, clock: Clock) -> None:
        self._links, self._public_url, self._clock = links, public_url, clock

    def headers(self, _body: bytes) -> dict[str, str]:
        """None besides those of every webhook."""
        return {}

    async def write(self, db: Db, events: Sequence[Event]) -> dict[int, Letter]:
        """Letters by the number of their event."""
        rooms = {event.room_name for event in events}
        bots = {bot.room_name: bot for bot in (await db.exec(select(Bot).where(col(Bot.room_name).in_(rooms)))).all()}
        letters = {}
        for event in events:
            if event.type == Fact.CALENDAR_SYNCED:
                letters[event.seq or 0] = _letter(event.type, event.data)
                continue
            bot = bots.get(event.room_name or "")
            if bot is None:
                continue
            name = NAMES[Fact(event.type)]
            letters[event.seq or 0] = _letter(name, {"bot_id": str(bot.uuid)} | await self._data(db, event, bot))
        return letters

    async def _data(self, db: Db, event: Event, bot: Bot) -> dict[str, Any]:
        if event.type == Fact.BOT_STATUS:
            return {"status": {"code": event.data["status"], "created_at": iso_ms(event.created_at)}}
        if event.type == Fact.BOT_TRANSCRIBED:
            return {}
        more: dict[str, Any] = {"extra": bot.extra} if bot.extra else {}
        if bot.event_uuid is not None:
            more["event_uuid"] = str(bot.event_uuid)
        if event.type == Fact.BOT_FAILED:
            return {"error": event.data["error"]} | more
        return await self._brought(db, bot) | more

    async def _brought(self, db: Db, bot: Bot) -> dict[str, Any]:
        reader, ask = BotReader(db, self._clock, self._links, self._public_url), BotAsk.of(bot)
        recording = await reader.recording_of(bot)
        passages = await reader.passages(bot, recording)
        link = reader.link_to(recording)
        brought: dict[str, Any] = {"mp4": link, "speakers": speakers_of(passages)}
        if ask.recording_mode == "audio_only":
            brought["audio"] = link
        if ask.recogniser is not None:
            brought["transcript"] = [show_passage(passage) for passage in passages]
        return brought


def _letter(name: str, data: dict[str, Any]) -> Letter:
    body = {"event": name, "data": data}
    return Letter(name, json.dumps(body, ensure_ascii=False, separators=(",", ":")))


def show_passage(passage: Passage) -> dict[str, Any]:
    """A passage in a webhook."""
    words = [{"start": word.start, "end": word.end, "word": word.text} for word in passage.words]
    return {"speaker": passage.speaker, "words": words}
