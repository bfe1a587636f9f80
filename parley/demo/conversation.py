"""The conversation: greeting, questions, checks. What happens is told to a listener as it happens."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from parley.client import Ready
from parley.demo.caller import MICROPHONE_RATE, Caller, CallFailed, Heard
from parley.demo.platform import Platform
from parley.demo.script import Question
from parley.demo.voice import Voice

TO_WORKER: Final = "to_worker_ms"
TO_CALLER: Final = "to_caller_ms"


@dataclass(frozen=True)
class Answered:
    """One question and what came back: as the recogniser heard it, and as the transcript has it."""

    question: Question
    heard: str
    right: bool
    latency_s: float
    parts: dict[str, float] = field(default_factory=dict)
    passages: int | None = None
    written: str = ""


@dataclass
class Outcome:
    """The whole conversation."""

    greeting: str = ""
    turns: list[Answered] = field(default_factory=list)
    failure: str | None = None

    @property
    def succeeded(self) -> bool:
        """Everything was answered, and every answer was right."""
        return self.failure is None and bool(self.turns) and all(turn.right for turn in self.turns)


class Listener(Protocol):
    """Who watches the conversation."""

    def calling(self, room: str) -> None:
        """The caller is about to join."""

    def greeted(self, text: str, seconds: float) -> None:
        """The persona spoke first."""

    def asking(self, question: Question) -> None:
        """The caller begins to speak."""

    def answered(self, turn: Answered) -> None:
        """The answer is over and was checked."""

    def failed(self, reason: str) -> None:
        """The conversation ended early."""


async def converse(ready: Ready, questions: Sequence[Question], listener: Listener) -> Outcome:
    """Call the persona and ask the questions."""
    outcome = Outcome()
    voice = Voice(MICROPHONE_RATE)
    try:
        await voice.warm()
        for question in questions:
            await voice.phrase(question.ask)
        async with Platform(ready) as platform:
            room = f"demo-{uuid.uuid4().hex[:8]}"
            listener.calling(room)
            token = await platform.token(identity=f"caller-{room}", room=room, agent_id=ready.agent_id)
            async with Caller(token.wsUrl, token.token, voice) as caller:
                greeting = await caller.hear_greeting()
                outcome.greeting = await voice.recognise(greeting.samples)
                session_id = await platform.session_of(token.room)
                written = "" if session_id is None else await platform.last_words(session_id)
                listener.greeted(written or outcome.greeting, greeting.latency_s)
                interview = _Interview(caller, voice, platform, session_id, listener)
                for question in questions:
                    outcome.turns.append(await interview.ask(question))
    except CallFailed as error:
        outcome.failure = str(error)
        listener.failed(outcome.failure)
    finally:
        voice.close()
    return outcome


class _Interview:
    """Asks, checks and measures, one question after the other."""

    def __init__(
        self, caller: Caller, voice: Voice, platform: Platform, session_id: int | None, listener: Listener
    ) -> None:
        self._caller, self._voice, self._platform = caller, voice, platform
        self._session_id, self._listener = session_id, listener
        self._sequence = -1

    async def ask(self, question: Question) -> Answered:
        """Ask once: a wrong answer is a wrong answer."""
        self._listener.asking(question)
        heard = await self._caller.ask(question.ask)
        text = await self._voice.recognise(heard.samples)
        parts, passages = await self._parts(heard)
        written = "" if self._session_id is None else await self._platform.last_words(self._session_id)
        turn = Answered(question, text, question.is_answered_by(text), heard.latency_s, parts, passages, written)
        self._listener.answered(turn)
        return turn

    async def _parts(self, heard: Heard) -> tuple[dict[str, float], int | None]:
        """What the worker measured of the turn, and the ways there and back, by this machine's one clock."""
        if self._session_id is None:
            return {}, None
        turn = await self._platform.turn_after(self._session_id, self._sequence, heard.speech_ended_at)
        if turn is None:
            return {}, None
        self._sequence = turn.sequence
        parts = {name: value for name, value in turn.parts.items() if value is not None}
        if turn.speech_ended_at is not None:
            parts[TO_WORKER] = (turn.speech_ended_at.timestamp() - heard.speech_ended_at) * 1000
        if turn.audio_started_at is not None:
            first_sound = heard.speech_ended_at + heard.latency_s
            parts[TO_CALLER] = (first_sound - turn.audio_started_at.timestamp()) * 1000
        return parts, len(turn.chunks)
