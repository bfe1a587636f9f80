"""The part of a call's trace that its worker knows: made in the main process, of what the call's process reports.

So a call carries nothing for it, loses none of it with its process, and takes no time for it. Lines, tools and turns
have their times there, and never their words.
"""

import re
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from agents.calling import PersonaJob
from agents.timing import PARTS
from guard import traces

NAMES: Final = {"retrieval_ms": "knowledge.search"}
"""Parts of a turn that have names of their own."""
TOOL: Final = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)
"""What a tool may be called; what a model makes up may be anything."""


@dataclass
class _Call:
    """Moments of one call, in Unix seconds."""

    offered: float
    job: PersonaJob | None = None
    claimed: float = 0.0
    started: float | None = None


class CallTraces:
    """Follows the calls of a worker. Without traces it follows none."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}

    def offered(self, job_id: str) -> None:
        """LiveKit has offered a job, and it was accepted."""
        self._calls[job_id] = _Call(time.time())

    def opened(self, job_id: str, job: PersonaJob) -> None:
        """Its ticket was exchanged."""
        call = self._calls.get(job_id)
        if call is None or not job.trace:
            self._calls.pop(job_id, None)
            return
        call.job, call.claimed = job, time.time()
        traces.record("worker.exchange", job.trace, call.offered, call.claimed, _of(job))

    def reported(self, job_id: str, report: dict[str, Any]) -> None:
        """Its process has said something."""
        call = self._calls.get(job_id)
        if call is None or call.job is None:
            return
        match report:
            case {"type": "call.started.v1", "at": str(at)}:
                call.started = _seconds(at)
                traces.record("join", call.job.trace, call.claimed, call.started, _of(call.job))
            case {"type": "turn.measured.v1", "audio_started_at": str(began)}:
                _turn(call.job, report, _seconds(began))
            case {"type": "tool.used.v1", "began_at": str(began), "ms": int() | float() as ms}:
                name, failed = str(report.get("name", "")), bool(report.get("failed"))
                name = name if TOOL.fullmatch(name) else "unknown"
                until = _seconds(began) + ms / 1000
                traces.record("tool", call.job.trace, _seconds(began), until, {"tool": name, "failed": failed})
            case {"type": "line.spoken.v1", "timestamp_ms": int(after), "speaker": str(speaker)}:
                began_at = call.job.started_at.timestamp() + after / 1000
                lasted = int(report.get("duration_ms") or 0) / 1000
                traces.record("line", call.job.trace, began_at, began_at + lasted, {"speaker": speaker})
            case {"type": "fault.seen.v1", "at": str(at), "service": str(service)}:
                fault: dict[str, traces.Attribute] = {"service": service, "recovered": bool(report.get("recovered"))}
                traces.record("fault", call.job.trace, _seconds(at), _seconds(at), fault)
            case {"type": "call.ended.v1", "at": str(at), "reason": str(reason)}:
                failure = reason if report.get("failed") else ""
                begin = call.started or call.claimed
                end = _of(call.job) | {"reason": reason}
                traces.record("call", call.job.trace, begin, _seconds(at), end, failure=failure)

    def over(self, job_id: str) -> None:
        """Nothing more comes of it."""
        self._calls.pop(job_id, None)


def _turn(job: PersonaJob, report: dict[str, Any], audio_started: float) -> None:
    """An answer, and below it where its time went, one part after the other."""
    ended = report.get("speech_ended_at")
    begin = _seconds(ended) if ended else audio_started
    turn = traces.record("turn", job.trace, begin, audio_started, {"passages": len(report.get("chunks") or ())})
    for part in PARTS:
        if milliseconds := report.get(part):
            name = NAMES.get(part) or f"turn.{part.removesuffix('_ms')}"
            traces.record(name, job.trace, begin, begin + milliseconds / 1000, parent=turn)
            begin += milliseconds / 1000


def _of(job: PersonaJob) -> dict[str, traces.Attribute]:
    return {"parley.session": job.session_id, "parley.epoch": job.epoch, "parley.project": job.project_id}


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
