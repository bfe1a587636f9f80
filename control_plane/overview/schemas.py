"""The overview on the wire. Amounts are US dollars."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
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

    def __init__(
        self,
        spans: Sequence[Span],
        *,
        sessions: Iterable[Row[Any]],
        costs: Iterable[Row[Any]],
        answers: Iterable[Row[Any]],
    ) -> None:
        self.spans = spans
        self.costs = {row.number: float(row.cost) for row in costs}
        self.answers = {row.number: row for row in answers}
        self.sessions: dict[int, list[Row[Any]]] = {}
        for row in sessions:
            self.sessions.setdefault(row.number, []).append(row)

    def all(self) -> Iterator[Figures]:
        """Of each stretch, in their order."""
        for number, span in enumerate(self.spans):
            began = self.sessions.get(number, [])
            failed = [row for row in began if row.reason is not None]
            measured = self.answers.get(number)
            p50, p95 = (round(seconds * 1000) for seconds in measured.seconds) if measured else (None, None)
            yield Figures(
                from_=span.begins,
                to=span.ends,
                sessions=sum(row.sessions for row in began),
                minutes=round(float(sum(row.seconds for row in began)) / SECONDS, 2),
                failed=sum(row.sessions for row in failed),
                failures=[Failure(reason=row.reason, count=row.sessions) for row in failed],
                cost=self.costs.get(number, 0.0),
                answers=measured.answers if measured else 0,
                p50_ms=p50,
                p95_ms=p95,
            )


def show_now(rows: Iterable[Row[Any]]) -> Now:
    """What goes on."""
    found = {row.session_type: row for row in rows}
    voice, phone, bots = (found[kind].calls if kind in found else 0 for kind in ("voice", "sip", "bot"))
    oldest = min((row.since for row in found.values()), default=None)
    return Now(calls=voice + phone + bots, voice=voice, phone=phone, bots=bots, oldest_at=oldest)


def show_overview(asked: Asked, now: Now, sums: Sums, *, bucket: Bucket, timezone: str) -> Overview:
    """The answer; the stretches of `sums` are the buckets, the period, the time before, today and yesterday."""
    *series, period, before, today, yesterday = sums.all()
    assert len(series) == len(asked.buckets)
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
