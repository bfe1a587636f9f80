"""From pages of a provider to rows: what is new, what changed, what is no more; bots follow."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, or_, text, update
from sqlmodel import col, select

from control_plane.calendars.models import Calendar, CalendarEvent, CalendarSeries
from control_plane.calendars.remote import EventPage, RemoteEvent, Window
from control_plane.calendars.sending import BotPlanner
from control_plane.db.database import Db

_KNOWN: Final = (
    col(CalendarEvent.id),
    col(CalendarEvent.uuid),
    col(CalendarEvent.remote_id),
    col(CalendarEvent.series_id),
    col(CalendarEvent.digest),
    col(CalendarEvent.deleted),
)
_PLAIN: Final = (
    "series_id",
    "name",
    "meeting_url",
    "dial_in",
    "is_organizer",
    "is_recurring",
    "organizer_email",
    "attendees",
    "raw",
)
"""Fields of an event that its row has as they are."""
_KEPT: Final = (*_PLAIN, "starts_at", "ends_at", "digest", "deleted", "generation", "updated_at")
# One value for all rows: a statement with a thousand parameters takes longer to write than to execute.
_UPSERT: Final = text(f"""
    insert into calendar_event (project_id, calendar_id, uuid, remote_id, {", ".join(_KEPT)})
    select :project_id, :calendar_id, uuid, remote_id, {", ".join(_PLAIN)}, starts_at, ends_at,
        decode(digest, 'hex'), false, :generation, :now
    from jsonb_to_recordset(cast(:rows as jsonb)) as told (
        uuid uuid, remote_id text, series_id text, name text, meeting_url text, dial_in jsonb, is_organizer boolean,
        is_recurring boolean, organizer_email text, attendees jsonb, raw jsonb, starts_at timestamptz,
        ends_at timestamptz, digest text
    )
    on conflict (calendar_id, remote_id) do update
    set {", ".join(f"{name} = excluded.{name}" for name in _KEPT)}
    returning remote_id, uuid
""")  # noqa: S608 - our own names


async def write_page(
    db: Db, calendar: Calendar, page: EventPage, window: Window, bots: BotPlanner, *, now: datetime, full: bool
) -> list[UUID]:
    """Bring a page's events into the rows. The events that were made, changed or removed.

    Events outside the window are kept up to date where they are known, and not taken in where they are not.
    """
    told = {event.remote_id: event for event in page.events}
    known = await _known(db, calendar, [*told, *page.gone], page.replaced)
    wanted = [event for event in told.values() if event.remote_id in known or window.holds(event)]
    digests = [(event, event.digest()) for event in wanted]
    written = [(event, digest) for event, digest in digests if _differs(known.get(event.remote_id), digest)]
    affected = await _write(db, calendar, written, now=now)
    changed = [event for event, _ in written]
    if full and wanted:
        same = [known[event.remote_id].id for event in wanted if event.remote_id in known]
        await db.execute(
            update(CalendarEvent).where(col(CalendarEvent.id).in_(same)).values(generation=calendar.generation)
        )
    await _send(db, calendar, bots, changed, known)
    replaced = set(page.replaced)
    gone = [
        row
        for row in known.values()
        if row.remote_id not in told and not row.deleted and (row.remote_id in page.gone or row.series_id in replaced)
    ]
    await _remove(db, bots, [row.id for row in gone], now=now)
    return [*affected.values(), *(row.uuid for row in gone)]


async def remove_unseen(db: Db, calendar: Calendar, window: Window, bots: BotPlanner, *, now: datetime) -> list[UUID]:
    """Remove the events of the window that the reading of all of it did not find."""
    query = select(CalendarEvent.id, CalendarEvent.uuid).where(
        CalendarEvent.calendar_id == calendar.id,
        col(CalendarEvent.deleted).is_(False),
        CalendarEvent.generation < calendar.generation,
        CalendarEvent.starts_at < window.end,
        CalendarEvent.ends_at > window.begin,
    )
    unseen = (await db.exec(query)).all()
    await _remove(db, bots, [row[0] for row in unseen], now=now)
    return [row[1] for row in unseen]


async def _known(db: Db, calendar: Calendar, ids: Sequence[str], series: Sequence[str]) -> dict[str, Row[Any]]:
    if not ids and not series:
        return {}
    which = or_(col(CalendarEvent.remote_id).in_(ids), col(CalendarEvent.series_id).in_(series))
    query = select(*_KNOWN).where(CalendarEvent.calendar_id == calendar.id, which)  # type: ignore[call-overload]
    return {row.remote_id: row for row in (await db.execute(query)).all()}


def _differs(row: Row[Any] | None, digest: bytes) -> bool:
    return row is None or row.deleted or row.digest != digest


async def _write(
    db: Db, calendar: Calendar, events: Sequence[tuple[RemoteEvent, bytes]], *, now: datetime
) -> dict[str, UUID]:
    if not events:
        return {}
    rows = [
        {
            "uuid": str(uuid4()),
            "remote_id": event.remote_id,
            "digest": digest.hex(),
            "starts_at": event.starts_at.isoformat(),
            "ends_at": event.ends_at.isoformat(),
            **{name: getattr(event, name) for name in _PLAIN},
        }
        for event, digest in events
    ]
    values = {
        "rows": json.dumps(rows),
        "project_id": calendar.project_id,
        "calendar_id": calendar.id,
        "generation": calendar.generation,
        "now": now,
    }
    return {row.remote_id: row.uuid for row in (await db.execute(_UPSERT, values)).all()}


async def _send(
    db: Db, calendar: Calendar, bots: BotPlanner, changed: Sequence[RemoteEvent], known: dict[str, Row[Any]]
) -> None:
    """Bots go where their events went; a series that has bots has one for each new occurrence."""
    if not changed:
        return
    ids = [event.remote_id for event in changed]
    query = select(CalendarEvent).where(
        CalendarEvent.calendar_id == calendar.id,
        col(CalendarEvent.remote_id).in_(ids),
        col(CalendarEvent.bot).is_not(None),
    )
    for event in (await db.exec(query)).all():
        await bots.follow(db, event)
    series = {event.series_id for event in changed if event.series_id and _is_new(known.get(event.remote_id))}
    if not series:
        return
    asked = select(CalendarSeries).where(
        CalendarSeries.calendar_id == calendar.id, col(CalendarSeries.series_id).in_(series)
    )
    for one in (await db.exec(asked)).all():
        fresh = select(CalendarEvent).where(
            CalendarEvent.calendar_id == calendar.id,
            CalendarEvent.series_id == one.series_id,
            col(CalendarEvent.remote_id).in_(ids),
            col(CalendarEvent.bot).is_(None),
        )
        for event in (await db.exec(fresh)).all():
            if _is_new(known.get(event.remote_id)) and event.meeting_url:
                await bots.plan_quietly(db, event, one.bot, bots.open(one))


def _is_new(row: Row[Any] | None) -> bool:
    return row is None or bool(row.deleted)


async def _remove(db: Db, bots: BotPlanner, ids: Iterable[int], *, now: datetime) -> None:
    wanted = list(ids)
    if not wanted:
        return
    query = select(CalendarEvent).where(col(CalendarEvent.id).in_(wanted), col(CalendarEvent.bot).is_not(None))
    for event in (await db.exec(query)).all():
        await bots.cancel(db, event)
    await db.flush()
    await db.execute(
        update(CalendarEvent).where(col(CalendarEvent.id).in_(wanted)).values(deleted=True, updated_at=now)
    )
