"""What a project's conversations came to, in stretches of time. The owner is part of every question."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, TextClause, text

from control_plane.db.database import Db
from control_plane.overview.spans import Span

_SPANS: Final = """
    unnest(cast(:begins as timestamptz[]), cast(:ends as timestamptz[])) with ordinality as span (begins, ends, number)
"""
NOW: Final = text("""
    select session_type, count(*) as calls, min(started_at) as since
    from session where project_id = :project and status = 'active' group by session_type
""")
SESSIONS: Final = text(f"""
    select span.number - 1 as number,
        case when session.outcome = 'failed' then coalesce(session.end_reason, 'unknown') end as reason,
        count(*) as sessions,
        sum(coalesce(session.duration,
            greatest(0, extract(epoch from coalesce(session.ended_at, :now) - session.started_at)))) as seconds
    from {_SPANS}
    join session on session.project_id = :project
        and session.started_at >= span.begins and session.started_at < span.ends
    group by 1, 2 order by 1, 3 desc, 2
""")  # noqa: S608 - our own text
COSTS: Final = text(f"""
    select span.number - 1 as number, sum(usage_entry.cost_usd) as cost
    from {_SPANS}
    join usage_entry on usage_entry.project_id = :project
        and usage_entry.at >= span.begins and usage_entry.at < span.ends
    group by 1
""")  # noqa: S608
ANSWERS: Final = text(f"""
    select span.number - 1 as number, count(*) as answers,
        percentile_cont(array[0.5, 0.95]) within group (
            order by greatest(0, extract(epoch from turn.audio_started_at - turn.speech_ended_at))
        ) as seconds
    from {_SPANS}
    join turn on turn.project_id = :project and turn.speech_ended_at is not null
        and turn.audio_started_at >= span.begins and turn.audio_started_at < span.ends
    group by 1
""")  # noqa: S608


class OverviewRepository:
    """One project's figures. Numbers of stretches count from 0."""

    def __init__(self, db: Db, project_id: int) -> None:
        self.db, self.project_id = db, project_id

    async def now(self) -> Sequence[Row[Any]]:
        """Conversations that go on, by type: how many, and since when the oldest."""
        return (await self.db.execute(NOW, {"project": self.project_id})).all()

    async def sessions(self, spans: Sequence[Span], *, now: datetime) -> Sequence[Row[Any]]:
        """Of each stretch the conversations that began in it, by why they failed: null where they did not."""
        return await self._of(SESSIONS, spans, now=now)

    async def costs(self, spans: Sequence[Span]) -> Sequence[Row[Any]]:
        """What the work of each stretch cost."""
        return await self._of(COSTS, spans)

    async def answers(self, spans: Sequence[Span]) -> Sequence[Row[Any]]:
        """Of each stretch the answers that were begun in it, and the median and the 95th percentile of their gaps in
        seconds, from the end of speech to the first sound."""
        return await self._of(ANSWERS, spans)

    async def _of(self, question: TextClause, spans: Sequence[Span], **more: Any) -> Sequence[Row[Any]]:
        given = {"begins": [span.begins for span in spans], "ends": [span.ends for span in spans]}
        return (await self.db.execute(question, {"project": self.project_id, **given, **more})).all()
