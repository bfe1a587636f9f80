"""`/bots`."""

from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query, Request

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep, SettingsDep
from control_plane.bots.again import Again, write_again
from control_plane.bots.asking import Order
from control_plane.bots.listing import Narrow, list_bots, speakers_by_session
from control_plane.bots.models import BotState
from control_plane.bots.reading import BotReader
from control_plane.bots.removing import remove_data
from control_plane.bots.sending import BOTS, BotSender, dismiss, find_bot, lock_bot
from control_plane.calendars.events import EventService
from control_plane.clock import iso_ms
from control_plane.dialects.meeting_baas.answers import (
    BotDataDeleted,
    BotDetail,
    BotDone,
    BotList,
    BotSent,
    MeetingData,
    show_bot,
    show_entry,
    show_metadata,
)
from control_plane.dialects.meeting_baas.auth import KeyDep, baas
from control_plane.dialects.meeting_baas.checking import check_ask
from control_plane.dialects.meeting_baas.shapes import JoinRequest, RetranscribeBody, recogniser_of
from control_plane.errors import Forbidden, Unavailable
from control_plane.metering.budget import find_used_up
from control_plane.plans.quota import QuotaDep
from control_plane.recordings.removing import Remover
from control_plane.wire import Clean, Since, Until

RESERVED: Final = timedelta(seconds=240)
"""When a bot comes that is reserved without a start time."""
DELETIONS: Final = 5
"""Requests a minute that delete data, of one key."""
Searched = Annotated[str, Query(max_length=500), Clean]

router = baas("/bots")


async def find_reader(request: Request, db: DbDep, clock: ClockDep, settings: SettingsDep) -> BotReader:
    """What this request may read of bots."""
    return BotReader(db, clock, request.app.state.links, settings.public_url)


Reader = Annotated[BotReader, Depends(find_reader)]


@router.post("", response_model=BotSent)
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
    recogniser, recogniser_key = recogniser_of(body.speech_to_text)
    await check_ask(request, db, caller, webhook_url=body.webhook_url, recogniser=recogniser, extra=body.extra)
    now = clock.now()
    order = Order(
        key_id=caller.key_id,
        key=key,
        recogniser_key=recogniser_key,
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
        if await find_used_up(db, caller.project_id, [], at=now) is not None:
            raise Forbidden("This month's budget is used up", details={"rule": "budget"})
        await quota.take("sessions")
    db.afterwards(partial(state.live.publish, BOTS, {}))
    return {"bot_id": str(bot.uuid)}


@router.get("/bots_with_metadata", response_model=BotList)
async def list_all_bots(
    db: DbDep,
    caller: CallerDep,
    clock: ClockDep,
    bot_name: Searched | None = None,
    meeting_url: Searched | None = None,
    speaker_name: Searched | None = None,
    created_after: Since | None = None,
    created_before: Until | None = None,
    ended_after: Since | None = None,
    filter_by_extra: Searched | None = None,
    sort_by_extra: Searched | None = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
    cursor: Searched | None = None,
) -> Any:
    """List bots, newest first, with who spoke where they were."""
    narrow = Narrow(
        bot_name,
        meeting_url,
        speaker_name,
        created_after,
        created_before,
        ended_after,
        filter_by_extra,
        sort_by_extra,
    )
    found, following = await list_bots(db, caller.project_id, narrow, limit, cursor)
    speakers = await speakers_by_session(db, caller.project_id, found)
    bots = [show_entry(bot, speakers.get(bot.session_id or 0, [])) for bot in found]
    return {"bots": bots, "recent_bots": bots, "next_cursor": following, "last_updated": iso_ms(clock.now())}


@router.post("/retranscribe", status_code=202, response_model=BotDone)
async def write_down_again(
    body: RetranscribeBody,
    request: Request,
    db: DbDep,
    caller: CallerDep,
    clock: ClockDep,
    key: KeyDep,
) -> Any:
    """Have a bot's recording written down again; a webhook says when that is done."""
    state = request.app.state
    recogniser, recogniser_key = recogniser_of(body.speech_to_text)
    await check_ask(request, db, caller, webhook_url=body.webhook_url, recogniser=recogniser)
    bot = await lock_bot(db, caller.project_id, body.bot_uuid)
    again = Again(recogniser or "Default", recogniser_key, body.webhook_url, key, caller.key_id)
    await write_again(db, clock, state.secrets, bot, again)
    return {"ok": True}


@router.post("/{bot_id}/delete_data", response_model=BotDataDeleted)
async def delete_bot_data(bot_id: UUID, request: Request, db: DbDep, caller: CallerDep, clock: ClockDep) -> Any:
    """Delete what a bot has brought back; what was asked of it stays."""
    state = request.app.state
    await state.limiter.demand(f"delete_data:{caller.key_id}", DELETIONS)
    status, recording_id = await remove_data(db, clock, await lock_bot(db, caller.project_id, bot_id))
    await db.commit()
    if recording_id is not None:
        try:
            gone = await Remover(state.database, clock, state.recordings).remove(recording_id, by=caller.key_id)
        except Unavailable:
            gone = False  # it is removed as soon as the store is there
        status = status if gone else "partiallyDeleted"
    return {"ok": True, "status": status}


@router.get("/{bot_id}/screenshots", response_model=list[Any])
async def list_screenshots(bot_id: UUID, db: DbDep, caller: CallerDep) -> Any:
    """List a bot's screenshots: none are taken here, the recording is the picture."""
    await find_bot(db, caller.project_id, bot_id)
    return []


@router.delete("/{bot_id}", response_model=BotDone)
async def dismiss_bot(bot_id: UUID, request: Request, db: DbDep, caller: CallerDep, clock: ClockDep) -> Any:
    """Have a bot leave its meeting; what it has heard until then is kept."""
    state = request.app.state
    bot = await find_bot(db, caller.project_id, bot_id)
    if bot.event_uuid is not None and bot.state == BotState.SCHEDULED:
        await EventService(db, caller, clock, state.calendars.bots).release(bot.event_uuid)
    dismiss(await lock_bot(db, caller.project_id, bot_id), clock)
    await db.commit()
    await state.live.publish(BOTS, {})
    return {"ok": True}


@router.get("/meeting_data", response_model=MeetingData)
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


@router.get("/{bot_id}", response_model=BotDetail)
async def read_bot(bot_id: UUID, db: DbDep, caller: CallerDep, reader: Reader) -> Any:
    """A bot as it is, with all that was asked of it."""
    bot = await find_bot(db, caller.project_id, bot_id)
    shown = show_bot(bot, caller.account_id, await reader.recording_of(bot))
    return shown | {"state": bot.state, "status": bot.told or None}
