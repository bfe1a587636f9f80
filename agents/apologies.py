"""What a caller hears where the models of a call fail: never nothing.

a turn without an answer ──▶ apology ── another one before any answer ──▶ the call is lost: the platform hands it on,
speech without a word    ──▶ "I did not catch that", twice ── again ─────▶ or it ends with a sentence of its own
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from livekit.agents import AgentSession
from livekit.agents.voice import events

from agents.listening import Listener
from agents.prepared import Sounds

TURNS: Final = 2
"""Turns in a row that may go without an answer; the last of them loses the call."""
DEAF: Final = 3
"""Times in a row that somebody may speak without a word of it being recognised."""
LONG_ENOUGH: Final = 1.0
"""Seconds of speech that hold a word."""
WORDS_WITHIN: Final = 2.2
"""Seconds from the end of speech to its first word, after which it is as if there was none."""
NEXT_AFTER: Final = (1.2, 1.7)
"""The same, after which the next recogniser is asked, and the one after it, where there is one."""
SORRY_WITHIN: Final = 12.0
PAUSE: Final = 2.0
"""Seconds in which failures count as one: of the models of one turn, more than one may fail."""

log = structlog.get_logger()


class Apologies:
    """Watches one call. `lost` is called once, when apologies help no more."""

    def __init__(
        self,
        session: AgentSession[None],
        sounds: Sounds,
        *,
        may_speak: Callable[[], bool],
        lost: Callable[[], Awaitable[None]],
        unheard: Callable[[], None],
    ) -> None:
        self._session, self._sounds = session, sounds
        self._may_speak, self._lost, self._unheard = may_speak, lost, unheard
        self._unanswered = self._deaf = 0
        self._last = -PAUSE
        self._is_apology = False
        self._spoke_at: float | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._leaving: asyncio.Future[None] | None = None
        session.on("error", self._on_error)
        session.on("user_state_changed", Listener(self._on_user))
        session.on("user_input_transcribed", Listener(self._on_words))
        session.on("conversation_item_added", Listener(self._on_item))

    async def close(self) -> None:
        """Watch no longer."""
        if self._leaving is not None:
            self._leaving.cancel()
            await asyncio.gather(self._leaving, return_exceptions=True)
        self._stop_waiting()
        self._session.off("error", self._on_error)
        self._session.off("user_state_changed", self._on_user)
        self._session.off("user_input_transcribed", self._on_words)
        self._session.off("conversation_item_added", self._on_item)

    def failed(self) -> None:
        """A turn could not be answered."""
        now = asyncio.get_running_loop().time()
        if now - self._last < PAUSE or not self._may_speak():
            return
        self._last = now
        self._unanswered += 1
        if self._unanswered >= TURNS:
            self._give_up()
        else:
            self._say("apology")

    def _on_error(self, event: events.ErrorEvent) -> None:
        if not getattr(event.error, "recoverable", False):
            self.failed()

    def _on_item(self, event: events.ConversationItemAddedEvent) -> None:
        item = event.item
        is_answer = item.type == "message" and item.role == "assistant" and bool((item.text_content or "").strip())
        if is_answer and not self._is_apology:
            self._unanswered = 0
        self._is_apology = self._is_apology and not is_answer

    def _on_user(self, event: events.UserStateChangedEvent) -> None:
        loop = asyncio.get_running_loop()
        if event.new_state == "speaking":
            self._stop_waiting()
            self._spoke_at = loop.time()
        elif event.old_state == "speaking" and self._spoke_at is not None:
            if loop.time() - self._spoke_at >= LONG_ENOUGH:
                self._timers = [
                    *(loop.call_later(seconds, self._unheard) for seconds in NEXT_AFTER),
                    loop.call_later(WORDS_WITHIN, self._say_unheard),
                ]
            self._spoke_at = None

    def _on_words(self, event: events.UserInputTranscribedEvent) -> None:
        if event.transcript.strip():
            self._deaf, self._spoke_at = 0, None
            self._stop_waiting()

    def _say_unheard(self) -> None:
        if not self._may_speak() or self._session.agent_state in ("speaking", "thinking"):
            return
        self._deaf += 1
        log.warning("nothing recognised of what was said", times=self._deaf)
        if self._deaf >= DEAF:
            self._give_up()
        else:
            self._say("unheard")

    def _say(self, name: Any) -> None:
        self._is_apology = True
        try:
            self._sounds.say(self._session, name)
        except RuntimeError:  # a goodbye is being said, or the call is over
            log.info("apology not said")

    def _give_up(self) -> None:
        if self._leaving is None:
            self._leaving = asyncio.ensure_future(self._lost())

    def _stop_waiting(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []


async def say_sorry(session: AgentSession[None], sounds: Sounds) -> None:
    """Have the caller told that nothing goes on, whatever is being said. Takes `SORRY_WITHIN` seconds at most."""
    try:
        async with asyncio.timeout(SORRY_WITHIN):
            await session.interrupt(force=True)
            await sounds.say(session, "sorry", allow_interruptions=False)
    except (TimeoutError, RuntimeError):  # the session is closing
        log.warning("goodbye not heard")
