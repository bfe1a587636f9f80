"""Drawing together what is written down of how many sessions projects have: decision 0030."""

from typing import Final

from sqlalchemy import text

from control_plane.db.database import Database

AT_ONCE: Final = 1000
"""Rows in one transaction: as many as begin in a minute of a million calls a day."""

_DRAW: Final = text("""
    with apart as (
        delete from session_tally where id = any(array(
            select id from session_tally where not is_sum order by id limit :most for update skip locked))
        returning project_id, sessions
    ), drawn as (
        insert into session_tally (project_id, sessions, is_sum)
        select project_id, sum(sessions), true from apart group by project_id order by project_id
        on conflict (project_id) where is_sum do update set sessions = session_tally.sessions + excluded.sessions
    )
    select count(*) from apart
""")


async def draw_together(database: Database) -> None:
    """Add what stands apart to the sums. A reader sees it in either place, and nobody waits."""
    drawn = AT_ONCE
    while drawn == AT_ONCE:
        async with database.platform() as db:
            drawn = await db.scalar(_DRAW, {"most": AT_ONCE}) or 0
