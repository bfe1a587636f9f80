"""`/webhooks` and `/deliveries`."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.gate.bodies import described, optional
from control_plane.gate.operation import primary
from control_plane.plans.quota import QuotaDep
from control_plane.webhooks.deliveries import DeliveryService
from control_plane.webhooks.models import DeliveryState, WebhookEndpoint
from control_plane.webhooks.schemas import (
    DeliveryAnswer,
    DeliveryList,
    EndpointAnswer,
    EndpointCreate,
    EndpointList,
    EndpointRead,
    EndpointSecret,
    EndpointSecretAnswer,
    EndpointUpdate,
    EventType,
    Redelivered,
    Replayed,
    ReplayStart,
    TestAnswer,
    WebhookTest,
)
from control_plane.webhooks.service import WebhookService
from control_plane.wire import Done, Excerpt, RowId, Since, Until

router = primary(tags=["Webhooks"])


async def find_webhooks(
    request: Request, db: DbDep, caller: CallerDep, clock: ClockDep, quota: QuotaDep
) -> WebhookService:
    """The webhook endpoints of this request's caller."""
    state = request.app.state
    return WebhookService(db, caller, clock, quota, state.secrets, state.outbound)


async def find_deliveries(request: Request, db: DbDep, caller: CallerDep, clock: ClockDep) -> DeliveryService:
    """The deliveries of this request's caller."""
    return DeliveryService(db, caller, clock, request.app.state.secrets)


Webhooks = Annotated[WebhookService, Depends(find_webhooks)]
Deliveries = Annotated[DeliveryService, Depends(find_deliveries)]


def _with_secret(endpoint: WebhookEndpoint, secret: str) -> dict[str, Any]:
    shown = EndpointRead.model_validate(endpoint).model_dump()
    return {"webhook": EndpointSecret(**shown, secret=secret)}


@router.get("/webhooks", response_model=EndpointList)
async def list_webhooks(webhooks: Webhooks) -> Any:
    """List webhook endpoints."""
    return {"webhooks": await webhooks.all()}


@router.post("/webhooks", status_code=201, response_model=EndpointSecretAnswer)
async def create_webhook(body: EndpointCreate, webhooks: Webhooks) -> Any:
    """Create a webhook endpoint; its secret is shown only here."""
    return _with_secret(*await webhooks.create(body))


@router.post(
    "/webhooks/test",
    response_model=TestAnswer,
    response_model_exclude_defaults=True,
    openapi_extra=described(WebhookTest),
)
async def test_webhooks(body: Annotated[WebhookTest, Depends(optional(WebhookTest))], webhooks: Webhooks) -> Any:
    """Send a test event to all active endpoints, once and at once."""
    settled = await webhooks.test(body)
    results = [
        {
            "endpoint_id": each.target.id,
            "delivery_id": each.parcel.id,
            "status": each.tried.status,
            "latency_ms": each.tried.latency_ms,
        }
        | ({} if each.tried.succeeded else {"error": each.tried.error or f"answered {each.tried.status}"})
        for each in settled
    ]
    return {"success": all(each.tried.succeeded for each in settled), "results": results}


@router.get("/webhooks/{webhook_id:int}", response_model=EndpointAnswer)
async def read_webhook(webhook_id: RowId, webhooks: Webhooks) -> Any:
    """Read a webhook endpoint."""
    return {"webhook": await webhooks.get(webhook_id)}


@router.patch("/webhooks/{webhook_id:int}", response_model=EndpointAnswer)
async def update_webhook(webhook_id: RowId, body: EndpointUpdate, webhooks: Webhooks) -> Any:
    """Change fields of a webhook endpoint; what is not sent stays."""
    return {"webhook": await webhooks.update(webhook_id, body)}


@router.delete("/webhooks/{webhook_id:int}", response_model=Done)
async def delete_webhook(webhook_id: RowId, webhooks: Webhooks) -> Any:
    """Delete a webhook endpoint and its log."""
    await webhooks.delete(webhook_id)
    return Done(message="Webhook deleted")


@router.post("/webhooks/{webhook_id}/rotate-secret", response_model=EndpointSecretAnswer)
async def rotate_secret(webhook_id: RowId, webhooks: Webhooks) -> Any:
    """Give a webhook endpoint a new secret; the old one signs too for 24 hours."""
    return _with_secret(*await webhooks.rotate(webhook_id))


@router.get("/webhooks/{webhook_id}/deliveries", response_model=DeliveryList)
async def list_deliveries(
    webhook_id: RowId,
    deliveries: Deliveries,
    excerpt: Annotated[Excerpt, Depends()],
    state: DeliveryState | None = None,
    event_type: Annotated[EventType | None, Query()] = None,
    since: Annotated[Since | None, Query(alias="from")] = None,
    until: Annotated[Until | None, Query(alias="to")] = None,
) -> Any:
    """List deliveries of a webhook endpoint."""
    shown, total = await deliveries.page(
        webhook_id, excerpt, state=state, event_type=event_type, since=since, until=until
    )
    return {"deliveries": shown, **excerpt.pages(total)}


@router.post("/webhooks/{webhook_id}/replay", status_code=202, response_model=Replayed)
async def replay(webhook_id: RowId, body: ReplayStart, deliveries: Deliveries) -> Any:
    """Send a part of the event log to a webhook endpoint again."""
    return await deliveries.replay(webhook_id, body)


@router.get("/deliveries/{delivery_id}", response_model=DeliveryAnswer)
async def read_delivery(delivery_id: RowId, deliveries: Deliveries) -> Any:
    """Read a delivery with its attempts."""
    return {"delivery": await deliveries.get(delivery_id)}


@router.post("/deliveries/{delivery_id}/redeliver", status_code=202, response_model=Redelivered)
async def redeliver(delivery_id: RowId, deliveries: Deliveries) -> Any:
    """Send a delivery again."""
    return {"delivery": await deliveries.redeliver(delivery_id)}
