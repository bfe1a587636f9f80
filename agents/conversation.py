"""One conversation: a session of the framework, what it tells, and how it ends."""

import asyncio
import math
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import structlog
from livekit import rtc
from livekit.agents.voice import events

from agents.acts import bounded, build_tools
from agents.announcing import Announcement
from agents.answering import listen_to
from agents.apologies import Apologies, say_sorry
from agents.arrival import COME_WITHIN, wait_for_answer, wait_for_person
from agents.calling import PersonaJob, Voicemail
from agents.contract import CallEnded, CallReady, CallStarted, Command, EndReason, PhoneAnswered
from agents.departure import Departure
from agents.handover import Handover
from agents.happenings import Happenings
from agents.listening import Listener
from agents.models import Models
from agents.persona import Persona
from agents.phone import Keypad
from agents.prepared import Sounds
from agents.reporter import Reporter
from agents.settings import WorkerSettings
from agents.sight import Sight
from agents.supervision import Supervision
from agents.timing import TurnMarks, moment
from agents.transcript import KEYS_ENTERED, Transcript
from agents.turns import begin, build_session, room_options
from agents.typed import TypedLines, unanswered
from agents.usage import UsageMeter
from agents.words import words_of
from guard.plain import plain
from knowledge.client import KnowledgeClient

GOODBYE_WITHIN, FINISH_WITHIN = 8.0, 6.0
"""Seconds for a goodbye until the call ends anyway, and for what is being said before that of a call that winds up; the
platform waits for 20."""
WARNED_BEFORE, WARNED_OF = 60.0, 120.0
"""Seconds before the longest duration at which its end is told, in calls that may be at least as long as the other."""
BEEP = 1.5
"""Seconds that a machine takes for its tone, once it has finished speaking."""
MESSAGE_WITHIN = 120.0
"""Seconds that a message on a machine may take."""

log = structlog.get_logger()


