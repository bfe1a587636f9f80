"""Sessions that `bench.turn` measures: the framework's own and ours, with fixed models and somebody who asks."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from livekit import rtc
from livekit.agents import Agent, AgentSession, inference, stt
from livekit.agents.types import NOT_GIVEN
from livekit.agents.voice import io

from agents.breaker import Breakers
from agents.prepared import Sounds
from agents.speech import SpeechFinder
from tests.support.memory_room import MemoryRoom
from tests.support.scripted import Room, ScriptedLLM, ScriptedTTS
from tests.support.virtual_calls import ONLY_TEXT, chained, virtual_job, whole_call

FRAME: Final = 0.02
HEARS, FIRST, BETWEEN, VOICE = 0.2, 0.3, 0.03, 0.1
"""Seconds to recognise, to the first word, to each further one, and to the first sound of a sentence."""
QUESTION, ANSWER = "When are you open?", "Yes, we are open until five."
QUESTION_SECONDS: Final = 0.9
OVER_IT: Final = 0.5
"""Seconds of an answer that are heard before somebody speaks over it."""
PAUSE: Final = 0.4
ANSWERED_WITHIN: Final = 20.0
SILENCE: Final = 0.25
ENOUGH: Final = 0.05
"""Seconds of speech that interrupt."""
TURN_TAKING: Final = {"detection": "vad", "vad_min_silence": SILENCE, "interruption_min_duration": ENOUGH}
MAIN_PROCESS: Final = """
import json, sys
for line in sys.stdin.buffer:
    sequence = json.loads(line).get("report", {}).get("sequence")
    if sequence:
        sys.stdout.buffer.write(b'{"kept": %d}\\n' % sequence)
        sys.stdout.buffer.flush()
"""
"""Takes reports as the worker's main process does, in a process of its own."""


