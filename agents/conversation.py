"""One conversation: a session of the framework, what it tells, and how it ends."""

import asyncio
import time
from contextlib import suppress

import structlog
from livekit import rtc
from livekit.agents import AgentSession, TurnHandlingOptions, inference, llm
from livekit.agents.voice import events, room_io
from livekit.agents.voice.agent_session import SessionConnectOptions

from agents.contract import (
    CallEnded,
    CallReady,
    CallStarted,
    EndReason,
    LineInterim,
    LineSpoken,
    PersonaJob,
    timestamp_ms,
)
from agents.models import TRIES, Models
from agents.persona import Persona
from agents.phone import press, wait_for_answer
from agents.reporter import Reporter
from agents.timing import TurnMarks, moment
from agents.usage import UsageMeter

REJOIN_WITHIN = 10.0
"""Seconds a person whose connection was lost has to come back."""
GOODBYE_WITHIN = 8.0
"""Seconds a goodbye may take before the call ends anyway."""
FINISH_WITHIN = 6.0
"""Seconds what is being said may go on before the goodbye of a call that is to wind up; the platform waits for 20."""
APOLOGY_PAUSE = 5.0
"""At most one apology in this many seconds."""
APOLOGY = "I am sorry, something went wrong on my side. Could you say that again?"
GOODBYES: dict[EndReason, str] = {
    "max_duration": "We have reached the time limit of this call. Goodbye.",
    "silence": "I have not heard anything for a while, so I will hang up. Goodbye.",
}
GOODBYE = "I am sorry, I have to end our call here. Thank you for calling, and goodbye."
"""For every other reason: what a platform can afford is no matter of the caller's."""
LONGEST_TYPED = 4000
"""Characters of a typed line that are read."""
DETECTOR_SILENCE = 0.25
"""Seconds of silence the turn detector needs to have heard."""
OWN_ACT = {rtc.DisconnectReason.CLIENT_INITIATED, rtc.DisconnectReason.PARTICIPANT_REMOVED}
PEOPLE = {rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD, rtc.ParticipantKind.PARTICIPANT_KIND_SIP}

log = structlog.get_logger()


