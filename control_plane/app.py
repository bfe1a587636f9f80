"""The application: parts that live as long as the process, and the tasks it owns."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from livekit import api as livekit
from starlette.types import Receive, Scope, Send

from control_plane import api, faults, pages
from control_plane.accounts.chain import audit_macs
from control_plane.auth.passwords import PasswordDesk
from control_plane.auth.sessions import SessionCookie
from control_plane.bots.claiming import BotClaimer
from control_plane.bots.entering import Entrance
from control_plane.bots.sending import BOTS
from control_plane.calendars.calling import open_outbound
from control_plane.calendars.providers import Providers
from control_plane.calendars.push import Channels
from control_plane.calendars.sync import CalendarSync
from control_plane.clock import Clock, iso_ms
from control_plane.db.database import Database
from control_plane.db.leadership import Lock, share
from control_plane.dialects.onepizza.sockets import MeetingSockets
from control_plane.events.live import LiveBus
from control_plane.events.tail import follow
from control_plane.events.wake import STAMPED, WRITTEN, Listener, Notifier
from control_plane.gate.cors import Cors
from control_plane.gate.idempotency import Waiters
from control_plane.gate.keys import KeyRing
from control_plane.gate.middleware import Gate
from control_plane.gate.operator import OperatorKey
from control_plane.gate.turns import Turns
from control_plane.gate.window import RateLimiter
from control_plane.health.pulses import Pulse
from control_plane.knowledge_bases.uploads import UploadRunner
from control_plane.lasting import for_ever
from control_plane.media.recorder import LiveKitRecorder, Recorder, target_of
from control_plane.media.server import LiveKitMedia, MediaServer
from control_plane.meetings.announcing import MEETINGS
from control_plane.meetings.hosting import CHAT, Host
from control_plane.meetings.passes import Passes
from control_plane.middleware import Frontier, Stopwatch, what_browsers_are_told
from control_plane.monitor.hub import MonitorHub
from control_plane.monitor.routes import keep_open, watch_keys
from control_plane.privacy.receipts import Receipts
from control_plane.privacy.service import export_links
from control_plane.privacy.workers import FORGET
from control_plane.recordings.finishing import Finisher
from control_plane.recordings.hooks import RECORDED
from control_plane.recordings.links import LinkSigner
from control_plane.recordings.storage import build_store
from control_plane.recordings.taking import RecordingTaker
from control_plane.reference import routes as reference
from control_plane.secrets.box import SecretBox
from control_plane.sessions.capability import ReportSigner
from control_plane.sessions.reports import LIVE_LINES, LIVE_STATES
from control_plane.sessions.service import END_CALLS
from control_plane.sessions.slots import StandingSigner, TicketSigner
from control_plane.settings import Settings
from control_plane.stopping import LastOrders, Stopping
from control_plane.supervision.service import WHISPER
from control_plane.telephony.carriers import TrunkRules
from control_plane.telephony.service import HAND_OVER, PRESS_KEYS
from control_plane.telephony.switchboard import Switchboard
from control_plane.telephony.sync import TrunkSync
from control_plane.tokens.reader import TokenReader
from control_plane.tokens.signer import TokenSigner
from control_plane.uplink.bots import BotDispatcher
from control_plane.uplink.hub import UplinkHub
from control_plane.uplink.service import UplinkService
from control_plane.wire import SOCKETS
from guard import exposition
from guard.outbound import Outbound
from knowledge.capability import derive_key
from knowledge.embedders import build_embedders
from sip.dialer import Dialer, LiveKitDialer

VERSION = "0.1.0"
KEY_USE_EVERY = 5.0
"""Seconds to within which a key's last use is known."""


def create_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    media: MediaServer | None = None,
    dialer: Dialer | None = None,
    recorder: Recorder | None = None,
) -> FastAPI:
    """The control plane as an ASGI application. What is not given of LiveKit is the settings' LiveKit server."""
    app = FastAPI(
        title="Parley",
        version=VERSION,
        summary="Voice agents on your own LiveKit",
        lifespan=_lifespan,
        redirect_slashes=False,
        openapi_url=None,
    )
    app.state.settings, app.state.clock, app.state.media = settings, clock or Clock(), media
    app.state.dialer, app.state.recorder, app.state.stopping = dialer, recorder, Stopping()
    app.add_middleware(Frontier)
    app.add_middleware(LastOrders)
    app.add_middleware(Cors)
    app.add_middleware(Gate)
    app.add_middleware(Stopwatch, told=what_browsers_are_told(settings.public_url))
    faults.install(app)
    api.install(app)
    app.mount(SOCKETS, serve_sockets)
    pages.install(app, settings)
    reference.install(app, settings.public_url)
    return app


