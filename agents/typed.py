"""Lines that people type. Each has its turn: a process that stood still for a while finds several, and answers them in
the order in which they were begun."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog
from livekit import rtc
from livekit.agents import AgentSession

from agents.calling import Redaction, Resumed
from agents.contract import AGAIN
from guard.plain import plain
from guard.redaction import build

TOPIC: Final = "lk.chat"
LONGEST: Final = 4000
"""Characters of a line that are read."""
MOST_WAITING: Final = 100
COMES_WITHIN: Final = 10.0
"""Seconds from the first word of a line to its last."""

log = structlog.get_logger()


class TypedLines:
    """Reads what is typed by the person whom a persona speaks with; `answer` is given each line.

    One that is typed again after a loss is answered unless it was `known` before, as it is on record: without personal
    data where there is a `redaction`; or was heard here.
    """

    def __init__(
        self,
        room: rtc.Room,
        session: AgentSession[None],
        answer: Callable[[str, rtc.RemoteParticipant], Awaitable[None]],
        known: Iterable[str] = (),
        redaction: Redaction | None = None,
    ) -> None:
        self.room, self.session, self.answer = room, session, answer
        self._begun: asyncio.Queue[tuple[rtc.TextStreamReader, str]] = asyncio.Queue(MOST_WAITING)
        self._known = deque(known, MOST_WAITING)
        self._redactor = build(redaction.names) if redaction is not None else None
        room.register_text_stream_handler(TOPIC, self._note)

    async def run(self) -> None:
        """Answer what was typed and is typed, until cancelled."""
        while True:
            reader, identity = await self._begun.get()
            try:
                async with asyncio.timeout(COMES_WITHIN):
                    text = await reader.read_all()
                is_again = AGAIN in (reader.info.attributes or {})
                await self._take(plain(text).strip()[:LONGEST], identity, is_again=is_again)
            except Exception:  # of a line that broke off; the next one is to be answered
                log.warning("typed line not read", exc_info=True)

    def _note(self, reader: rtc.TextStreamReader, identity: str) -> None:
        try:
            self._begun.put_nowait((reader, identity))
        except asyncio.QueueFull:
            log.warning("typed line dropped", waiting=MOST_WAITING)

    async def _take(self, text: str, identity: str, *, is_again: bool) -> None:
        heard, who = self.session.room_io.linked_participant, self.room.remote_participants.get(identity)
        if not text or who is None or (heard is not None and heard.identity != identity):
            return
        if is_again and self._is_known(text):
            return
        self._known.append(text)
        await self.answer(text, who)

    def _is_known(self, text: str) -> bool:
        on_record = text if self._redactor is None else self._redactor.redact(text)
        return text in self._known or on_record in self._known


def unanswered(resumed: Resumed | None) -> list[str]:
    """Lines of people that a lost persona has heard and not answered to the end: the next one does it."""
    found: list[str] = []
    for line in reversed(resumed.said if resumed else []):
        if line.by == "person":
            found.append(line.text)
        elif not line.cut_off:
            break
    return found
