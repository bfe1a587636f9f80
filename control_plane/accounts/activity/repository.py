"""Questions about all that an account has done, in all its projects. The account is part of every question.

Other domains' tables are read by their names, as the floors above are not imported.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Row, TextClause, text

from control_plane.db.database import Db
from control_plane.wire import Page

_PROJECTS: Final = "select id from project where account_id = :account"
_TITLE: Final = "coalesce(nullif(meeting.title, ''), scenario.name, 'Meeting')"
_SERVICE: Final = """
    case service when 'llm' then 'Language model' when 'stt' then 'Speech recognition' when 'tts' then 'Speech'
    else initcap(service) end
"""

# A conversation within a meeting is charged with the meeting. What belongs to none, such as the recording of an empty
# room, is charged by itself.
_ENTRIES: Final = f"""
    select 'usage' as type, 'meeting-' || meeting.id as id, meeting.ended_at as at, {_TITLE} as description,
        meeting.project_id, meeting.session_id, null::bigint as entry_id, null::numeric as given
    from meeting left join scenario on scenario.id = meeting.scenario_id
    where meeting.project_id in ({_PROJECTS}) and meeting.ended_at is not null
    union all
    select 'usage', 'session-' || session.id, session.ended_at,
        'Session ' || session.id || coalesce(' with ' || session.agent_name, ''),
        session.project_id, session.id, null, null
    from session
    where session.project_id in ({_PROJECTS}) and session.status = 'completed' and session.ended_at is not null
        and not exists (
            select from meeting where meeting.project_id = session.project_id and meeting.session_id = session.id
        )
    union all
    select 'usage', 'usage-' || id, at, {_SERVICE}, project_id, null, id, cost_usd
    from usage_entry
    where project_id in ({_PROJECTS}) and session_id is null and cost_usd > 0
    union all
    select kind, kind || '-' || id, at, description, null, null, null, amount_usd
    from ledger_entry where account_id = :account
"""  # noqa: S608 - our own text
_TRANSACTIONS = text(f"""
    with page as (
        select *, count(*) over () as total from ({_ENTRIES}) as entries
        order by at desc, id desc offset :offset limit :limit
    )
    select id, type, description, at as date, total, coalesce(given, (
        select sum(cost_usd) from usage_entry
        where usage_entry.project_id = page.project_id and usage_entry.session_id = page.session_id
    ), 0) as amount
    from page order by at desc, page.id desc
""")  # noqa: S608
_COUNT_TRANSACTIONS = text(f"select count(*) from ({_ENTRIES}) as entries")  # noqa: S608

_HELD: Final = f"meeting where meeting.project_id in ({_PROJECTS})"
_MEETINGS = text(f"""
    with page as (
        select meeting.*, count(*) over () as total from {_HELD} order by meeting.id desc offset :offset limit :limit
    )
    select meeting.code as id, {_TITLE} as title, meeting.status, meeting.created_at, meeting.started_at,
        extract(epoch from coalesce(meeting.ended_at, :now) - meeting.started_at)::bigint as duration, meeting.total,
        (
            select count(distinct participant.identity)
            from room join participant on participant.project_id = room.project_id and participant.room_id = room.id
            where room.project_id = meeting.project_id and room.full_name = meeting.room_name
                and participant.kind = 'standard'
        ) as participants,
        coalesce((
            select sum(cost_usd) from usage_entry
            where usage_entry.project_id = meeting.project_id and usage_entry.session_id = meeting.session_id
        ), 0) as cost
    from page as meeting left join scenario on scenario.id = meeting.scenario_id
    order by meeting.id desc
""")  # noqa: S608
_COUNT_MEETINGS = text(f"select count(*) from {_HELD}")  # noqa: S608

_SUMS = text(f"""
    select (select coalesce(sum(cost_usd), 0) from usage_day where project_id in ({_PROJECTS})) as used,
        (select coalesce(sum(amount_usd), 0) from ledger_entry where account_id = :account) as given
""")  # noqa: S608
_WEBHOOKS = text(f"""
    select id, is_active, events, failing_since, disabled_reason from webhook_endpoint
    where project_id in ({_PROJECTS}) order by id desc limit 100
""")  # noqa: S608
_TRAIL = text(f"""
    select at, action, status from audit_entry where project_id in ({_PROJECTS}) order by id desc limit 100
""")  # noqa: S608


class ActivityRepository:
    """What one account has done."""

    def __init__(self, db: Db, account_id: int) -> None:
        self.db, self.account_id = db, account_id

    async def transactions(self, page: Page) -> tuple[Sequence[Row[Any]], int]:
        """A page of what was charged and given, newest first, and how much there is."""
        return await self._page(_TRANSACTIONS, _COUNT_TRANSACTIONS, page)

    async def meetings(self, page: Page, *, now: datetime) -> tuple[Sequence[Row[Any]], int]:
        """A page of meetings, newest first, and how many there are."""
        return await self._page(_MEETINGS, _COUNT_MEETINGS, page, now=now)

    async def sums(self) -> tuple[Decimal, Decimal]:
        """What was used, and what was given."""
        row = (await self.db.execute(_SUMS, {"account": self.account_id})).one()
        return row.used, row.given

    async def webhooks(self) -> Sequence[Row[Any]]:
        """Receivers of webhooks, newest first."""
        return (await self.db.execute(_WEBHOOKS, {"account": self.account_id})).all()

    async def trail(self) -> Sequence[Row[Any]]:
        """What was changed, newest first."""
        return (await self.db.execute(_TRAIL, {"account": self.account_id})).all()

    async def _page(
        self, question: TextClause, counted: TextClause, page: Page, **values: Any
    ) -> tuple[Sequence[Row[Any]], int]:
        own = {"account": self.account_id}
        asked = own | {"offset": page.offset, "limit": page.per_page} | values
        rows = (await self.db.execute(question, asked)).all()
        if rows or page.page == 1:
            return rows, rows[0].total if rows else 0
        return [], await self.db.scalar(counted, own) or 0
