"""The framework's session, with a persona's turn taking."""

from concurrent.futures import Executor, ThreadPoolExecutor
from functools import cache
from typing import Final

from livekit import rtc
from livekit.agents import Agent, AgentSession, TurnHandlingOptions, inference, vad
from livekit.agents.voice import room_io
from livekit.agents.voice.agent_session import SessionConnectOptions

from agents.attempts import ONCE
from agents.calling import PersonaJob
from agents.captions import Captions
from agents.models import Models

DETECTOR_SILENCE = 0.25
"""Seconds of silence the turn detector needs to have heard."""
EARS: Final = 2
"""Threads that find speech in a process with many calls: each call needs one for a hundredth of its time."""
HEARD: Final = 5.0
"""Seconds of speech that are kept there, instead of a minute."""
MOST_ERRORS = 1_000_000
"""In a row, after which the framework closes a session without a word: whoever runs the call decides that."""


def room_options(job: PersonaJob) -> room_io.RoomOptions:
    """What a persona hears and gives in its room. What is typed `TypedLines` reads."""
    audible = not job.only_text
    microphone = room_io.AudioInputOptions(frame_size_ms=20, auto_gain_control=False)
    return room_io.RoomOptions(
        close_on_disconnect=False,
        text_input=False,
        audio_input=microphone if audible else False,
        audio_output=audible,
        # Text in step with the voice costs a tenth of a core; captions may run ahead, once it has begun.
        text_output=room_io.TextOutputOptions(sync_transcription=False) if job.captions or not audible else False,
    )


@cache
def _ears() -> Executor:
    """Threads in which speech is found for all calls of a process."""
    return ThreadPoolExecutor(EARS, thread_name_prefix="vad")


def find_speech(min_silence: float, *, shared: bool) -> vad.VAD:
    """What finds speech; `shared`: in a process with other calls. What it has heard, nobody asks it for."""
    if not shared:
        return inference.VAD(min_silence_duration=min_silence)
    return inference.VAD(min_silence_duration=min_silence, max_buffered_speech=HEARD, executor=_ears())


def build_session(
    job: PersonaJob, models: Models, *, voices: vad.VAD | None = None, shared: bool = False
) -> AgentSession[None]:
    """The framework's session with this persona's turn taking. Everything local: no detector in a cloud.

    `voices`: what finds speech, instead of the detector that comes with the framework; `shared`: its process has other
    calls.
    """
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
        vad=voices or find_speech(vad_silence, shared=shared),
        turn_handling=handling,
        conn_options=SessionConnectOptions(
            stt_conn_options=ONCE, llm_conn_options=ONCE, tts_conn_options=ONCE, max_unrecoverable_errors=MOST_ERRORS
        ),
        aec_warmup_duration=None,
        user_away_timeout=None,
        session_close_transcript_timeout=0.3,
    )


async def begin(session: AgentSession[None], persona: Agent, room: rtc.Room, options: room_io.RoomOptions) -> None:
    """Begin a session in a room, where people read only what they hear."""
    # `session_host` would answer any participant who asks for instructions and history.
    await session.start(persona, room=room, room_options=options, session_host=False, record=False)
    voice, shown = session.output.audio, session.output.transcription
    if voice is not None and shown is not None:
        session.output.transcription = Captions(voice, shown)
