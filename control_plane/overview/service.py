"""What goes on in a project, and what its conversations came to."""

from datetime import date, datetime

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.overview.repository import OverviewRepository
from control_plane.overview.schemas import Overview, add_up, show_now, show_overview
from control_plane.overview.spans import Bucket, read_spans, read_zone


class OverviewService:
    """The overview of one caller's project."""

    def __init__(self, db: Db, caller: Caller, clock: Clock) -> None:
        self.caller, self.clock = caller, clock
        self.repository = OverviewRepository(db, caller.project_id)

    async def show(
        self, since: datetime | date | None, until: datetime | date | None, bucket: Bucket, timezone: str
    ) -> Overview:
        """Figures from one time to another. Raises `InvalidRequest`, and `Forbidden` without `sessions:read`."""
        self.caller.demand("sessions", write=False)
        now = self.clock.now()
        asked = read_spans(since, until, bucket, read_zone(timezone), now=now)
        spans = [*asked.buckets, asked.before, asked.today, asked.yesterday]
        sums = add_up(len(spans), await self.repository.sessions(spans, now=now), await self.repository.costs(spans))
        answers = await self.repository.answers([*spans, asked.period])
        present = show_now(await self.repository.now())
        return show_overview(asked, present, sums, answers, bucket=bucket, timezone=timezone)
