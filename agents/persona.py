"""Who speaks: instructions, a greeting, and what the knowledge base says, put before the model in each turn."""

import hashlib
import re
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Any, Protocol

import structlog
from livekit import rtc
from livekit.agents import (
    NOT_GIVEN,
    Agent,
    APIError,
    FlushSentinel,
    ModelSettings,
    StopResponse,
    llm,
    stt,
    tts,
)
from livekit.agents.types import TimedString

from agents.calling import PersonaJob
from agents.contract import ChunkUsed
from agents.fillers import GIVEN_UP, Company, Quiet, SilenceError, fill, start_speech
from agents.passages import Fence, are_passages, seen
from agents.prepared import FILLERS, Sounds
from agents.retrieval import Retrieval
from agents.searching import RULE as SEARCH_RULE
from agents.sight import Sight
from agents.timing import TurnMarks
from agents.words import words_of
from knowledge.client import KnowledgeClient
from knowledge.search import RELEVANT, Hit

FEW_WORDS = 3
"""Of what is told to the owner as unanswered, at least; shorter is a greeting or a nod."""
FOLLOW_UP = re.compile(
    r"(and|but|or|so|then|what about|how about|what if)\b|.*\b(it|its|they|them|their|these|those)\b",
    re.IGNORECASE | re.DOTALL,
)
"""What is understood only with the question before it, as far as its words tell."""
FOLLOW_UP_WORDS = 10
"""A longer question says itself what it is about."""

THOUGHT = 30.0
"""Seconds that an answer may take after the last sentence that asks for patience, of a model that thinks or looks."""

HINTS = 5
"""The last ones are kept in mind."""
HINT = (
    "Hint: your supervisor, whom you alone hear, whispers the following, the last being the latest. Take it into your "
    "next words as if you had known it. Never read it aloud, and never mention that somebody whispers."
)

CUT_OFF = (
    "What you said last was cut off, and only its beginning was heard. Say briefly what was not heard of it, and do "
    "not apologise."
)
OPENING = "Greet whom you speak with and begin the conversation, in one or two short spoken sentences."

SIGHT_RULE = "A picture beside what somebody says is what they show at this moment, on their screen or by their camera."

log = structlog.get_logger()


