"""The deliveries in the database, as planner and deliverer ask for them. All across projects: the platform's door."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, text
from sqlmodel import col, select

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.webhooks.lanes import LATER_FULL, Parcel
from control_plane.webhooks.models import FIRST, LATER, DeliveryState, WebhookEndpoint
from control_plane.webhooks.schedule import DISABLE_AFTER, GONE, Dice, Tried, next_try
from control_plane.webhooks.targets import Target

KEPT: Final = timedelta(days=30)
"""How long a finished delivery stays in the log."""
FORGET_AT_ONCE: Final = 1000

_COLUMNS = "id, endpoint_id, project_id, event_seq, room_name, body, attempts, in_order, redelivery_of"

_INSERT = text("""
    insert into webhook_delivery
        (project_id, endpoint_id, event_seq, event_type, room_name, body, state, attempts, next_at, in_order)
    select project_id, endpoint_id, event_seq, event_type, room_name, body, 'waiting', 0, :now, :in_order
    from json_to_recordset(cast(:rows as json)) as wanted(
        place integer, project_id bigint, endpoint_id bigint, event_seq bigint, event_type text, room_name text,
        body text
    )
    order by place
    on conflict do nothing
    returning id, endpoint_id, event_seq
""")
_WITH_FIRST = text(f"select distinct endpoint_id from webhook_delivery where {FIRST}")  # noqa: S608 - our own text
_FIRST = text(
    f"select {_COLUMNS} from webhook_delivery "  # noqa: S608 - our own text
    f"where endpoint_id = :endpoint and id > :after and {FIRST} order by id limit :limit"
)
_LATER = text(f"""
    select due.* from webhook_endpoint endpoint cross join lateral (
        select {_COLUMNS} from webhook_delivery
        where endpoint_id = endpoint.id and {LATER} and next_at <= :now and id <> all(cast(:held as bigint[]))
        order by next_at, id limit :limit
    ) due
    where endpoint.is_active and endpoint.id <> all(cast(:full as bigint[]))
    limit :most
""")  # noqa: S608 - our own text
# Deliveries that were deleted, and those that another process settled, are passed by. An endpoint that was pointed
# elsewhere meanwhile is not judged by what the old address answered.
_SETTLE = text("""
    with told as materialized (
        select * from json_to_recordset(cast(:rows as json)) as row(
            project_id bigint, id bigint, number integer, state text, next_at timestamptz, at timestamptz,
            status integer, latency_ms double precision, error text, response text, response_headers jsonb
        )
    ), settled as (
        update webhook_delivery delivery set
            state = told.state,
            attempts = greatest(delivery.attempts, told.number),
            next_at = coalesce(told.next_at, delivery.next_at),
            finished_at = case when told.next_at is null then cast(:now as timestamptz) end
        from told where delivery.id = told.id and delivery.state = 'waiting'
        returning delivery.id
    ), changed as (
        select endpoint.id, judged.succeeded, judged.at
        from json_to_recordset(cast(:health as json)) as judged(
            id bigint, url text, succeeded boolean, at timestamptz
        )
        join webhook_endpoint endpoint on endpoint.id = judged.id and endpoint.url = judged.url
        where judged.succeeded = (endpoint.failing_since is not null)
        order by endpoint.id for no key update of endpoint
    ), judged as (
        update webhook_endpoint endpoint set failing_since = case when not changed.succeeded then changed.at end
        from changed where changed.id = endpoint.id
    )
    insert into webhook_attempt
        (project_id, delivery_id, number, at, status, latency_ms, error, response, response_headers)
    select project_id, id, number, at, status, latency_ms, error, response, response_headers from told
    where id in (select id from settled)
    on conflict do nothing
""")
_DISABLE = text("""
    with switched as (
        select endpoint.id, told.gone
        from json_to_recordset(cast(:failed as json)) as told(id bigint, url text, gone boolean)
        join webhook_endpoint endpoint on endpoint.id = told.id and endpoint.url = told.url
        where endpoint.is_active and (told.gone or endpoint.failing_since <= :too_long)
        order by endpoint.id for no key update of endpoint
    )
    update webhook_endpoint endpoint set
        is_active = false,
        disabled_reason = case when switched.gone then 'gone' else 'failing' end,
        updated_at = :now
    from switched where switched.id = endpoint.id
    returning endpoint.id, endpoint.project_id, endpoint.disabled_reason
""")
_GIVE_UP = text("""
    update webhook_delivery set state = 'failed', finished_at = :now
    where endpoint_id = any(cast(:endpoints as bigint[])) and state = 'waiting'
""")
# The oldest have the lowest ids, and none waits for that long: no other order need be kept for it.
_FORGET = text("""
    delete from webhook_delivery
    where id in (select id from webhook_delivery order by id limit :limit) and finished_at < :before
""")


class Planned(NamedTuple):
    """A delivery to be written."""

    target: Target
    event_seq: int
    event_type: str
    room_name: str | None
    body: str


class Settled(NamedTuple):
    """A try to be written."""

    parcel: Parcel
    target: Target
    tried: Tried
    next_at: datetime | None

    @classmethod
    def of(cls, parcel: Parcel, target: Target, tried: Tried, *, now: datetime, dice: Dice) -> "Settled":
        """What a try means for its delivery."""
        again = None if tried.succeeded else next_try(tried, parcel.attempts + 1, now=now, dice=dice)
        return cls(parcel, target, tried, again)

    @property
    def state(self) -> DeliveryState:
        """The delivery's state after it."""
        if self.tried.succeeded:
            return DeliveryState.DELIVERED
        return DeliveryState.FAILED if self.next_at is None else DeliveryState.WAITING

    def row(self) -> dict[str, Any]:
        """The try as JSON for the database."""
        tried = self.tried
        return {
            "project_id": self.parcel.project_id,
            "id": self.parcel.id,
            "number": self.parcel.attempts + 1,
            "state": self.state,
            "next_at": self.next_at.isoformat() if self.next_at else None,
            "at": tried.at.isoformat(),
            "status": tried.status,
            "latency_ms": tried.latency_ms,
            "error": tried.error,
            "response": tried.response,
            "response_headers": dict(tried.headers),
        }


