"""The log of deliveries: what was sent, how each try went, and sending it again."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlmodel import and_, col, select

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import read_excerpt, refuse_missing
from control_plane.errors import Conflict
from control_plane.events.models import Event, beyond
from control_plane.secrets.box import SecretBox
from control_plane.webhooks import signing
from control_plane.webhooks.models import DeliveryState, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from control_plane.webhooks.planner import body_of, wanted_types
from control_plane.webhooks.schemas import AttemptRead, DeliveryDetail, DeliveryRead, Replayed, ReplayStart
from control_plane.webhooks.store import Planned, write_planned
from control_plane.webhooks.targets import Target, open_target
from control_plane.wire import Excerpt

REPLAY_LIMIT: Final = 5000
"""Events that one call replays."""
REPLAY_AT_ONCE: Final = 500


class DeliveryService:
    """The deliveries of one caller."""

    def __init__(self, db: Db, caller: Caller, clock: Clock, box: SecretBox) -> None:
        self.db, self.caller, self.clock, self.box = db, caller, clock, box

    async def page(
        self,
        endpoint_id: int,
        excerpt: Excerpt,
        *,
        state: DeliveryState | None,
        event_type: str | None,
        since: datetime | None,
        until: datetime | None,
    ) -> tuple[list[DeliveryRead], int]:
        """Some deliveries of an endpoint, the newest first, and how many there are."""
        await self._endpoint(endpoint_id)
        where = [WebhookDelivery.project_id == self.caller.project_id, WebhookDelivery.endpoint_id == endpoint_id]
        if state is not None:
            where.append(WebhookDelivery.state == state)
        if event_type is not None:
            where.append(WebhookDelivery.event_type == event_type)
        if since is not None:
            where.append(WebhookDelivery.created_at >= since)
        if until is not None:
            where.append(WebhookDelivery.created_at <= until)
        query = select(WebhookDelivery).where(*where)
        rows, total = await read_excerpt(self.db, query, col(WebhookDelivery.id), excerpt)
        last = await self._last_tries([row[0].id for row in rows])
        return [DeliveryRead(**_shown(row[0], last.get(row[0].id))) for row in rows], total

    async def get(self, delivery_id: int) -> DeliveryDetail:
        """One delivery with its tries; `NotFound` or `Forbidden`."""
        delivery = await self._delivery(delivery_id)
        query = (
            select(WebhookAttempt)
            .where(WebhookAttempt.project_id == self.caller.project_id, WebhookAttempt.delivery_id == delivery_id)
            .order_by(col(WebhookAttempt.number))
        )
        tries = (await self.db.exec(query)).all()
        target = open_target(self.box, await self._endpoint(delivery.endpoint_id))
        attempts = _attempts(delivery, tries, target.headers)
        return DeliveryDetail(**_shown(delivery, tries[-1] if tries else None), body=delivery.body, attempts=attempts)

    async def redeliver(self, delivery_id: int) -> DeliveryRead:
        """Send a delivery again, as one of its own. `Conflict` where the endpoint is switched off."""
        delivery = await self._delivery(delivery_id)
        await self._active(delivery.endpoint_id)
        again = WebhookDelivery(
            project_id=delivery.project_id,
            endpoint_id=delivery.endpoint_id,
            event_seq=delivery.event_seq,
            event_type=delivery.event_type,
            room_name=delivery.room_name,
            body=delivery.body,
            next_at=self.clock.now(),
            in_order=False,
            redelivery_of=delivery.redelivery_of or delivery.id,
            created_at=self.clock.now(),
        )
        self.db.add(again)
        await self.db.flush()
        return DeliveryRead(**_shown(again, None))

    async def replay(self, endpoint_id: int, body: ReplayStart) -> Replayed:
        """Send a part of the log again: what the endpoint's filter lets through, whether it was sent before or not."""
        endpoint = await self._active(endpoint_id)
        target = open_target(self.box, endpoint)
        queued, last, complete = 0, body.after_id or 0, False
        while queued < REPLAY_LIMIT and not complete:
            events = await self._events(endpoint, body, after=last)
            queued += await self._write(target, events)
            last = events[-1].seq or last if events else last
            complete = len(events) < REPLAY_AT_ONCE
        return Replayed(queued=queued, last_id=last if queued else None, complete=complete)

    async def _events(self, endpoint: WebhookEndpoint, body: ReplayStart, *, after: int) -> Sequence[Event]:
        query = select(Event).where(
            Event.project_id == self.caller.project_id,
            *beyond(after),
            col(Event.type).in_(wanted_types(endpoint.events)),
        )
        if body.since is not None:
            query = query.where(Event.created_at >= body.since)
        if body.until is not None:
            query = query.where(Event.created_at <= body.until)
        return (await self.db.exec(query.order_by(col(Event.seq)).limit(REPLAY_AT_ONCE))).all()

    async def _write(self, target: Target, events: Sequence[Event]) -> int:
        planned = [
            Planned(target, event.seq, event.type, event.room_name, body_of(event)) for event in events if event.seq
        ]
        return len(await write_planned(self.db, planned, now=self.clock.now(), in_order=False))

    async def _last_tries(self, delivery_ids: Sequence[int]) -> dict[int, WebhookAttempt]:
        ended = and_(
            col(WebhookAttempt.delivery_id) == WebhookDelivery.id,
            col(WebhookAttempt.number) == WebhookDelivery.attempts,
        )
        query = (
            select(WebhookAttempt)
            .join(WebhookDelivery, ended)
            .where(WebhookDelivery.project_id == self.caller.project_id, col(WebhookDelivery.id).in_(delivery_ids))
        )
        return {each.delivery_id: each for each in (await self.db.exec(query)).all()}

    async def _delivery(self, delivery_id: int) -> WebhookDelivery:
        query = select(WebhookDelivery).where(
            WebhookDelivery.project_id == self.caller.project_id, WebhookDelivery.id == delivery_id
        )
        delivery = (await self.db.exec(query)).one_or_none()
        return delivery or await refuse_missing(self.db, "webhook_delivery", delivery_id, "delivery")

    async def _endpoint(self, endpoint_id: int, *, lock: bool = False) -> WebhookEndpoint:
        query = select(WebhookEndpoint).where(
            WebhookEndpoint.project_id == self.caller.project_id, WebhookEndpoint.id == endpoint_id
        )
        endpoint = (await self.db.exec(query.with_for_update(read=True) if lock else query)).one_or_none()
        return endpoint or await refuse_missing(self.db, "webhook_endpoint", endpoint_id, "webhook")

    async def _active(self, endpoint_id: int) -> WebhookEndpoint:
        """An endpoint that is switched on, and stays so until the commit."""
        endpoint = await self._endpoint(endpoint_id, lock=True)
        if not endpoint.is_active:
            raise Conflict("This webhook is switched off; switch it on with PATCH first")
        return endpoint


