"""Webhook endpoints of a project: create, read, change, rotate, test, delete."""

import asyncio
from datetime import timedelta
from typing import Any, Final

from sqlmodel import and_, col, select

from control_plane.auth.callers import Caller
from control_plane.clock import Clock, iso_ms
from control_plane.db.database import Db
from control_plane.db.rows import refuse_missing
from control_plane.gate.addresses import check_address
from control_plane.plans.quota import Quota
from control_plane.secrets.box import SecretBox
from control_plane.webhooks import store
from control_plane.webhooks.lanes import Parcel
from control_plane.webhooks.models import WebhookDelivery, WebhookEndpoint
from control_plane.webhooks.planner import render
from control_plane.webhooks.schemas import EndpointCreate, EndpointUpdate, WebhookTest
from control_plane.webhooks.signing import new_secret
from control_plane.webhooks.store import Settled
from control_plane.webhooks.targets import Target, attempt, open_target, sealed_as
from guard.outbound import Outbound

OVERLAP: Final = timedelta(hours=24)
"""How long a secret signs after it was replaced."""
TESTED_AT_ONCE: Final = 32
RESCUE: Final = timedelta(minutes=1)
"""A test that was not settled by then, because its process died, goes the way of the other deliveries."""


class WebhookService:
    """The webhook endpoints of one caller."""

    def __init__(self, db: Db, caller: Caller, clock: Clock, quota: Quota, box: SecretBox, outbound: Outbound) -> None:
        self.db, self.caller, self.clock, self.quota = db, caller, clock, quota
        self.box, self.outbound = box, outbound

    async def all(self) -> list[WebhookEndpoint]:
        """All endpoints, oldest first."""
        query = select(WebhookEndpoint).where(self._own()).order_by(col(WebhookEndpoint.id))
        return list((await self.db.exec(query)).all())

    async def get(self, endpoint_id: int, *, lock: bool = False) -> WebhookEndpoint:
        """One endpoint; `NotFound` or `Forbidden`."""
        query = select(WebhookEndpoint).where(self._own(), WebhookEndpoint.id == endpoint_id)
        endpoint = (await self.db.exec(query.with_for_update(key_share=True) if lock else query)).one_or_none()
        return endpoint or await refuse_missing(self.db, "webhook_endpoint", endpoint_id, "webhook")

    async def create(self, body: EndpointCreate) -> tuple[WebhookEndpoint, str]:
        """A new endpoint and its secret, within the plan's number of endpoints."""
        await check_address(self.outbound, "url", body.url)
        await self.quota.take("webhook_configs")
        endpoint = WebhookEndpoint(
            project_id=self.caller.project_id, **body.model_dump(), sealed_secret=b"", created_at=self.clock.now()
        )
        self.db.add(endpoint)
        await self.db.flush()  # the secret is sealed for the row's id
        secret = new_secret()
        endpoint.sealed_secret = self.box.seal(secret, row=sealed_as(endpoint.id))
        return endpoint, secret

    async def update(self, endpoint_id: int, body: EndpointUpdate) -> WebhookEndpoint:
        """Change the fields that were sent. Switching off gives up what waits; switching on forgets past failures."""
        changes = body.changes()
        if "url" in changes:
            await check_address(self.outbound, "url", body.url)
        endpoint = await self.get(endpoint_id, lock=True)
        if "url" in changes or changes.get("is_active"):
            changes |= {"failing_since": None}
        if "is_active" in changes:
            changes |= {"disabled_reason": None}
        endpoint.sqlmodel_update(changes | {"updated_at": self.clock.now()})
        await self.db.flush()
        if not endpoint.is_active:
            await store.give_up(self.db, [endpoint.id], now=self.clock.now())
        return endpoint

    async def rotate(self, endpoint_id: int) -> tuple[WebhookEndpoint, str]:
        """A new secret; the one before it signs too for another day."""
        endpoint = await self.get(endpoint_id, lock=True)
        now, secret = self.clock.now(), new_secret()
        endpoint.sealed_previous, endpoint.previous_until = endpoint.sealed_secret, now + OVERLAP
        endpoint.sealed_secret = self.box.seal(secret, row=sealed_as(endpoint.id))
        endpoint.updated_at = now
        return endpoint, secret

    async def delete(self, endpoint_id: int) -> None:
        """Delete an endpoint with its log."""
        await self.db.delete(await self.get(endpoint_id, lock=True))

    async def test(self, body: WebhookTest) -> list[Settled]:
        """Try each active endpoint once, at once, whatever its filter; logged as deliveries."""
        now = self.clock.now()
        content = render(
            body.event_type, project_id=self.caller.project_id, timestamp=iso_ms(now), data=body.payload or {}
        )
        targets = [open_target(self.box, endpoint) for endpoint in await self.all() if endpoint.is_active]
        rows = [
            WebhookDelivery(
                project_id=self.caller.project_id,
                endpoint_id=target.id,
                event_type=body.event_type,
                body=content,
                next_at=now + RESCUE,
                in_order=False,
            )
            for target in targets
        ]
        self.db.add_all(rows)
        await self.db.commit()
        at_once = asyncio.Semaphore(TESTED_AT_ONCE)
        settled = await asyncio.gather(
            *(self._try(target, row, at_once) for target, row in zip(targets, rows, strict=True))
        )
        if settled:
            await store.settle(self.db, self.clock, settled, judge=False)
        return settled

    async def _try(self, target: Target, row: WebhookDelivery, at_once: asyncio.Semaphore) -> Settled:
        parcel = Parcel(
            id=row.id,
            endpoint_id=target.id,
            project_id=row.project_id,
            event_seq=None,
            room_name=None,
            body=row.body,
            in_order=False,
        )
        async with at_once:
            tried = await attempt(self.outbound, self.clock, target, body=row.body, message=parcel.message)
        return Settled(parcel, target, tried, next_at=None)

    def _own(self) -> Any:
        return and_(col(WebhookEndpoint.project_id) == self.caller.project_id, col(WebhookEndpoint.dialect) == "")