class Recogniser(stt.STT[Any]):
    """Is told when somebody speaks, and has the words when recognition takes its time."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.name = "stt"
        self._streams: list[_Hearing] = []

    @property
    def model(self) -> str:
        return self.name

    async def _recognize_impl(self, buffer: Any, *, language: Any, conn_options: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(self, *, language: Any = NOT_GIVEN, conn_options: Any) -> stt.RecognizeStream:
        stream = _Hearing(stt=self, conn_options=conn_options)
        self._streams.append(stream)
        return stream

    def tell(self, kind: stt.SpeechEventType, text: str) -> None:
        """Somebody has said so much."""
        for stream in self._streams:
            stream.tell(stt.SpeechEvent(type=kind, alternatives=[stt.SpeechData(language="en", text=text)]))


class _Hearing(stt.RecognizeStream):
    def tell(self, event: stt.SpeechEvent) -> None:
        if not self._event_ch.closed:
            self._event_ch.send_nowait(event)

    async def _run(self) -> None:
        async for _ in self._input_ch:
            pass


class Asker(io.AudioInput):
    """A microphone: silence, and the question when it is asked. Frames come by the clock."""

    def __init__(self, question: list[rtc.AudioFrame], recogniser: Recogniser) -> None:
        super().__init__(label="asker")
        self._question, self._recogniser = question, recogniser
        self._silence = rtc.AudioFrame(
            bytes(question[0].data.nbytes), question[0].sample_rate, 1, len(question[0].data)
        )
        self._saying: list[rtc.AudioFrame] = []
        self._began = asyncio.get_running_loop().time()
        self._frames = 0
        self.ended_at = 0.0
        """When the last frame of the question was given, in seconds of the loop; 0 while it is being said."""

    def ask(self) -> None:
        """Say the question."""
        self._saying, self.ended_at = list(self._question), 0.0

    async def __anext__(self) -> rtc.AudioFrame:
        loop = asyncio.get_running_loop()
        self._frames += 1
        await asyncio.sleep(max(0.0, self._began + self._frames * FRAME - loop.time()))
        if not self._saying:
            return self._silence
        if len(self._saying) == len(self._question) // 2:
            self._recogniser.tell(stt.SpeechEventType.INTERIM_TRANSCRIPT, QUESTION)
        frame = self._saying.pop(0)
        if not self._saying:
            self.ended_at = loop.time()
            loop.call_later(HEARS, self._recogniser.tell, stt.SpeechEventType.FINAL_TRANSCRIPT, QUESTION)
        return frame


def question(folder: Path) -> list[rtc.AudioFrame]:
    """The beginning of a sentence that comes with us, without a pause: a voice, as the detector knows them."""
    frames = Sounds(folder, "none").frames("sorry")
    loud = [place for place, frame in enumerate(frames) if np.abs(np.frombuffer(frame.data, np.int16)).max() > 1000]
    return frames[loud[0] : loud[0] + round(QUESTION_SECONDS / FRAME)]


@dataclass
class Round:
    """What so many turns took."""

    answers_ms: list[float] = field(default_factory=list)
    silences_ms: list[float] = field(default_factory=list)
    """From speech being detected over an answer to its last sound."""
    cpu_ms: float = 0.0
    """Processor time of one turn."""


@dataclass
class Talk:
    """One session that runs, of either kind."""

    session: AgentSession[Any]
    room: Room
    asker: Asker

    async def turns(self, count: int) -> Round:
        """Ask, hear the answer, and speak over each third."""
        found, loop = Round(), asyncio.get_running_loop()
        detected: list[float] = []
        self.session.on(
            "user_state_changed", lambda event: detected.append(loop.time()) if event.new_state == "speaking" else None
        )
        cpu = time.process_time()
        self.asker.ask()
        for turn in range(count):
            begins = await self._answer()
            found.answers_ms.append((begins - self.asker.ended_at) * 1000)
            if turn % 3 == 2 and turn + 1 < count:
                await asyncio.sleep(OVER_IT)
                detected.clear()
                self.asker.ask()
                await self._until(lambda: bool(detected))
                await asyncio.sleep(0.2)
                heard = max(piece.end for piece in self.room.heard if piece.end <= loop.time() and piece.end > begins)
                found.silences_ms.append(max(0.0, heard - detected[0]) * 1000)
            else:
                await self._until(lambda: self.session.agent_state == "listening")
                await asyncio.sleep(PAUSE)
                if turn + 1 < count:
                    self.asker.ask()
        found.cpu_ms = (time.process_time() - cpu) * 1000 / count
        return found

    async def _answer(self) -> float:
        """When the answer to what is being asked begins."""
        await self._until(lambda: self.asker.ended_at > 0)
        await self._until(lambda: bool(self.room.heard) and self.room.heard[-1].begin > self.asker.ended_at)
        return self.room.first_after(self.asker.ended_at)

    @staticmethod
    async def _until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(ANSWERED_WITHIN):
            while not holds():  # a measure may look: both kinds are looked at alike
                await asyncio.sleep(0.01)


@asynccontextmanager
async def bare(folder: Path) -> AsyncIterator[Talk]:
    """The framework's session as somebody would write it down who knows all its options."""
    recogniser = Recogniser()
    asker, heard = Asker(question(folder), recogniser), Room()
    session: AgentSession[Any] = AgentSession(
        stt=recogniser,
        llm=ScriptedLLM(answer=ANSWER, first=FIRST, each=BETWEEN),
        tts=ScriptedTTS(first=VOICE),
        vad=inference.VAD(min_silence_duration=SILENCE),
        turn_handling={
            "turn_detection": "vad",
            "endpointing": {"mode": "fixed", "min_delay": 0.2, "max_delay": 0.9},
            "interruption": {"mode": "vad", "min_duration": ENOUGH, "resume_false_interruption": False},
            "preemptive_generation": {"enabled": True, "preemptive_tts": True},
        },
        aec_warmup_duration=None,
        user_away_timeout=None,
        session_close_transcript_timeout=0.3,
    )
    session.input.audio, session.output.audio = asker, heard
    room: Any = MemoryRoom()
    agent = Agent(instructions="You are kind.")
    await session.start(agent, room=room, room_options=ONLY_TEXT, session_host=False, record=False)
    try:
        yield Talk(session, heard, asker)
    finally:
        await session.aclose()


@asynccontextmanager
async def main_process() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Our end of the line to what stands for a worker's main process."""
    ours, its = socket.socketpair()
    process = subprocess.Popen([sys.executable, "-S", "-c", MAIN_PROCESS], stdin=its, stdout=its)
    its.close()
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()
        await asyncio.to_thread(process.wait, 10)


@asynccontextmanager
async def ours(folder: Path, *, is_alone: bool = False) -> AsyncIterator[Talk]:
    """A whole conversation of a job. `is_alone`: what its main process does, is done here."""
    recogniser = Recogniser()
    asker = Asker(question(folder), recogniser)
    job = virtual_job(started_at=datetime.fromtimestamp(time.time(), UTC), turn_taking=TURN_TAKING)
    llm = ScriptedLLM(answer=ANSWER, first=FIRST, each=BETWEEN)
    chains = chained([llm], [ScriptedTTS(first=VOICE)], [recogniser], lambda _: None, Breakers(folder / "breakers"))
    async with AsyncExitStack() as stack:
        main = None if is_alone else await stack.enter_async_context(main_process())
        voices = SpeechFinder(min_silence=SILENCE)
        call = await stack.enter_async_context(whole_call(job, chains, asker, folder, main=main, voices=voices))
        yield Talk(call.session, call.room, asker)
