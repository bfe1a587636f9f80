"""From the log to deliveries: one for each event and endpoint that wants it.

The deliveries and the cursor are written in one transaction, so a crash repeats nothing and passes by nothing.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import or_, text
from sqlmodel import col, select

from control_plane.clock import Clock, iso_ms
from control_plane.db.database import Database, Db
from control_plane.events.facts import DOCUMENTED_WEBHOOKS, WEBHOOKS
from control_plane.events.models import Event, EventCursor
from control_plane.events.tail import BATCH, read_after
from control_plane.secrets.box import SecretBox
from control_plane.webhooks.dialects import Dialect
from control_plane.webhooks.lanes import Parcel
from control_plane.webhooks.models import WebhookEndpoint
from control_plane.webhooks.store import Planned, write_planned
from control_plane.webhooks.targets import Target, open_target

READER: Final = "webhooks"
MOST: Final = 1000
"""Deliveries written in one transaction; the events behind the one that reaches this number wait for the next."""

# What was written before there was any endpoint is nobody's. Without a number it cannot be passed by yet.
_BEGIN = text("""
    insert into event_cursor (reader, seq)
    select :reader, coalesce(max(seq), 0) from event
    where created_at < coalesce((select min(created_at) from webhook_endpoint), 'infinity')
    having count(*) filter (where seq is null) = 0
    on conflict do nothing
""")


def render(event_type: str, *, project_id: int, timestamp: str, data: dict[str, Any]) -> str:
    """A body as the document shows it."""
    body = {"event_type": event_type, "project_id": project_id, "timestamp": timestamp, "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def body_of(event: Event) -> str:
    """The body for an event; `data.room_name` is the room's full name."""
    room = {"room_name": event.room_name} if event.room_name else {}
    return render(event.type, project_id=event.project_id, timestamp=iso_ms(event.created_at), data=room | event.data)


def wanted_types(events: list[str] | None) -> frozenset[str]:
    """The facts that an endpoint with this filter is sent."""
    return WEBHOOKS & (DOCUMENTED_WEBHOOKS if events is None else frozenset(events))


class Planner:
    """Follows the log on behalf of all endpoints."""

    def __init__(
        self, database: Database, clock: Clock, box: SecretBox, dialects: Mapping[str, Dialect] | None = None
    ) -> None:
        self.database, self.clock, self.box, self.dialects = database, clock, box, dialects or {}
        self._facts = WEBHOOKS.union(*(dialect.facts for dialect in self.dialects.values()))

    async def plan(self) -> tuple[dict[int, Target], list[Parcel], bool]:
        """Take the next events in: the endpoints concerned, the new deliveries, and whether there is more to read.

        Raises `Unavailable`; what was written then is unknown.
        """
        async with self.database.platform() as db:
            cursor = await self._cursor(db)
            events = await read_after(db, cursor.seq) if cursor else []
            if cursor is None or not events:
                return {}, [], False
            planned, last = await self._match(db, events)
            parcels = await write_planned(db, planned, now=self.clock.now())
            cursor.seq = last.seq or cursor.seq
        targets = {each.target.id: each.target for each in planned}
        return targets, parcels, len(events) == BATCH or last is not events[-1]

    async def _cursor(self, db: Db) -> EventCursor | None:
        """The cursor, locked: a planner that lost its leadership meanwhile waits, and then finds nothing left.

        None while it cannot be said yet where to begin.
        """
        query = select(EventCursor).where(EventCursor.reader == READER).with_for_update()
        cursor = (await db.exec(query)).one_or_none()
        if cursor is None:
            await db.execute(_BEGIN, {"reader": READER})
            cursor = (await db.exec(query)).one_or_none()
        return cursor

    async def _match(self, db: Db, events: list[Event]) -> tuple[list[Planned], Event]:
        """What is to be written for these events, and the last of them that found room."""
        told = [event for event in events if event.type in self._facts]
        projects, rooms = {event.project_id for event in told}, {event.room_name for event in told}
        # Locked against being switched off: what is planned for an endpoint is there to be given up with it.
        query = (
            select(WebhookEndpoint)
            .where(
                col(WebhookEndpoint.project_id).in_(projects),
                col(WebhookEndpoint.is_active).is_(True),
                or_(col(WebhookEndpoint.room_name).is_(None), col(WebhookEndpoint.room_name).in_(rooms)),
            )
            .order_by(col(WebhookEndpoint.id))
            .with_for_update(read=True)
        )
        found = (await db.exec(query)).all()
        endpoints = defaultdict(list)
        for endpoint in found:
            if not endpoint.dialect:
                endpoints[endpoint.project_id].append((open_target(self.box, endpoint), wanted_types(endpoint.events)))
        letters = await self._letters(db, told, [endpoint for endpoint in found if endpoint.dialect])
        planned: list[Planned] = []
        for event in events:
            wanted = [target for target, types in endpoints[event.project_id] if event.type in types]
            body = body_of(event) if wanted else ""
            planned += [Planned(target, event.seq or 0, event.type, event.room_name, body) for target in wanted]
            planned += letters.get(event.seq or 0, ())
            if len(planned) >= MOST:
                return planned, event
        return planned, events[-1]

    async def _letters(self, db: Db, events: list[Event], endpoints: list[WebhookEndpoint]) -> dict[int, list[Planned]]:
        """What is to be written for endpoints that other services' clients made, by the number of the event."""
        planned: dict[int, list[Planned]] = defaultdict(list)
        for name, dialect in self.dialects.items():
            own = [(endpoint, open_target(self.box, endpoint)) for endpoint in endpoints if endpoint.dialect == name]
            rooms = {endpoint.room_name for endpoint, _ in own}
            about = [event for event in events if event.room_name in rooms and event.type in dialect.facts]
            written = await dialect.write(db, about) if about else {}
            for event in about:
                letter = written.get(event.seq or 0)
                planned[event.seq or 0] += [
                    Planned(target, event.seq or 0, letter.name, event.room_name, letter.body)
                    for endpoint, target in own
                    if letter and endpoint.room_name == event.room_name and letter.is_wanted(endpoint.events)
                ]
        return planned
