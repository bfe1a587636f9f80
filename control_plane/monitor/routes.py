"""`/ws/monitor`: the event log as it happens, and lines as they are spoken."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.datastructures import Headers, QueryParams

from control_plane.accounts.room_names import resolve
from control_plane.auth.callers import Caller, Credential, alive_keys, key_hash
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import Forbidden, InvalidRequest, Unauthorized, Unavailable
from control_plane.events.tail import BATCH, last_seq, read_after
from control_plane.gate.middleware import take_of_stranger
from control_plane.monitor.hub import WRONG_KEY, MonitorHub, Watcher, frame, shown_on, written
from control_plane.monitor.tickets import redeem
from control_plane.wire import MAX_ID

TRY_AGAIN = 1013
PING_EVERY = 20.0
KEY_CHECK_EVERY = 0.8
"""A revoked key closes its sockets within a second."""
PLAIN_CHANNELS = ("rooms", "calls", "sessions")
MAX_CHANNELS = 200
MAX_MESSAGE = 4096

router = APIRouter()
log = structlog.get_logger()


async def monitor(socket: WebSocket) -> None:
    """Subscribe to channels with JSON messages; see the reference for all of them."""
    await socket.accept()  # closed only then, so that browsers see the code
    try:
        caller = await _admit(socket)
        caller.demand("events", write=False)
    except (Unauthorized, Forbidden) as error:
        if await _is_patient(socket):
            await socket.close(WRONG_KEY, error.message)
        else:
            await socket.close(TRY_AGAIN, "Too many wrong keys; connect again in a minute")
        return
    except Unavailable:
        await socket.close(TRY_AGAIN, "Not now; connect again")
        return
    hub: MonitorHub = socket.app.state.monitor
    watcher = Watcher(caller.project_id, caller.slug, caller.key_id, socket.send, hub.senders)
    hub.add(watcher)
    try:
        with suppress(ConnectionError):  # while it resumed, the other side went away
            await _listen(socket, watcher)
    finally:
        hub.remove(watcher)
        watcher.end()


# Below the framework's wrappers, which cost 4 KiB of every socket.
router.add_websocket_route("/ws/monitor", monitor)


async def _admit(socket: WebSocket) -> Caller:
    """The caller by its key or its one-use ticket. A key that was just revoked is found out by `watch_keys`."""
    state = socket.app.state
    query = QueryParams(socket.scope["query_string"])  # the socket would keep what it parses
    ticket = query.get("ticket")
    if ticket is not None:
        async with state.database.platform() as db:
            return await redeem(db, ticket, now=state.clock.now())
    given = query.get("api_key") or Headers(scope=socket.scope).get("x-api-key")
    if not given:
        raise Unauthorized("Missing api_key or ticket in the address")
    shown = Credential(key_hash(given))
    caller: Caller = state.keys.remembered(shown) or await state.keys.look_up(shown)
    return caller


async def _is_patient(socket: WebSocket) -> bool:
    """Whether an address without a good key keeps to the limit that it has over HTTP."""
    host = socket.client.host if socket.client else None
    return (await take_of_stranger(socket.app.state.limiter, host)).admitted


async def watch_keys(database: Database, hub: MonitorHub, clock: Clock) -> None:
    """Close the sockets of revoked keys, with one question for all of them, until cancelled."""
    while True:
        await asyncio.sleep(KEY_CHECK_EVERY)
        asked = hub.key_ids()
        if not asked:
            continue
        try:
            async with database.platform() as db:
                hub.revoke_all_but(await alive_keys(db, asked, now=clock.now()), asked)
        except Unavailable:
            continue


async def keep_open(hub: MonitorHub) -> None:
    """Ping all sockets from time to time, until cancelled."""
    while True:
        await asyncio.sleep(PING_EVERY)
        hub.ping()


async def _listen(socket: WebSocket, watcher: Watcher) -> None:
    while True:
        try:
            text = await socket.receive_text()
        except WebSocketDisconnect:
            return
        except KeyError:
            watcher.answer({"type": "error", **InvalidRequest("Send text frames, not binary ones").body()})
            continue
        try:
            await _obey(socket, watcher, _parse(text))
        except (InvalidRequest, Forbidden, Unavailable) as error:
            watcher.answer({"type": "error", **error.body()})


def _parse(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text) if len(text) <= MAX_MESSAGE else None
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise InvalidRequest('Send JSON objects such as {"action": "subscribe", "channel": "rooms"}')
    return message


async def _channel(database: Database, given: Any, slug: str) -> str:
    """The channel as the hub knows it: rooms by their full name."""
    if given in PLAIN_CHANNELS:
        return str(given)
    if isinstance(given, str) and given.startswith("room:"):
        async with database.platform() as db:
            return "room:" + (await resolve(db, slug, given.removeprefix("room:"), field="channel")).full
    raise InvalidRequest.field("channel", f"must be one of {', '.join(PLAIN_CHANNELS)} or room:<name>")


async def _obey(socket: WebSocket, watcher: Watcher, message: dict[str, Any]) -> None:
    action = message.get("action")
    if action not in ("subscribe", "unsubscribe"):
        raise InvalidRequest.field("action", "must be subscribe or unsubscribe")
    channel = await _channel(socket.app.state.database, message.get("channel"), watcher.slug)
    if action == "unsubscribe":
        socket.app.state.monitor.unsubscribe(watcher, channel)
        watcher.answer({"type": "unsubscribed", "channel": message["channel"]})
        return
    if len(watcher.channels) >= MAX_CHANNELS:
        raise InvalidRequest(f"At most {MAX_CHANNELS} channels on one socket; `rooms` has those of all rooms")
    after = message.get("after")
    if after is not None and (not isinstance(after, int) or isinstance(after, bool) or not 0 <= after <= MAX_ID):
        raise InvalidRequest.field("after", "must be the id of an event")
    async with socket.app.state.database.platform() as db:
        newest = await last_seq(db)
    if after is None:
        after = newest
    elif after > newest:
        raise InvalidRequest.field("after", f"is beyond the log; the last id is {newest}")
    # With the id from which on it is shown, a client may resume before it has seen an event.
    watcher.answer({"type": "subscribed", "channel": message["channel"], "id": after})
    await _resume(socket, watcher, channel, after)


async def _resume(socket: WebSocket, watcher: Watcher, channel: str, after: int) -> None:
    """Show the log from `after` on, then go over to live events without a gap or a repeat."""
    cursor = after
    socket.app.state.monitor.subscribe(watcher, channel)
    try:
        while True:
            async with socket.app.state.database.platform() as db:
                batch = await read_after(db, cursor, project_id=watcher.project_id)
            for event in batch:
                if channel in shown_on(event):
                    await watcher.room()
                    watcher.offer(frame(written(event)))
                cursor = event.seq or cursor
            if len(batch) < BATCH:
                return
    finally:
        watcher.release(channel, cursor)
