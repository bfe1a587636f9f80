"""What Prometheus may ask workers and bot hosts: each figure with its name, its unit and what it counts.

A worker's main process counts for its calls: what they report passes through it. Labels have few values, and all of
them are ours; which models are left alone, by name, is in the platform's `/admin/health`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import product
from typing import Any, Final

from prometheus_client import Counter, Gauge, Histogram

from agents.timing import PARTS

SERVICES: Final = ("llm", "stt", "tts")
OUTCOMES: Final = ("answered", "failed", "silent")

PLACES: Final = Gauge("parley_host_places", "Calls of this worker, or bots of this host, at once.")
TAKEN: Final = Gauge("parley_host_taken", "Of those places.")
DRAINING: Final = Gauge("parley_host_draining", "1 while it takes nothing any more and ends.")
UPLINK: Final = Gauge("parley_uplink_up", "1 while it is connected to a control plane.")
OFFERS: Final = Counter(
    "parley_worker_offers_total",
    "Jobs that LiveKit offered: `accepted`, `full` (another worker is asked), `no_ticket` (it is not the platform's).",
    ["outcome"],
)
ENDED: Final = Counter("parley_worker_calls_ended_total", "Calls that ended here, by why.", ["reason"])
BEGIN: Final = Histogram(
    "parley_call_start_seconds",
    "From accepting a job to its persona in the room with somebody there.",
    buckets=(0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0),
)
TURNS: Final = Histogram(
    "parley_turn_seconds",
    "From the end of a person's speech to the first sound of the answer: `all`, and where it went by `part`.",
    ["part"],
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 2.5, 4.0, 8.0),
)
ATTEMPTS: Final = Counter(
    "parley_model_attempts_total",
    "Models that were asked: they `answered`, `failed`, or were `silent` for too long.",
    ["service", "outcome"],
)
BREAKERS: Final = Gauge(
    "parley_model_breakers_open", "Models that all calls of this host leave alone because they failed.", ["service"]
)
SPOOL: Final = Gauge("parley_spool_reports", "Reports that the control plane has not acknowledged.")
PARKED: Final = Gauge("parley_spool_parked", "Reports that it refused: they are in `parked.jsonl` for a person to see.")
DISK: Final = Gauge("parley_spool_disk_free_bytes", "Free on the disk of the spool.")
KNOWLEDGE: Final = Gauge("parley_knowledge_up", "1 while the knowledge process of this host answers.")


def _begin(figure: Counter, *values: Sequence[str]) -> None:
    """Count from 0: the first of a series that was not there is no increase to Prometheus."""
    for labels in values:
        figure.labels(*labels)


_begin(OFFERS, ["accepted"], ["full"], ["no_ticket"])
_begin(ENDED, ["worker_lost"], ["not_started"], ["model_failed"])
_begin(ATTEMPTS, *product(SERVICES, OUTCOMES))


def show_attempts(attempts: Iterable[Any]) -> None:
    """What a job's process has counted since it said so last: service, outcome, how often."""
    for service, outcome, count in attempts:
        if service in SERVICES and outcome in OUTCOMES:
            ATTEMPTS.labels(service, outcome).inc(count)


def show_report(report: dict[str, Any]) -> None:
    """What a report of a call says."""
    match report:
        case {"type": "turn.measured.v1", "speech_ended_at": str(ended), "audio_started_at": str(began)}:
            for part in PARTS:
                if (milliseconds := report.get(part)) is not None:
                    TURNS.labels(part.removesuffix("_ms")).observe(milliseconds / 1000)
            gap = datetime.fromisoformat(began) - datetime.fromisoformat(ended)
            TURNS.labels("all").observe(max(0.0, gap.total_seconds()))
        case {"type": "call.ended.v1", "reason": str(reason)}:
            ENDED.labels(reason).inc()
