"""The overview on the wire. Amounts are US dollars."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, WithJsonSchema
from sqlalchemy import Row

from control_plane.overview.spans import Asked, Bucket, Span
from control_plane.wire import Instant

SECONDS = 60
_DATE, _DATETIME = TypeAdapter(date), TypeAdapter(datetime)


def _moment(given: object) -> object:
    """Numbers, and text of digits alone, are no times."""
    if isinstance(given, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
        return _DATE.validate_python(given)
    if isinstance(given, str) and re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
        return _DATETIME.validate_python(given)
    raise ValueError("must be a day such as 2026-03-31, or a time in ISO 8601 such as 2026-03-31T10:00:00Z")


Moment = Annotated[
    datetime | date,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}),
]
"""A day of the reader's zone, or a time; one without a zone is UTC."""


class Failure(BaseModel):
    """Why conversations failed."""

    reason: str = Field(description="As `end_reason` of a session.")
    count: int


class Figures(BaseModel):
    """What a stretch of time came to."""

    from_: Instant = Field(serialization_alias="from")
    to: Instant = Field(description="The first moment after it.")
    sessions: int = Field(description="Conversations that began in it.")
    minutes: float = Field(description="How long those were, in all; one that goes on counts until now.")
    failed: int = Field(description="Those of them that failed.")
    failures: list[Failure] = Field(description="Why, the most frequent first.")
    cost: float = Field(description="What was used in it.")
    answers: int = Field(description="Answers that began in it and were measured.")
    p50_ms: int | None = Field(description="Median of their gaps, from the end of speech to the first sound.")
    p95_ms: int | None = Field(description="Nineteen in twenty were at least as fast.")


class Now(BaseModel):
    """What goes on at this moment."""

    calls: int = Field(description="Conversations, the sum of the three below.")
    voice: int
    phone: int
    bots: int
    oldest_at: Instant | None = Field(description="When the longest of them began.")


class Overview(BaseModel):
    """`GET /overview`."""

    bucket: Bucket
    timezone: str
    now: Now
    today: Figures = Field(description="Until now.")
    yesterday: Figures = Field(description="Until the same time of day.")
    period: Figures = Field(description="From `from` to `to`.")
    before: Figures = Field(description="As long, up to `from`.")
    series: list[Figures] = Field(description="The period's hours or days, those without anything among them.")


class Sums:
    """The figures of stretches of time, as they come in."""

    def __init__(self) -> None:
        self.seconds = self.cost = Decimal(0)
        self.sessions = 0
        self.failures: Counter[str] = Counter()

    def add(self, other: "Sums") -> None:
        """What another stretch came to as well."""
        self.seconds += other.seconds
        self.cost += other.cost
        self.sessions += other.sessions
        self.failures.update(other.failures)

    def show(self, span: Span, measured: Row[Any] | None) -> Figures:
        """The figures of a stretch with its answers."""
        p50, p95 = (round(seconds * 1000) for seconds in measured.seconds) if measured else (None, None)
        why = sorted(self.failures.items(), key=lambda each: (-each[1], each[0]))
        return Figures(
            from_=span.begins,
            to=span.ends,
            sessions=self.sessions,
            minutes=round(float(self.seconds) / SECONDS, 2),
            failed=self.failures.total(),
            failures=[Failure(reason=reason, count=count) for reason, count in why],
            cost=float(self.cost),
            answers=measured.answers if measured else 0,
            p50_ms=p50,
            p95_ms=p95,
        )


def add_up(count: int, sessions: Iterable[Row[Any]], costs: Iterable[Row[Any]]) -> list[Sums]:
    """What each of so many stretches came to."""
    sums = [Sums() for _ in range(count)]
    for row in sessions:
        sums[row.number].sessions += row.sessions
        sums[row.number].seconds += row.seconds
        if row.reason is not None:
            sums[row.number].failures[row.reason] += row.sessions
    for row in costs:
        sums[row.number].cost += row.cost
    return sums


def show_now(rows: Iterable[Row[Any]]) -> Now:
    """What goes on."""
    found = {row.session_type: row for row in rows}
    voice, phone, bots = (found[kind].calls if kind in found else 0 for kind in ("voice", "sip", "bot"))
    oldest = min((row.since for row in found.values()), default=None)
    return Now(calls=voice + phone + bots, voice=voice, phone=phone, bots=bots, oldest_at=oldest)


def show_overview(
    asked: Asked, now: Now, sums: list[Sums], answers: Iterable[Row[Any]], *, bucket: Bucket, timezone: str
) -> Overview:
    """The answer; the stretches are the buckets, the time before, today, yesterday, and of `answers` also the period:
    all else of it is the sum of its buckets."""
    whole = Sums()
    for part in sums[: len(asked.buckets)]:
        whole.add(part)
    measured = {row.number: row for row in answers}
    spans = [*asked.buckets, asked.before, asked.today, asked.yesterday, asked.period]
    shown = [
        each.show(span, measured.get(number))
        for number, (span, each) in enumerate(zip(spans, [*sums, whole], strict=True))
    ]
    *series, before, today, yesterday, period = shown
    return Overview(
        bucket=bucket,
        timezone=timezone,
        now=now,
        today=today,
        yesterday=yesterday,
        period=period,
        before=before,
        series=series,
    )