class Persona(Agent):
    """One persona in one call. Retrieval is part of the model step: one model call a turn; its failure costs none."""

    def __init__(
        self,
        job: PersonaJob,
        knowledge: KnowledgeClient | None,
        tools: list[llm.Tool | llm.Toolset],
        sight: Sight | None = None,
        pictures: llm.LLM[Any] | None = None,
        sounds: Sounds | None = None,
    ) -> None:
        self._fence = Fence()
        rules = (
            (self._fence.rule, job.knowledge_capability),
            (SEARCH_RULE, job.powers.web_search),
            (SIGHT_RULE, sight),
        )
        self.quiet = Quiet()
        self.company = Company(self.quiet, self._ask_for_patience, self._is_heard)
        super().__init__(
            instructions="\n\n".join([job.instructions, *(rule for rule, holds in rules if holds)]),
            tools=[self.company.beside(tool) for tool in tools],
            chat_ctx=remembered(job),
        )
        self.job, self.sight, self.pictures = job, sight, pictures
        self.marks = TurnMarks()
        self.on_fault: Callable[[str], None] = _unheard
        """Told why knowledge could not be asked."""
        self.on_saying: Saying = _unshown
        """Told what it is about to say, longer each time."""
        self.on_silence: Callable[[], None] = _nothing
        """Told where nothing came of an answer."""
        self._sounds = sounds
        self.words: list[TimedString] = []
        """Of the last finished phrase, where recognition measures when each word was said."""
        self._retrieval = (
            Retrieval(knowledge, job.knowledge_capability) if knowledge and job.knowledge_capability else None
        )
        self._said: list[str] = []
        self.silent = False
        """Whether somebody else has the call: nothing is answered, and what is said is kept in mind."""
        self._hints: deque[str] = deque(maxlen=HINTS)
        self._hinted = False
        notice = job.notice if job.recorded and not job.announces else ""
        self._opening = " ".join(filter(None, (notice, job.greeting)))
        self._spoken: list[rtc.AudioFrame] | None = None

    async def prepare(self, voice: tts.TTS[Any]) -> None:
        """Have the greeting spoken before it is wanted; cancelled, or where that fails, it is spoken when it is."""
        if not self._opening or self.job.only_text:
            return
        try:
            async with voice.synthesize(self._opening) as stream:
                self._spoken = [spoken.frame async for spoken in stream]
        except APIError as error:
            log.warning("greeting not prepared", reason=type(error).__name__)

    def greet(self) -> None:
        """Say the greeting, or where there is none begin as the job wants it; a person may speak over it."""
        if self._opening:
            audio = NOT_GIVEN if self._spoken is None else _played(self._spoken)
            self.session.say(self._opening, audio=audio, allow_interruptions=True)
        if self.job.speaks_first and not self.job.greeting:
            self.session.generate_reply(instructions=OPENING)

    def resume(self) -> None:
        """Go on in the place of a persona that was lost, unless somebody else has the call: say so, and answer what it
        has left unanswered."""
        if self.silent:
            return
        if self._sounds is None:
            self.session.say(words_of(self.job.language).bridge, allow_interruptions=True)
        else:
            self._sounds.say(self.session, "bridge")
        said = self.job.resumed.said if self.job.resumed else []
        if said and said[-1].by == "person":
            self.session.generate_reply()
        elif said and said[-1].cut_off:
            self.session.generate_reply(instructions=CUT_OFF)

    def take_hint(self, text: str) -> None:
        """A supervisor whispers: the next answers follow it."""
        self._hints.append(text)
        self._hinted = True

    def learn(self, text: str) -> None:
        """Know from here on what was said by somebody else than those who speak with the persona."""
        self._chat_ctx.items.append(llm.ChatMessage(role="system", content=[text]))

    async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
        """Answer, unless somebody else has the call."""
        if self.silent:
            self._chat_ctx.items.append(new_message)
            self.turn_ended()
            self.marks = TurnMarks()
            raise StopResponse
        if self._hinted:  # after what was thought of while somebody spoke: another context has it thought of anew
            turn_ctx.add_message(role="system", content=f"{HINT}\n\n{self._hints[-1]}")

    def heard(self, text: str, *, is_final: bool) -> None:
        """Somebody is speaking: what they say is looked up before they have ended."""
        if self._retrieval is not None and not self.silent:
            said = " ".join([*self._said, text])
            self._retrieval.expect(with_context(said, _last_question(self.chat_ctx)[1]))
            if is_final:
                self._said.append(text)

    def turn_ended(self) -> None:
        """What is heard from here on belongs to another turn."""
        self._said.clear()

    async def on_exit(self) -> None:
        """Leave nothing under way."""
        if self._retrieval is not None:
            await self._retrieval.close()

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncIterator[stt.SpeechEvent]:
        """Listen; keep when each word was said, where that is told."""
        async for event in Agent.default.stt_node(self, audio, model_settings):
            if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT and event.alternatives:
                self.words = list(event.alternatives[0].words or ())
            yield event

    async def llm_node(
        self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncIterable[llm.ChatChunk | str | FlushSentinel]:
        """Put what is known about the question before the model. Called again for each preemptive try and tool step."""
        if self.silent:
            return
        self.quiet.turn()
        chat_ctx.items = [seen(item) for item in chat_ctx.items if not are_passages(item)]  # those of the step before
        place, question = _last_question(chat_ctx)
        picture = await self._look(question)
        if picture is not None:
            chat_ctx.items[place] = _with_picture(chat_ctx.items[place], picture)
        searched = with_context(question, _last_question(chat_ctx, before=place)[1])
        if question and self._retrieval is not None:
            hits = await self._look_up(self._retrieval, searched)
            if hits:  # before the question: what comes last is what a model answers
                chat_ctx.items.insert(place, self._fence.around(hits))
        self._hinted = False
        if self._hints:
            hints = "\n\n".join((HINT, *self._hints))
            chat_ctx.items.insert(place, llm.ChatMessage(role="system", content=[hints]))
        first = True
        if picture is None or self.pictures is None:
            answer: AsyncGenerator[llm.ChatChunk | str | FlushSentinel, None] = Agent.default.llm_node(
                self, chat_ctx, tools, model_settings
            )
        else:
            answer = _asked(self.pictures, chat_ctx, tools, model_settings)
        if self._fills_silence():
            answer = start_speech(answer, self.quiet, BEGIN)
        async with aclosing(answer):
            async for chunk in answer:
                if first and chunk is not BEGIN:
                    self.marks.first_token, first = time.time(), False
                yield chunk

    async def transcription_node(
        self, text: AsyncIterable[str | TimedString], model_settings: ModelSettings
    ) -> AsyncIterator[str | TimedString]:
        """Tell what is being said, and nothing of what only begins to speak; the framework asks for it as the voice
        begins."""
        said = ""
        async for piece in Agent.default.transcription_node(self, text, model_settings):
            if not said and not piece.strip():
                continue
            said += piece
            self.on_saying(said, is_whole=False)
            yield piece
        if said:
            self.on_saying(said, is_whole=True)

    async def tts_node(self, text: AsyncIterable[str], model_settings: ModelSettings) -> AsyncIterator[rtc.AudioFrame]:
        """Speak; note when the first frame was there. Where none comes, what was prepared is heard."""
        speech: AsyncGenerator[rtc.AudioFrame, None] = _noted(
            Agent.default.tts_node(self, text, model_settings), self._note_frame
        )
        if self._sounds is not None and self._fills_silence():
            slow = self.job.powers.deep_thinking or self.pictures is not None
            speech = fill(speech, self._sounds, self.quiet, given_up=THOUGHT if slow else GIVEN_UP)
        try:
            async with aclosing(speech):
                async for frame in speech:
                    yield frame
        except SilenceError:
            self.on_silence()
            raise

    async def _ask_for_patience(self, number: int) -> None:
        with suppress(RuntimeError):  # a goodbye is being said, or the call is over
            if self._sounds is not None and self._fills_silence():
                await self._sounds.say(self.session, FILLERS[number % len(FILLERS)], is_written=False)

    def _is_heard(self) -> bool:
        with suppress(RuntimeError):
            return self.session.agent_state == "speaking"
        return True  # the call is over

    def _note_frame(self) -> None:
        self.marks.first_frame = time.time()

    def _fills_silence(self) -> bool:
        return self._sounds is not None and self.session.output.audio is not None and not self.silent

    async def _look(self, question: str) -> str | None:
        """What the speaker shows, where there is a question and somebody to see it."""
        if self.sight is None or not question:
            return None
        speaker = self.session.room_io.linked_participant
        return await self.sight.look(speaker.identity if speaker else "")

    async def _look_up(self, retrieval: Retrieval, question: str) -> list[Hit]:
        found = await retrieval.look_up(question)
        hits = found.hits if found else []
        self.marks.retrieved = found.at if found else time.time()
        self.marks.chunks = [
            ChunkUsed(chunk_id=hit.chunk_id, score=hit.score, source=hit.source, version=_version(hit)) for hit in hits
        ]
        if found is None:
            self.on_fault("it did not answer in time")
        known = bool(hits) and hits[0].score >= RELEVANT
        is_told = found is not None and not known and len(question.split()) >= FEW_WORDS
        self.marks.unanswered = question if is_told else None
        return hits


def remembered(job: PersonaJob) -> llm.ChatContext:
    """What was said before this job began."""
    context = llm.ChatContext.empty()
    for line in job.resumed.said if job.resumed else []:
        context.add_message(role="assistant" if line.by == "persona" else "user", content=line.text)
    return context


class Saying(Protocol):
    """Hears what is being said."""

    def __call__(self, text: str, *, is_whole: bool) -> None: ...


BEGIN = " "
"""Begins to speak before there is a word: what is late is filled from then on."""


def _unheard(_reason: str) -> None:
    """Nobody listens yet."""


def _unshown(text: str, *, is_whole: bool) -> None:
    """Nobody looks yet."""


def _nothing() -> None:
    """Nobody listens yet."""


async def _noted(
    frames: AsyncGenerator[rtc.AudioFrame, None], first: Callable[[], None]
) -> AsyncGenerator[rtc.AudioFrame, None]:
    is_first = True
    async with aclosing(frames):
        async for frame in frames:
            if is_first:
                is_first = False
                first()
            yield frame


async def _played(frames: list[rtc.AudioFrame]) -> AsyncIterator[rtc.AudioFrame]:
    for frame in frames:
        yield frame


async def _asked(
    model: llm.LLM[Any], chat_ctx: llm.ChatContext, tools: list[llm.Tool], settings: ModelSettings
) -> AsyncGenerator[llm.ChatChunk | str | FlushSentinel, None]:
    asked = model.chat(chat_ctx=chat_ctx, tools=tools, tool_choice=settings.tool_choice)
    async with asked as stream:
        async for chunk in stream:
            yield chunk


def _with_picture(item: llm.ChatItem, picture: str) -> llm.ChatItem:
    """A copy of a message with a picture: the conversation itself keeps none."""
    assert item.type == "message"
    return item.model_copy(update={"content": [*item.content, llm.ImageContent(image=picture)]})


def with_context(question: str, before: str) -> str:
    """What is searched: the question, after the one before it where it does not say what it is about."""
    is_short = len(question.split()) <= FOLLOW_UP_WORDS
    return f"{before} {question}" if before and is_short and FOLLOW_UP.match(question.strip()) else question


def _version(hit: Hit) -> str:
    return hashlib.sha256(hit.content.encode()).hexdigest()[:12]


def _last_question(chat_ctx: llm.ChatContext, before: int | None = None) -> tuple[int, str]:
    """Where the last thing a person said stands, and its text; empty where nobody has spoken."""
    for place in range((len(chat_ctx.items) if before is None else before) - 1, -1, -1):
        item = chat_ctx.items[place]
        if item.type == "message" and item.role == "user" and not are_passages(item):
            return place, item.text_content or ""
    return 0, ""