class Conversation:
    """Runs a persona in a room until somebody or something ends it; every line goes to the reporter."""

    def __init__(
        self,
        job: PersonaJob,
        room: rtc.Room,
        knowledge: KnowledgeClient | None,
        models: Models,
        reporter: Reporter,
        settings: WorkerSettings,
    ) -> None:
        self.job, self.room, self.models, self.reporter, self.settings = job, room, models, reporter, settings
        self._sight = Sight(room) if job.powers.live_vision or job.powers.gpt_vision else None
        tools = bounded([*build_tools(job.acts, self), *models.tools])
        self.sounds, self._words = Sounds.of_job(settings, job), words_of(job.language)
        self.persona = Persona(job, knowledge, tools, self._sight, models.pictures, self.sounds)
        self.session = build_session(job, models)
        self._keypad: Keypad | None = None
        self._doing: set[asyncio.Task[object]] = set()
        self._handing_over: asyncio.Task[None] | None = None
        self._usage = UsageMeter(*models.counted)
        self._winding_up = asyncio.Event()
        self._recording = Announcement(job, room, self.session, reporter)
        self._wind_up_reason: EndReason = "budget"
        self._ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self._failed = self._opened = False
        self._transcript = Transcript(job, self.session, self.persona, reporter, lambda: self.wind_up("persona_ended"))
        self._happenings = Happenings(self.session, self.persona, reporter)
        self._supervision = Supervision(
            job, room, self.session, self.persona, models, reporter, settings=settings, on_taken=self._taken
        )
        self._began = self._last_word = time.time()
        self._apologies = Apologies(
            self.session, self.sounds, may_speak=self._may_speak, lost=self._lost, unheard=models.stt.unheard
        )
        self.persona.on_silence = self._apologies.failed
        self._listen()

    async def run(self) -> None:
        """Wait for somebody, greet, converse, end. Returns when the call is over and its last report is queued.

        What became of a telephone call that was not answered, whoever placed it says.
        """
        typed = TypedLines(self.room, self.session, self._on_text, unanswered(self.job.resumed), self.job.redaction)
        await begin(self.session, self.persona, self.room, room_options(self.job, wide=self.models.stt.is_wide))
        self._supervision.look()
        if not await self._somebody_is_there():
            await self._close()
            reason: EndReason = "nobody_came" if self.job.phone is None else "not_answered"
            reason = self._ended.result() if self._failed else reason
            self.reporter.report(CallEnded(at=moment(), reason=reason, failed=self._failed, duration_ms=0))
            return
        await self._recording.until_recorded()
        if self.job.phone is not None:
            hears = self.job.hears_keys or self.job.opt_out_key
            self._keypad = Keypad(self.room, self.job.phone, self._on_keys if hears else None)
        self._last_word = time.time()
        self._began = self._last_word - (self.job.resumed.elapsed if self.job.resumed else 0.0)
        self.reporter.report(CallStarted(at=moment()))
        self._begin(typed.run())
        self.models.on_change(self.reporter.report)
        if not self.job.only_text:
            self._begin(self.sounds.make(self.models.tts))
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._open()), tasks.create_task(self._limits())]
            reason = await self._ended
            for task in running:
                task.cancel()
        await self._apologies.close()
        if self._keypad is not None:
            self._transcript.opts_out(self._keypad.close())
        await self._stop_handing_over()
        for doing in self._doing:
            doing.cancel()
        await self._close()
        self._count_usage()
        duration = max(0, round((time.time() - self._began) * 1000))
        log.info("call ended", session=self.job.session_id, reason=reason)
        last = CallEnded(at=moment(), reason=reason, failed=self._failed, duration_ms=duration)
        self.reporter.report(last)

    async def _close(self) -> None:
        await self._supervision.close()
        await self.session.aclose()
        if self._sight is not None:
            await self._sight.close()

    def end(self, reason: EndReason, *, failed: bool = False) -> None:
        """End the call; the first reason counts."""
        if not self._ended.done():
            self._failed = failed
            self._ended.set_result(reason)

    def wind_up(self, reason: EndReason) -> None:
        """End the call within a turn: finish what is being said, say goodbye. Saying it again changes nothing."""
        if not self._winding_up.is_set():
            self._wind_up_reason = reason
            self._winding_up.set()

    def _obey(self, command: Command) -> None:
        match command.action:
            case "end":
                self.end(command.reason, failed=command.reason == "worker_lost")
            case "wind_up":
                self.wind_up(command.reason)
            case "press":
                self.press(command.digits)
            case "hand_over":
                self.hand_over(command.to)
            case "recorded":
                if self._recording.hears() and self._may_speak():
                    self._begin(self._recording.tell())
            case "unrecorded":
                self._begin(self._recording.show(on=False))
            case "whisper":
                self._supervision.whisper(command)
            case "chat":
                self._begin(self._answer_line(plain(command.text), command.identity, command.name))

    def press(self, digits: str) -> bool:
        """Press keys of the telephone; False where there is none."""
        if self._keypad is not None:
            self._keypad.press(digits)
        return self._keypad is not None

    async def transfer(self, to: str) -> str | None:
        """Have the phone transferred; None where it was, else why not."""
        try:
            return await self.reporter.transfer(to) if self.job.phone else "this is no telephone call"
        except TimeoutError:
            return "nothing was heard of it"

    def hand_over(self, to: str) -> None:
        """Hand the caller over to a person, as the platform or the persona asks; one at a time."""
        if self.job.phone is not None and not self._is_handing_over() and not self._supervision.taken:
            self._handing_over = asyncio.create_task(self._hand_over(self.job.phone, to))

    def _is_handing_over(self) -> bool:
        return self._handing_over is not None and not self._handing_over.done()

    def _taken(self) -> None:
        if self._is_handing_over():
            self._begin(self._give_way())

    async def _give_way(self) -> None:
        """A supervisor has the call: nobody else is asked to take it."""
        await self._stop_handing_over()  # which has us heard by all
        self._supervision.enforce()

    async def _hand_over(self, caller: str, to: str) -> None:
        with suppress(RuntimeError):  # the session is closing
            await self.session.say(self._words.one_moment)
        handover = Handover(self.settings, self.room, self.session, caller, self.reporter, self._words)
        if await handover.run(to, self._transcript.about_caller()) is None:
            self.end("transferred")
        elif not self._ended.done():
            self.session.say(self._words.nobody_free)

    async def _stop_handing_over(self) -> None:
        if self._handing_over is not None:
            self._handing_over.cancel()
            await asyncio.gather(self._handing_over, return_exceptions=True)

    async def _somebody_is_there(self) -> bool:
        """Wait for somebody to come, or to answer the phone; the greeting is prepared meanwhile."""
        phone = self.job.phone
        coming = asyncio.create_task(wait_for_answer(self.room, phone) if phone else wait_for_person(self.room))
        await asyncio.sleep(0)  # most have come: they made the room
        if not coming.done():
            self.reporter.report(CallReady(at=moment()))
            preparing = asyncio.create_task(self.persona.prepare(self.models.tts))
            timeout = COME_WITHIN if phone is None else None
            either: list[asyncio.Future[Any]] = [coming, self._ended]
            await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            preparing.cancel()
            await asyncio.gather(preparing, return_exceptions=True)
        if coming.done():
            return coming.result()
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        return False

    async def _open(self) -> None:
        """Have the persona greet, leave a message on the machine that answered, or go on with what was begun."""
        if self.job.resumed is not None:
            await self._recording.before_the_first_word()
            self._opened = True
            self.persona.resume()
            return
        if self.job.phone is not None and self.job.voicemail is not None:
            by, takes_messages = await listen_to(self.session, self.job.phone)
            log.info("phone answered", session=self.job.session_id, by=by)
            self.reporter.report(PhoneAnswered(at=moment(), by=by))
            await self.session.interrupt(force=True)  # what would have answered "hello?": the greeting does
            if by == "machine":
                await self._leave_message(self.job.voicemail, takes_messages=takes_messages)
                return
        await self._recording.before_the_first_word()
        self._opened = True
        self.persona.greet()

    async def _leave_message(self, voicemail: Voicemail, *, takes_messages: bool) -> None:
        if voicemail.message and takes_messages:
            await asyncio.sleep(BEEP)
            with suppress(TimeoutError, RuntimeError):  # the machine hung up first
                async with asyncio.timeout(MESSAGE_WITHIN):
                    await self.session.say(voicemail.message, allow_interruptions=False)
        self.end("voicemail")

    def _on_keys(self, keys: str) -> None:
        """Answer keys that were pressed as a line that was typed, but for the one by which somebody opts out."""
        if not self._transcript.opts_out(keys) and self.job.hears_keys:
            self._begin(self._answer_line(KEYS_ENTERED.format(keys=" ".join(keys))))

    def _begin(self, doing: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(doing)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    def _listen(self) -> None:
        self.session.on("user_state_changed", Listener(self._on_user_state))
        self.session.on("agent_state_changed", Listener(self._on_agent_state))
        self.session.on("user_input_transcribed", Listener(self._transcript.transcribed))
        self.session.on("conversation_item_added", Listener(self._transcript.added))
        self.session.on("close", self._on_close)
        Departure(self.room, self.job.phone, self.end)
        self.reporter.on_command(self._obey)

    def _on_user_state(self, event: events.UserStateChangedEvent) -> None:
        now = time.time()
        if event.new_state == "speaking":
            self._transcript.user_began = self._transcript.user_began or now
        elif event.old_state == "speaking":
            self._last_word = self._transcript.user_ended = now

    def _on_agent_state(self, event: events.AgentStateChangedEvent) -> None:
        now = time.time()
        if event.new_state == "speaking" and self.persona.marks.committed is not None:
            self.reporter.report(self.persona.marks.measure(now))
            self.persona.marks = TurnMarks()
        elif event.old_state == "speaking":
            self._last_word = now
            self._count_usage()  # each turn, so that a budget acts in time

    async def _on_text(self, text: str, who: rtc.RemoteParticipant) -> None:
        """Answer a typed line as a spoken one: it interrupts, is in the transcript, and is answered as others are."""
        await self._answer_line(text, who.identity, who.name or who.identity, in_chat=True)

    async def _answer_line(self, text: str, identity: str = "", name: str = "", *, in_chat: bool = False) -> None:
        self._last_word = time.time()
        self._transcript.typed(text, identity, name, in_chat=in_chat)
        if self._is_handing_over() or self._supervision.taken:
            return  # whoever is asked to take the call, or has it, would hear the answer
        try:
            await self.session.interrupt()
            answer = self.session.generate_reply(user_input=text)
            self._transcript.chat_answer = answer if identity else None
        except RuntimeError:  # a goodbye is being said, or the call is over
            log.info("typed line not answered", session=self.job.session_id)

    def _may_speak(self) -> bool:
        return self._opened and not (self._supervision.taken or self._is_handing_over() or self._ended.done())

    async def _lost(self) -> None:
        """Nothing answers any more: somebody else takes the phone, or that is said without a model."""
        if not await self._fall_back():
            await say_sorry(self.session, self.sounds)
        self.end("model_failed", failed=True)

    async def _fall_back(self) -> bool:
        if self.job.fallback_number is None:
            return False
        async with self.persona.company.kept():
            return await self.transfer(self.job.fallback_number) is None

    def _on_close(self, event: events.CloseEvent) -> None:
        broken = event.reason.value == "error"
        self.end("model_failed" if broken else "persona_ended", failed=broken)

    async def _limits(self) -> None:
        """End politely after the longest duration, or the longest silence."""
        deadline = self._began + self.job.max_call_duration
        warn_at = deadline - WARNED_BEFORE if self.job.max_call_duration >= WARNED_OF else math.inf
        while True:
            now = time.time()
            speaking = self.session.user_state == "speaking" or self.session.agent_state in ("speaking", "thinking")
            busy = speaking or self._is_handing_over() or self._supervision.taken
            quiet_until = (now if busy else self._last_word) + self.job.silence_timeout
            if now >= deadline:
                await self._goodbye("max_duration")
                return
            if now >= warn_at:
                warn_at = math.inf
                if not self._supervision.taken:
                    self.session.say(self._words.warning)
            if now >= quiet_until:
                await self._goodbye("silence")
                return
            if await self._told_to_wind_up(within=max(0.05, min(deadline, quiet_until, warn_at) - now)):
                await self._finish_speaking()
                await self._goodbye(self._wind_up_reason)
                return

    async def _told_to_wind_up(self, *, within: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._winding_up.wait()
        return self._winding_up.is_set()

    async def _finish_speaking(self) -> None:
        """Let both finish what they are saying, within reason; whoever wants no calls is not kept."""
        with suppress(TimeoutError):
            async with asyncio.timeout(0 if self._transcript.wish else FINISH_WITHIN):
                if (speech := self.session.current_speech) is not None:
                    await speech.wait_for_playout()
                while self.session.user_state == "speaking":  # noqa: ASYNC110 - a state of the framework, for seconds
                    await asyncio.sleep(0.05)

    async def _goodbye(self, reason: EndReason) -> None:
        await self._stop_handing_over()
        self._supervision.release()
        try:
            async with asyncio.timeout(GOODBYE_WITHIN):
                await self.session.interrupt(force=True)
                said = self._words.goodbye_for(self._transcript.wish or reason)
                await self.session.say(said, allow_interruptions=False)
        except (TimeoutError, RuntimeError):
            log.warning("goodbye not heard", session=self.job.session_id)
        self.end(reason)

    def _count_usage(self) -> None:
        for counted in self._usage.read():
            self.reporter.report(counted)
