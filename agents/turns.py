"""The framework's session, with a persona's turn taking."""

from typing import Final

from livekit import rtc
from livekit.agents import Agent, AgentSession, TurnHandlingOptions, inference, vad
from livekit.agents.voice import room_io
from livekit.agents.voice.agent_session import SessionConnectOptions

from agents.attempts import ONCE
from agents.calling import PersonaJob
from agents.captions import Captions
from agents.models import Models
from agents.speech import FRAME_MS, RATE, SpeechFinder

DETECTOR_SILENCE = 0.25
"""Seconds of silence the turn detector needs to have heard."""
HEARD: Final = 5.0
"""Seconds of speech that what finds it keeps for a session, which does not ask for them."""
WIDE, WIDE_MS = 24_000, 20
"""Sound for recognition that takes more than the model of speech does."""
MOST_ERRORS = 1_000_000
"""In a row, after which the framework closes a session without a word: whoever runs the call decides that."""


def room_options(job: PersonaJob, *, wide: bool) -> room_io.RoomOptions:
    """What a persona hears and gives in its room. What is typed `TypedLines` reads.

    `wide`: recognition takes sound of more than 16 kHz.
    """
    audible = not job.only_text
    rate, frame_ms = (WIDE, WIDE_MS) if wide else (RATE, FRAME_MS)
    microphone = room_io.AudioInputOptions(sample_rate=rate, frame_size_ms=frame_ms, auto_gain_control=False)
    return room_io.RoomOptions(
        close_on_disconnect=False,
        text_input=False,
        audio_input=microphone if audible else False,
        audio_output=audible,
        # Text in step with the voice costs a tenth of a core; captions may run ahead, once it has begun.
        text_output=room_io.TextOutputOptions(sync_transcription=False) if job.captions or not audible else False,
    )


def build_session(job: PersonaJob, models: Models, *, voices: vad.VAD | None = None) -> AgentSession[None]:
    """The framework's session with this persona's turn taking. Everything local: no detector in a cloud.

    `voices`: what finds speech, instead of the detector that comes with the framework.
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
        vad=voices or SpeechFinder(min_silence=vad_silence, kept=HEARD),
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
