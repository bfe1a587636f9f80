"""The framework's session, with a persona's turn taking."""

from livekit.agents import AgentSession, TurnHandlingOptions, inference
from livekit.agents.voice.agent_session import SessionConnectOptions

from agents.calling import PersonaJob
from agents.models import TRIES, Models

DETECTOR_SILENCE = 0.25
"""Seconds of silence the turn detector needs to have heard."""


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
            stt_conn_options=TRIES, llm_conn_options=models.tries, tts_conn_options=TRIES, max_unrecoverable_errors=3
        ),
        aec_warmup_duration=None,
        user_away_timeout=None,
        session_close_transcript_timeout=0.3,
    )
