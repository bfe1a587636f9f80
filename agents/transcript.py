"""What is said in a call, line by line, as the framework tells of it."""

import time
from collections.abc import Callable, Sequence
from typing import Literal, TypeGuard

from livekit.agents import AgentSession, llm
from livekit.agents.types import TimedString
from livekit.agents.utils import is_given
from livekit.agents.voice import SpeechHandle, events

from agents.attendance import Word
from agents.calling import PersonaJob
from agents.contract import LineInterim, LineSpoken, OptedOut, timestamp_ms
from agents.listening import Listener
from agents.optout import wants_no_calls
from agents.persona import Persona
from agents.reporter import Reporter
from agents.timing import moment
from agents.words import words_of

KEYS_ENTERED = "I pressed {keys} on my phone."
"""How keys of a telephone are told to the model, and written down."""
SHOWN_EVERY = 0.2
"""Seconds between two looks at a line that the persona is saying."""


class Transcript:
    """Reports lines; those that were recognised are also marked in the persona's turn."""

    def __init__(
        self,
        job: PersonaJob,
        session: AgentSession[None],
        persona: Persona,
        reporter: Reporter,
        opted_out: Callable[[], None] = lambda: None,
    ) -> None:
        self.job, self.session, self.persona, self.reporter = job, session, persona, reporter
        self._opted_out = opted_out
        self.wish: Literal["opted_out"] | None = None
        """What whoever was called wants: no more calls."""
        self._said_before = ""
        self.user_began: float | None = None
        """Since when somebody has been speaking, Unix seconds."""
        self.user_ended: float | None = None
        """When somebody last fell silent."""
        self.chat_answer: SpeechHandle | None = None
        """What answers the last line of a chat."""
        self._saying_since: float | None = None
        """When the persona began the line that it is saying, as long as it is shown and nothing is known of its end."""
        self._shown, self._shown_at = "", 0.0
        persona.on_saying = self.saying
        session.on("agent_state_changed", Listener(self._unsaid))

    def transcribed(self, event: events.UserInputTranscribedEvent) -> None:
        """Words of a person, finished or as they stand."""
        text = event.transcript.strip()
        if not text:
            return
        at = event.created_at
        began = timestamp_ms(self.job.started_at, moment(self.user_began or at))
        identity, name = self._speaker()
        self.persona.heard(text, is_final=event.is_final)
        if event.is_final:
            self.persona.marks.transcribed = at
            ended = timestamp_ms(self.job.started_at, moment(self.user_ended or at))
            self.reporter.report(
                LineSpoken(
                    at=moment(at),
                    speaker="user",
                    identity=identity,
                    name=name,
                    text=text,
                    timestamp_ms=began,
                    duration_ms=max(0, ended - began),
                    words=words_from(self.persona.words, began),
                )
            )
            self.user_began = self.user_ended = None
            self.persona.words = []
            if identity == self.job.phone:
                self._heed(text, at)
        else:
            self.reporter.report(
                LineInterim(
                    at=moment(at),
                    room_name=self.job.room_name,
                    speaker="user",
                    identity=identity,
                    name=name,
                    text=text,
                    timestamp_ms=began,
                )
            )

    def _heed(self, text: str, at: float) -> None:
        """Whoever asks not to be called again, in one line or across two, is not."""
        said, self._said_before = f"{self._said_before} {text}", text
        if self.job.called and (wants_no_calls(text) or wants_no_calls(said)):
            self._opt_out("words", at)

    def opts_out(self, keys: str) -> bool:
        """Whether keys that were pressed say that nobody wants to be called again; then nobody is."""
        meant = self.job.called and bool(keys) and set(keys) == {self.job.opt_out_key}
        if meant:
            self._opt_out("key", time.time())
        return meant

    def _opt_out(self, by: Literal["words", "key"], at: float) -> None:
        if self.wish is None:
            self.wish = "opted_out"
            self.reporter.report(OptedOut(at=moment(at), by=by))
            self._opted_out()

    def saying(self, text: str, *, is_whole: bool) -> None:
        """What the persona is about to say, as far as it is known. How much of it was heard, `added` tells."""
        now, text = time.time(), text.strip()
        is_known = self._saying_since is not None and text == self._shown
        if not text or is_known or (not is_whole and now - self._shown_at < SHOWN_EVERY):
            return
        self._shown, self._shown_at = text, now
        self._saying_since = self._saying_since or now
        self._show(text, self._saying_since)

    def _unsaid(self, event: events.AgentStateChangedEvent) -> None:
        """The persona listens: of what was shown and has not been written down, nothing was heard."""
        if event.new_state == "listening" and self._saying_since is not None:
            self._show("", self._saying_since)
            self._saying_since = None

    def _show(self, text: str, since: float) -> None:
        self.reporter.report(
            LineInterim(
                at=moment(),
                room_name=self.job.room_name,
                speaker="agent",
                identity=self.job.identity,
                name=self.job.persona_name,
                text=text,
                timestamp_ms=timestamp_ms(self.job.started_at, moment(since)),
            )
        )

    def typed(self, text: str, identity: str, name: str, *, in_chat: bool) -> None:
        """A line that somebody typed, or pressed; for the meeting's chat where that does not have it yet."""
        now = moment()
        if not identity:
            identity, name = self._speaker()
        self.reporter.report(
            LineSpoken(
                at=now,
                speaker="user",
                identity=identity,
                name=name,
                text=text,
                timestamp_ms=timestamp_ms(self.job.started_at, now),
                in_chat=in_chat,
            )
        )

    def added(self, event: events.ConversationItemAddedEvent) -> None:
        """A turn is over: of a person, or of the persona with what was heard of it."""
        item = event.item
        if not isinstance(item, llm.ChatMessage):
            return
        metrics = item.metrics or {}
        if item.role == "user":
            self.persona.marks.speech_ended = metrics.get("stopped_speaking_at")
            self.persona.marks.committed = event.created_at
            self.persona.turn_ended()
        elif item.role == "assistant" and item.text_content:
            self._saying_since = None
            started = metrics.get("started_speaking_at") or item.created_at
            stopped = metrics.get("stopped_speaking_at") or event.created_at
            in_chat = self.chat_answer is not None and not self.chat_answer.done()
            self.reporter.report(
                LineSpoken(
                    at=moment(event.created_at),
                    speaker="agent",
                    identity=self.job.identity,
                    name=self.job.persona_name,
                    text=item.text_content.strip(),
                    timestamp_ms=timestamp_ms(self.job.started_at, moment(started)),
                    duration_ms=max(0, round((stopped - started) * 1000)),
                    interrupted=item.interrupted,
                    in_chat=in_chat,
                )
            )

    def about_caller(self) -> str:
        """What somebody is told of the caller before they take the call."""
        said = (item.text_content or "" for item in reversed(self.session.history.items) if _is_said(item))
        words = next((text for text in said if not text.startswith(KEYS_ENTERED.partition("{")[0])), None)
        known = words_of(self.job.language)
        told = [known.introduction.format(name=self.job.persona_name)]
        if words:
            told.append(known.last_words.format(words=words))
        return " ".join(told)

    def _speaker(self) -> tuple[str, str]:
        """Identity and name of who is listened to."""
        linked = self.session.room_io.linked_participant
        return (linked.identity, linked.name) if linked is not None else ("", "")


def _is_said(item: llm.ChatItem) -> TypeGuard[llm.ChatMessage]:
    return item.type == "message" and item.role == "user"


def words_from(timed: Sequence[TimedString], began: int) -> list[Word]:
    """The words of a phrase that began so many milliseconds after the call; none where one of them lacks its time.

    Recognition counts from the start of its stream, which may have begun anew: words keep their distances, and the
    first begins with the phrase.
    """
    words: list[tuple[str, float, float]] = []
    for word in timed:
        if not is_given(word.start_time) or not is_given(word.end_time):
            return []
        if text := word.strip():
            words.append((text, word.start_time, word.end_time))
    zero = words[0][1] if words else 0.0

    def heard(at: float) -> int:
        return began + round(1000 * max(0.0, at - zero))

    return [Word(text=text, start_ms=heard(first), end_ms=heard(max(first, last))) for text, first, last in words]