async def serve_sockets(scope: Scope, receive: Receive, send: Send) -> None:
    """Socket.IO, once the process has begun."""
    await scope["app"].state.sockets.app(scope, receive, send)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    settings: Settings = state.settings
    clock: Clock = state.clock
    secret_keys = settings.secret_keys
    key, secret = settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()
    url = settings.database_url.get_secret_value()
    state.database = Database(settings.sqlalchemy_url, pool=settings.database_pool)
    state.live = LiveBus(settings.redis_url.get_secret_value())
    state.keys, state.limiter = KeyRing(state.database, clock), RateLimiter(settings.redis_url.get_secret_value())
    state.waiters, state.turns = Waiters(), Turns()
    state.operator = OperatorKey(settings.admin_key)
    state.cookie, state.passwords = SessionCookie(settings.public_url), PasswordDesk()
    livekit_media = LiveKitMedia(settings.livekit_url, key, secret, timeout=settings.media_timeout)
    state.media = state.media or livekit_media
    livekit_dialer = LiveKitDialer(settings.livekit_url, key, secret, timeout=settings.media_timeout)
    state.dialer = state.dialer or livekit_dialer
    options = settings.recordings_options
    target = target_of(settings.recordings_url, options)
    livekit_recorder = LiveKitRecorder(settings.livekit_url, key, secret, target, timeout=settings.media_timeout)
    state.recorder = state.recorder or livekit_recorder
    state.recordings = build_store(settings)
    state.secrets = SecretBox(secret_keys)
    state.audit_macs = audit_macs(secret_keys)
    state.finisher = Finisher(state.database, clock, state.recordings)
    state.links = LinkSigner(secret_keys)
    state.export_links = export_links(secret_keys)
    state.receipts = Receipts(secret_keys)
    state.token_signer = TokenSigner(key, secret)
    state.tickets = TicketSigner(secret_keys)
    state.hook_receiver = livekit.WebhookReceiver(livekit.TokenVerifier(key, secret))
    state.standing = StandingSigner(secret_keys, "meeting")
    state.passes = Passes(state.token_signer, state.standing, settings.livekit_public_url)
    host = Host(state.database, clock, state.media)
    state.sockets = MeetingSockets(state.database, clock, state.live, state.passes, TokenReader(key, secret), host)
    state.switchboard = Switchboard(state.database, clock, state.dialer, state.media)
    state.trunks = TrunkSync(state.dialer, state.secrets, StandingSigner(secret_keys, "number"), clock)
    state.outbound = Outbound(settings.webhook_networks)
    state.taker = RecordingTaker(state.database, clock, state.recorder, state.secrets, state.outbound)
    calendar_outbound = open_outbound(settings.webhook_networks)
    state.calendar_providers = Providers(calendar_outbound, clock, settings)
    state.channels = Channels(secret_keys, settings.public_url, wanted=settings.calendar_push)
    state.calendars = CalendarSync(state.database, clock, state.secrets, state.calendar_providers, state.channels)
    state.embedders = build_embedders(
        settings.knowledge_embedder,
        settings.knowledge_former_embedder,
        base_url=settings.models_url,
        api_key=settings.models_api_key.get_secret_value(),
    )
    state.uploads = UploadRunner(state.database, clock, lambda: state.embedders)
    state.monitor, state.hub = MonitorHub(), UplinkHub()
    state.uplink = UplinkService(
        state.database,
        clock,
        state.hub,
        state.live,
        ReportSigner(secret_keys),
        StandingSigner(secret_keys, "number"),
        StandingSigner(secret_keys, "slot"),
        state.standing,
        derive_key(settings.worker_token.get_secret_value()),
        state.switchboard,
        state.secrets,
        lease=settings.lease,
    )
    claimer = BotClaimer(
        state.database,
        clock,
        state.secrets,
        ReportSigner(secret_keys),
        Entrance(state.passes, settings.public_url, TrunkRules.of(settings)),
        lease=settings.lease,
        longest=settings.recordings_longest,
    )
    state.bots = BotDispatcher(claimer, state.hub)
    notifier = Notifier(url, WRITTEN)
    state.database.on_announcement(notifier.poke)

    async def tell_monitors() -> None:
        async with Listener(url, STAMPED).listening() as listener:
            async for batch in follow(state.database, listener):
                state.monitor.tell(batch)
                await state.sockets.tell(batch)

    async def tell_line(line: dict[str, Any]) -> None:
        state.monitor.tell_line(line, timestamp=iso_ms(clock.now()))
        await state.sockets.tell_line(line)

    def tell_state(state_of: dict[str, Any]) -> None:
        state.monitor.tell_state(state_of, timestamp=iso_ms(clock.now()))

    async def hear() -> None:
        await state.live.hear(
            {LIVE_LINES: tell_line, LIVE_STATES: tell_state},
            {MEETINGS: state.sockets.hear},
            {
                END_CALLS: state.uplink.end_calls,
                PRESS_KEYS: state.uplink.press_keys,
                HAND_OVER: state.uplink.hand_over,
                RECORDED: state.uplink.recorded,
                CHAT: state.uplink.chat,
                WHISPER: state.uplink.whisper,
            },
            {FORGET: state.uplink.forget},
            {BOTS: state.bots.wake},
        )

    async def write_key_use() -> None:
        while True:
            await asyncio.sleep(KEY_USE_EVERY)
            await state.keys.write_use()

    async def watch_monitors() -> None:
        await watch_keys(state.database, state.monitor, clock)

    async def ping_monitors() -> None:
        await keep_open(state.monitor)

    async def hear_workers() -> None:
        await share(url, Lock.HEARING)

    works = (
        notifier.run,
        hear_workers,
        tell_monitors,
        hear,
        write_key_use,
        watch_monitors,
        ping_monitors,
        state.uploads.run,
        state.bots.run,
        state.sockets.keep_present,
        Pulse(state.database, clock, "serve", lambda: {"uplinks": len(state.hub.worker_ids())}).run,
    )
    tasks = [asyncio.create_task(for_ever(work), name=work.__name__) for work in works]
    try:
        listening = exposition.listening(settings.metrics_host, settings.metrics_port)
        async with state.outbound, calendar_outbound, listening:
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await livekit_media.close()
        await livekit_dialer.close()
        await livekit_recorder.close()
        await state.live.close()
        await state.limiter.close()
        await state.embedders.close()
        await state.database.close()