async def write_planned(db: Db, planned: Sequence[Planned], *, now: datetime, in_order: bool = True) -> list[Parcel]:
    """Insert deliveries; those that were not there before, in the order given. A replay's are not `in_order`."""
    if not planned:
        return []
    rows = [
        {
            "place": place,
            "project_id": each.target.project_id,
            "endpoint_id": each.target.id,
            "event_seq": each.event_seq,
            "event_type": each.event_type,
            "room_name": each.room_name,
            "body": each.body,
        }
        for place, each in enumerate(planned)
    ]
    values = {"now": now, "in_order": in_order, "rows": json.dumps(rows)}
    written = {(row.endpoint_id, row.event_seq): row.id for row in (await db.execute(_INSERT, values)).all()}
    return [
        Parcel(
            id=written[each.target.id, each.event_seq],
            endpoint_id=each.target.id,
            project_id=each.target.project_id,
            event_seq=each.event_seq,
            room_name=each.room_name,
            body=each.body,
            in_order=in_order,
        )
        for each in planned
        if (each.target.id, each.event_seq) in written
    ]


async def find_active(db: Db, ids: Iterable[int]) -> list[WebhookEndpoint]:
    """Those of the endpoints that are switched on."""
    query = select(WebhookEndpoint).where(col(WebhookEndpoint.id).in_(ids), col(WebhookEndpoint.is_active).is_(True))
    return list((await db.exec(query)).all())


async def endpoints_with_first(db: Db) -> set[int]:
    """The endpoints for which first tries wait."""
    return set((await db.execute(_WITH_FIRST)).scalars())


async def load_first(db: Db, endpoint_id: int, *, after: int, limit: int) -> list[Parcel]:
    """The next deliveries of an endpoint that were not tried yet, in the order of the log."""
    values = {"endpoint": endpoint_id, "after": after, "limit": limit}
    return [_parcel(row) for row in (await db.execute(_FIRST, values)).all()]


async def load_later(db: Db, *, held: Iterable[int], full: Iterable[int], now: datetime, most: int) -> list[Parcel]:
    """Repeats and redeliveries that are due, besides those in memory, a bounded number of each endpoint."""
    values = {"held": list(held), "full": list(full), "now": now, "limit": LATER_FULL, "most": most}
    return [_parcel(row) for row in (await db.execute(_LATER, values)).all()]


async def settle(db: Db, clock: Clock, settled: Sequence[Settled], *, judge: bool = True) -> set[int]:
    """Write tries and what they mean; the endpoints that were switched off by it.

    Deliveries that were deleted meanwhile are passed by. Without `judge` only an endpoint that is gone is judged.
    """
    health = _health([each for each in settled if judge or each.tried.status == GONE])
    values = {"rows": json.dumps([each.row() for each in settled]), "health": json.dumps(health), "now": clock.now()}
    await db.execute(_SETTLE, values)
    failed = [row for row in health if row["failed"]]
    return await _switch_off(db, clock, failed) if failed else set()


async def give_up(db: Db, endpoints: Iterable[int], *, now: datetime) -> None:
    """Fail what waits for endpoints that are switched off."""
    await db.execute(_GIVE_UP, {"endpoints": list(endpoints), "now": now})


async def forget(db: Db, *, now: datetime) -> int:
    """Delete some of the deliveries that finished too long ago; how many."""
    done = await db.execute(_FORGET, {"before": now - KEPT, "limit": FORGET_AT_ONCE})
    return int(getattr(done, "rowcount", 0))


def _health(settled: Sequence[Settled]) -> list[dict[str, Any]]:
    """What these tries say about each endpoint at its address: one success outweighs the failures beside it."""
    health: dict[tuple[int, str], dict[str, Any]] = {}
    for each in settled:
        at = each.tried.at.isoformat()
        told = {"id": each.target.id, "url": each.target.url, "succeeded": False, "at": at}
        row = health.setdefault((each.target.id, each.target.url), told | {"failed": False, "gone": False})
        row["at"] = min(row["at"], at)
        row["succeeded"] |= each.tried.succeeded
        row["failed"] |= not each.tried.succeeded
        row["gone"] |= each.tried.status == GONE
    return list(health.values())


async def _switch_off(db: Db, clock: Clock, failed: list[dict[str, Any]]) -> set[int]:
    now = clock.now()
    values = {"failed": json.dumps(failed), "now": now, "too_long": now - DISABLE_AFTER}
    rows = (await db.execute(_DISABLE, values)).all()
    for row in rows:
        EventLog(db, clock).append(
            Fact.WEBHOOK_DISABLED, project_id=row.project_id, endpoint_id=row.id, reason=row.disabled_reason
        )
    switched_off = {row.id for row in rows}
    if switched_off:
        await give_up(db, switched_off, now=now)
    return switched_off


def _parcel(row: Row[Any]) -> Parcel:
    return Parcel._make(row)
