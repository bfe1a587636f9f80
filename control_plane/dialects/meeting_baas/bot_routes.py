"""`/bots`."""

from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query, Request

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep, SettingsDep
from control_plane.bots.asking import Order
from control_plane.bots.models import BotState
from control_plane.bots.reading import BotReader
from control_plane.bots.sending import BOTS, BotSender, dismiss, find_bot, lock_bot
from control_plane.dialects.meeting_baas.answers import show_metadata
from control_plane.dialects.meeting_baas.auth import KeyDep, baas
from control_plane.dialects.meeting_baas.shapes import JoinRequest, recogniser_of
from control_plane.errors import InvalidRequest
from control_plane.plans.quota import QuotaDep
from guard.outbound import BadAddress, Outbound

RESERVED: Final = timedelta(seconds=240)
"""When a bot comes that is reserved without a start time."""

router = baas("/bots")


async def find_reader(request: Request, db: DbDep, clock: ClockDep, settings: SettingsDep) -> BotReader:
    """What this request may read of bots."""
    return BotReader(db, clock, request.app.state.links, settings.public_url)


Reader = Annotated[BotReader, Depends(find_reader)]


async def check_webhook(outbound: Outbound, url: str | None) -> None:
    """Raise `InvalidRequest` for an address to which nothing is sent from here."""
    try:
        if url is not None:
            await outbound.check(url)
    except BadAddress as error:
        raise InvalidRequest.field("webhook_url", error.reason) from error


@router.post("")
async def send_bot(
    body: JoinRequest,
    request: Request,
    db: DbDep,
    caller: CallerDep,
    clock: ClockDep,
    settings: SettingsDep,
    quota: QuotaDep,
    key: KeyDep,
) -> Any:
    """Send a bot to a meeting, now or at its time."""
    state = request.app.state
    await check_webhook(state.outbound, body.webhook_url)
    now = clock.now()
    order = Order(
        key_id=caller.key_id,
        key=key,
        recogniser_key=recogniser_of(body.speech_to_text)[1],
        meeting_url=body.meeting_url,
        bot_name=body.bot_name,
        deduplication_key=body.deduplication_key,
        webhook_url=body.webhook_url,
        extra=body.extra or {},
        due_at=body.due_at(now, RESERVED),
        ask=body.ask(),
    )
    sender = BotSender(db, clock, state.secrets, caller.project_id, caller.slug, settings.public_url)
    bot = await sender.send(order)
    if order.due_at == now and bot.state == BotState.SCHEDULED:
        await quota.take("sessions")
    await db.commit()
    await state.live.publish(BOTS, {})
    return {"bot_id": str(bot.uuid)}


@router.delete("/{bot_id}")
async def dismiss_bot(bot_id: UUID, request: Request, db: DbDep, caller: CallerDep, clock: ClockDep) -> Any:
    """Have a bot leave its meeting; what it has heard until then is kept."""
    dismiss(await lock_bot(db, caller.project_id, bot_id), clock)
    await db.commit()
    await request.app.state.live.publish(BOTS, {})
    return {"ok": True}


@router.get("/meeting_data")
async def read_meeting_data(
    bot_id: UUID,
    db: DbDep,
    caller: CallerDep,
    reader: Reader,
    include_transcripts: Annotated[bool, Query()] = True,
) -> Any:
    """What a bot has brought back so far."""
    bot = await find_bot(db, caller.project_id, bot_id)
    recording = await reader.recording_of(bot)
    passages = await reader.passages(bot, recording) if include_transcripts else []
    return show_metadata(bot, caller.account_id, recording, reader.link_to(recording), passages)