class Conversation:
    """Runs a persona in a room until somebody or something ends it; every line goes to the reporter."""

    def __init__(self, job: PersonaJob, room: rtc.Room, persona: Persona, models: Models, reporter: Reporter) -> None:
        self.job, self.room, self.persona, self.reporter = job, room, persona, reporter
        self.session = build_session(job, models)
        self._usage = UsageMeter(models.stt, models.llm, models.tts)
        self._winding_up = asyncio.Event()
        self._wind_up_reason: EndReason = "budget"
        self._ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self._failed = False
        self._began = time.time()
        self._user_began: float | None = None
        self._last_word = time.time()
        self._last_apology = 0.0
        self._leaving: asyncio.TimerHandle | None = None
        self._pressing: asyncio.Task[None] | None = None
        self._listen()

    async def run(self) -> None:
        """Greet, converse, end. Returns when the call is over and its last report is queued.

        On the phone it waits for an answer; what became of a call without one, whoever placed it says.
        """
        options = room_io.RoomOptions(
            close_on_disconnect=False,
            text_input=room_io.TextInputOptions(text_input_cb=self._on_text),
            audio_input=room_io.AudioInputOptions(frame_size_ms=20, auto_gain_control=False),
            # Text that waits for the voice costs a tenth of a core; captions may run ahead.
            text_output=room_io.TextOutputOptions(sync_transcription=False),
        )
        # `session_host` would answer any participant who asks for instructions and history.
        await self.session.start(self.persona, room=self.room, room_options=options, session_host=False, record=False)
        if self.job.phone is not None:
            self.reporter.report(CallReady(at=moment(time.time())))
            if not await wait_for_answer(self.room, self.job.phone):
                await self.session.aclose()
                self.reporter.report(CallEnded(at=moment(time.time()), reason="not_answered", duration_ms=0))
                return
        self._began = self._last_word = time.time()
        self.persona.may_speak.set()
        self.reporter.report(CallStarted(at=moment(time.time())))
        async with asyncio.TaskGroup() as tasks:
            limits = tasks.create_task(self._limits())
            reason = await self._ended
            limits.cancel()
        if self._pressing is not None:
            self._pressing.cancel()
        await self.session.aclose()
        self._count_usage()
        duration = max(0, round((time.time() - self._began) * 1000))
        log.info("call ended", session=self.job.session_id, reason=reason)
        self.reporter.report(
            CallEnded(at=moment(time.time()), reason=reason, failed=self._failed, duration_ms=duration)
        )

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

    def press(self, digits: str) -> None:
        """Press keys of a telephone, after those that are still being pressed."""
        self._pressing = asyncio.create_task(self._press_after(self._pressing, digits))

    async def _press_after(self, before: asyncio.Task[None] | None, digits: str) -> None:
        if before is not None:
            await asyncio.wait({before})
        await press(self.room, digits)

    def _listen(self) -> None:
        self.session.on("user_state_changed", self._on_user_state)
        self.session.on("agent_state_changed", self._on_agent_state)
        self.session.on("user_input_transcribed", self._on_transcribed)
        self.session.on("conversation_item_added", self._on_item)
        self.session.on("error", self._on_error)
        self.session.on("close", self._on_close)
        self.room.on("participant_disconnected", self._on_left)
        self.room.on("participant_connected", self._on_joined)
        self.room.on("disconnected", lambda _reason: self.end("room_closed"))
        self.reporter.on_end(self.end)
        self.reporter.on_wind_up(self.wind_up)
        self.reporter.on_press(self.press)

    def _on_user_state(self, event: events.UserStateChangedEvent) -> None:
        now = time.time()
        if event.new_state == "speaking":
            self._user_began = self._user_began or now
        elif event.old_state == "speaking":
            self._last_word = now

    def _on_agent_state(self, event: events.AgentStateChangedEvent) -> None:
        now = time.time()
        if event.new_state == "speaking" and self.persona.marks.committed is not None:
            self.reporter.report(self.persona.marks.measure(now))
            self.persona.marks = TurnMarks()
        elif event.old_state == "speaking":
            self._last_word = now
            self._count_usage()  # each turn, so that a budget acts in time

    def _on_transcribed(self, event: events.UserInputTranscribedEvent) -> None:
        text = event.transcript.strip()
        if not text:
            return
        at = event.created_at
        began = timestamp_ms(self.job.started_at, moment(self._user_began or at))
        speaker = self._speaker()
        if event.is_final:
            self.persona.marks.transcribed = at
            self.reporter.report(
                LineSpoken(at=moment(at), speaker="user", identity=speaker, text=text, timestamp_ms=began)
            )
            self._user_began = None
        else:
            self.reporter.report(
                LineInterim(
                    at=moment(at),
                    room_name=self.job.room_name,
                    speaker="user",
                    identity=speaker,
                    text=text,
                    timestamp_ms=began,
                )
            )

    async def _on_text(self, session: AgentSession[None], event: room_io.TextInputEvent) -> None:
        """Answer a typed line as a spoken one: it interrupts, is in the transcript, and is answered by voice."""
        text = event.text.strip()[:LONGEST_TYPED]
        if not text:
            return
        now = moment(time.time())
        self._last_word = time.time()
        self.reporter.report(
            LineSpoken(
                at=now,
                speaker="user",
                identity=self._speaker(),
                text=text,
                timestamp_ms=timestamp_ms(self.job.started_at, now),
            )
        )
        try:
            await session.interrupt()
            session.generate_reply(user_input=text)
        except RuntimeError:  # a goodbye is being said, or the call is over
            log.info("typed line not answered", session=self.job.session_id)

    def _on_item(self, event: events.ConversationItemAddedEvent) -> None:
        item = event.item
        if not isinstance(item, llm.ChatMessage):
            return
        metrics = item.metrics or {}
        if item.role == "user":
            self.persona.marks.speech_ended = metrics.get("stopped_speaking_at")
            self.persona.marks.committed = event.created_at
        elif item.role == "assistant" and item.text_content:
            started = metrics.get("started_speaking_at") or item.created_at
            self.reporter.report(
                LineSpoken(
                    at=moment(event.created_at),
                    speaker="agent",
                    identity=self.job.identity,
                    text=item.text_content.strip(),
                    timestamp_ms=timestamp_ms(self.job.started_at, moment(started)),
                    interrupted=item.interrupted,
                )
            )

    def _on_error(self, event: events.ErrorEvent) -> None:
        recoverable = getattr(event.error, "recoverable", False)
        log.warning("model failed", source=type(event.source).__name__, recoverable=recoverable)
        now = time.time()
        if not recoverable and now - self._last_apology > APOLOGY_PAUSE and not self._ended.done():
            self._last_apology = now
            self.session.say(APOLOGY)

    def _on_close(self, event: events.CloseEvent) -> None:
        broken = event.reason.value == "error"
        self.end("model_failed" if broken else "persona_ended", failed=broken)

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        if participant.kind not in PEOPLE or self._people():
            return
        if participant.disconnect_reason in OWN_ACT:
            self.end("caller_left")
        elif self._leaving is None:
            loop = asyncio.get_running_loop()
            self._leaving = loop.call_later(REJOIN_WITHIN, self.end, "caller_left")

    def _on_joined(self, participant: rtc.RemoteParticipant) -> None:
        if participant.kind in PEOPLE and self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _people(self) -> list[str]:
        return [person.identity for person in self.room.remote_participants.values() if person.kind in PEOPLE]

    def _speaker(self) -> str:
        linked = self.session.room_io.linked_participant
        return linked.identity if linked is not None else ""

    async def _limits(self) -> None:
        """End politely after the longest duration, or the longest silence."""
        deadline = self._began + self.job.max_call_duration
        while True:
            now = time.time()
            busy = self.session.user_state == "speaking" or self.session.agent_state in ("speaking", "thinking")
            quiet_until = (now if busy else self._last_word) + self.job.silence_timeout
            if now >= deadline:
                await self._goodbye("max_duration")
                return
            if now >= quiet_until:
                await self._goodbye("silence")
                return
            if await self._told_to_wind_up(within=max(0.05, min(deadline, quiet_until) - now)):
                await self._finish_speaking()
                await self._goodbye(self._wind_up_reason)
                return

    async def _told_to_wind_up(self, *, within: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._winding_up.wait()
        return self._winding_up.is_set()

    async def _finish_speaking(self) -> None:
        """Let both finish what they are saying, within reason."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FINISH_WITHIN):
                if (speech := self.session.current_speech) is not None:
                    await speech.wait_for_playout()
                while self.session.user_state == "speaking":  # noqa: ASYNC110 - a state of the framework, for seconds
                    await asyncio.sleep(0.05)

    async def _goodbye(self, reason: EndReason) -> None:
        try:
            async with asyncio.timeout(GOODBYE_WITHIN):
                await self.session.interrupt(force=True)
                await self.session.say(GOODBYES.get(reason, GOODBYE), allow_interruptions=False)
        except (TimeoutError, RuntimeError):
            log.warning("goodbye not heard", session=self.job.session_id)
        self.end(reason)

    def _count_usage(self) -> None:
        for counted in self._usage.read():
            self.reporter.report(counted)


def build_session(job: PersonaJob, models: Models) -> AgentSession[None]:
    """The framework's session with this persona's turn taking. Everything local: no detector in a cloud."""
    turns = job.turn_taking
    by_model = turns.detection == "model"
    vad_silence = max(turns.vad_min_silence, DETECTOR_SILENCE) if by_model else turns.vad_min_silence
    handling: TurnHandlingOptions = {
        "turn_detection": inference.TurnDetector(version="v1-mini") if by_model else "vad",
        "endpointing": {
            "mode": "fixed",
            "min_delay": turns.min_endpointing_delay,
            "max_delay": turns.max_endpointing_delay,
        },
        "interruption": {
            "enabled": turns.allow_interruptions,
            "mode": "vad",
            "min_duration": turns.interruption_min_duration,
            "resume_false_interruption": False,
        },
        "preemptive_generation": {"enabled": True, "preemptive_tts": True},
    }
    return AgentSession(
        stt=models.stt,
        llm=models.llm,
        tts=models.tts,
        vad=inference.VAD(min_silence_duration=vad_silence),
        turn_handling=handling,
        conn_options=SessionConnectOptions(
            stt_conn_options=TRIES, llm_conn_options=TRIES, tts_conn_options=TRIES, max_unrecoverable_errors=3
        ),
        aec_warmup_duration=None,
        user_away_timeout=None,
        session_close_transcript_timeout=0.3,
    )