def _message(delivery: WebhookDelivery) -> str:
    return signing.message_id(event_seq=delivery.event_seq, delivery_id=delivery.redelivery_of or delivery.id)


def _shown(delivery: WebhookDelivery, last: WebhookAttempt | None) -> dict[str, Any]:
    waits = delivery.state == DeliveryState.WAITING
    return {
        "id": delivery.id,
        "endpoint_id": delivery.endpoint_id,
        "event_id": delivery.event_seq,
        "event_type": delivery.event_type,
        "room_name": delivery.room_name,
        "message_id": _message(delivery),
        "state": delivery.state,
        "attempt_count": delivery.attempts,
        "last_status": last.status if last else None,
        "last_latency_ms": last.latency_ms if last else None,
        "next_attempt_at": delivery.next_at if waits else None,
        "redelivery_of": delivery.redelivery_of,
        "created_at": delivery.created_at,
        "finished_at": delivery.finished_at,
    }


def _attempts(delivery: WebhookDelivery, tries: Sequence[WebhookAttempt], secret: Iterable[str]) -> list[AttemptRead]:
    return [
        AttemptRead(
            number=each.number,
            at=each.at,
            status=each.status,
            latency_ms=each.latency_ms,
            error=each.error,
            request_headers=signing.shown_headers(
                message=_message(delivery), timestamp=int(each.at.timestamp()), secret=secret
            ),
            response_headers=each.response_headers,
            response=each.response,
        )
        for each in tries
    ]
