"""What Prometheus may ask the processes of this plane: each figure with its name, its unit and what it counts.

Labels have few values, and all of them are ours: templates of routes, outcomes, locks. Nothing that a customer chose
or a caller said is a label.
"""

from typing import Any, Final

from prometheus_client import Counter, Gauge, Histogram

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE: Final = "none"
"""Of requests that no route serves, and of those that were refused before one was looked for."""
FAST: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds."""

REQUESTS: Final = Histogram(
    "parley_http_request_duration_seconds",
    "From a request to the end of its answer. `route` is a template, `status` its class: `2xx`.",
    ["method", "route", "status"],
    buckets=FAST,
)
UPLINKS: Final = Gauge("parley_uplinks", "Workers and bot hosts that are connected to this process.")
TOKEN_REFUSALS: Final = Counter("parley_token_refusals_total", "Tokens that were not given, by why.", ["reason"])
DISPATCHES: Final = Counter(
    "parley_dispatch_total",
    "Personas that were sent for: `with_token`, `to_room` (which ran already), `again` (they had not come, or were "
    "lost), `failed` (LiveKit could not be told).",
    ["outcome"],
)
EXCHANGES: Final = Counter(
    "parley_ticket_exchanges_total",
    "Tickets of workers: `opened`, `refused`, `unanswered` (the database was away; they ask again).",
    ["outcome"],
)
REPORTS: Final = Counter(
    "parley_reports_total",
    "Reports of workers: `kept`, `refused` (the worker parks them), `unanswered` (they are repeated).",
    ["outcome"],
)
RESPAWN: Final = Histogram(
    "parley_respawn_seconds",
    "From the loss of a persona to its successor in the same conversation.",
    buckets=(0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 60.0),
)
SESSIONS_ENDED: Final = Counter("parley_sessions_ended_total", "Conversations that are over.", ["outcome", "reason"])
LEASES_EXPIRED: Final = Counter(
    "parley_lease_expired_total", "Calls whose worker was not heard of for too long, or that never began."
)
LEADER: Final = Gauge("parley_leader", "1 in the process that holds a lock and does its work.", ["lock"])
DATABASE_UP: Final = Gauge("parley_database_up", "1 where the database answered when it was last asked.")
CALLS: Final = Gauge("parley_calls_active", "Jobs that run, by `kind`: `call` or `bot`; of all workers.", ["kind"])
EVENT_LAG: Final = Gauge("parley_event_lag_seconds", "Age of the oldest event without its number.")
WEBHOOK_BACKLOG: Final = Gauge("parley_webhook_backlog", "Webhooks that wait to be sent, for the first time or again.")
WEBHOOK_AGE: Final = Gauge("parley_webhook_oldest_seconds", "Age of the oldest webhook that was not tried yet.")
JOBS_DUE: Final = Gauge("parley_jobs_due", "Jobs that are due or at work.")
JOB_AGE: Final = Gauge("parley_job_due_seconds", "For which the oldest job that is due has waited.")
JOBS_FAILED: Final = Gauge("parley_jobs_failed", "Jobs given up within the last week.")
BROKEN_TRAILS: Final = Gauge(
    "parley_audit_trails_broken",
    "Projects whose audit trail is not as it was written. It counts no further than 100.",
)
PARTITION_STRAYS: Final = Gauge(
    "parley_partition_strays",
    "Rows in the part for the rest of a table (`kind`), as they found none of their own. None, unless new parts cannot "
    "be made; it counts no further than 10,000.",
    ["kind"],
)


def _begin(figure: Counter, *values: str) -> None:
    """Count from 0: the first of a series that was not there is no increase to Prometheus."""
    for value in values:
        figure.labels(value)


_begin(TOKEN_REFUSALS, "no_worker", "over_budget", "unknown_agent")
_begin(DISPATCHES, "with_token", "to_room", "again", "failed")
_begin(EXCHANGES, "opened", "refused", "unanswered")
_begin(REPORTS, "kept", "refused", "unanswered")

_observers: dict[tuple[str, str, int], Any] = {}


def request_took(method: str, route: str, status: int, seconds: float) -> None:
    """A request was answered, in so many seconds."""
    key = (method if method in METHODS else "OTHER", route, status // 100)
    observer = _observers.get(key)
    if observer is None:
        observer = _observers[key] = REQUESTS.labels(key[0], route, f"{key[2]}xx")
    observer.observe(seconds)


def route_of(scope: Any) -> str:
    """The template of the route that served a request: `/api/v1/rooms/{name}`. Mounted folders are one each."""
    template = getattr(scope.get("route"), "path", None)
    return template if isinstance(template, str) else NO_ROUTE
