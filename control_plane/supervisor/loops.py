"""What the jobs process does for ever: stamp events, work off jobs, sweep, reconcile."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from control_plane.accounts.chain import audit_macs
from control_plane.accounts.chaining import link_entries, tell_heads
from control_plane.analysis.making import Analyst
from control_plane.analysis.reading import build_client
from control_plane.bots.following import FOLLOWED as BOTS_FOLLOWED
from control_plane.bots.following import READER as BOTS_READER
from control_plane.bots.following import BotFollower
from control_plane.bots.life import STOP_RECORDING, WRITE_DOWN
from control_plane.bots.recognisers import UPLOAD_WITHIN, Gladia
from control_plane.bots.riding import GREET, BotGreeter
from control_plane.bots.telling import DIALECT as BOT_DIALECT
from control_plane.bots.watching import BotWatch
from control_plane.bots.writing import BotWriter
from control_plane.calendars.calling import open_outbound
from control_plane.calendars.providers import Providers
from control_plane.calendars.push import Channels
from control_plane.calendars.sync import CalendarSync
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.db.leadership import Lock, govern
from control_plane.dialects.meeting_baas.webhooks import BotLetters
from control_plane.dialects.videosdk.following import FOLLOWED as ROOMS_FOLLOWED
from control_plane.dialects.videosdk.following import READER as ROOMS_READER
from control_plane.dialects.videosdk.following import RoomFollower
from control_plane.dialects.videosdk.life import CLOSE_LATE, close_late
from control_plane.dialects.videosdk.places import Places
from control_plane.dialects.videosdk.rooms import DIALECT
from control_plane.dialects.videosdk.transcribing import TRANSCRIBE, Transcriber
from control_plane.dialects.videosdk.webhooks import SIGNING_KEY, RoomLetters
from control_plane.errors import PlatformError
from control_plane.events.following import LogFollower
from control_plane.events.live import LiveBus
from control_plane.events.sequencer import Sequencer
from control_plane.events.wake import WRITTEN, Listener, Notifier
from control_plane.health.pulses import Pulse
from control_plane.jobs.queue import Handler, JobRunner
from control_plane.knowledge_bases.indexing import INDEX_BASE, BaseIndexer
from control_plane.media.recorder import Recorder
from control_plane.media.server import MediaServer
from control_plane.meetings.hosting import Host
from control_plane.meetings.life import ANSWER, END_MEETING, WARN_MEETING, end_meeting, warn_meeting
from control_plane.meetings.passes import Passes
from control_plane.meetings.waiting import Usher
from control_plane.metering.budget import WIND_UP
from control_plane.recordings.finishing import Finisher
from control_plane.recordings.links import LinkSigner
from control_plane.recordings.peaks import PEAKS, PeakMaker
from control_plane.recordings.removing import Remover
from control_plane.recordings.sessions import RecordingStarter
from control_plane.recordings.storage import build_store
from control_plane.recordings.taking import RecordingTaker
from control_plane.recordings.watching import RecordingWatch
from control_plane.rooms.retiring import SHUT
from control_plane.rooms.supervisions import SEAT
from control_plane.secrets.box import SecretBox
from control_plane.secrets.keys import find_rsa_key
from control_plane.sessions.ending import ANALYSE, CLOSE_ROOM, GIVE_UP, PERSONA_LOST, still_to_close
from control_plane.sessions.slots import StandingSigner
from control_plane.sessions.watch import LeaseWatch, give_up
from control_plane.sessions.winding import cut_off, wind_up
from control_plane.settings import Settings
from control_plane.supervision.seating import Seating
from control_plane.supervisor.dispatch import redispatch
from control_plane.supervisor.forgetting import forget
from control_plane.supervisor.parting import Parting
from control_plane.supervisor.reconciler import Reconciler
from control_plane.supervisor.retaining import retain
from control_plane.telephony.placing import CallPlacer
from control_plane.telephony.sweeping import cut_longest, give_up_unattended, hang_up_leftovers, sweep_calls
from control_plane.telephony.switchboard import Switchboard
from control_plane.telephony.sync import TrunkSync, repair_trunks
from control_plane.tokens.signer import TokenSigner
from control_plane.webhooks.deliverer import Deliverer
from control_plane.webhooks.dialects import Dialect
from guard.outbound import Outbound
from sip.dialer import Dialer, SipAwayError

SWEEP_EVERY, RECONCILE_EVERY, FORGET_EVERY = 1.0, 4.0, 60.0
LINK_EVERY, TELL_HEADS_EVERY = 1.0, 3600.0
RETAIN_EVERY = 600.0
"""Seconds between looks for what projects keep no longer: they count in days."""
BRING_BACK_EVERY = 0.5
"""Seconds between looks for people without their persona; who loses one says so besides."""
PATIENCE = 10.0

Duty = partial[Any]

log = structlog.get_logger()


async def attempt(duty: Duty) -> None:
    """Do a duty once; one that fails must not keep the others from theirs."""
    try:
        await duty()
    except (PlatformError, SipAwayError) as error:
        log.warning("duty failed", duty=duty.func.__name__, reason=str(error))
    except Exception:  # such as one bad row
        log.exception("duty failed", duty=duty.func.__name__)


async def every(seconds: float, *duties: Duty) -> None:
    """Attempt each duty, pause, and so on for ever."""
    while True:
        for duty in duties:
            await attempt(duty)
        await asyncio.sleep(seconds)


async def run(
    database: Database,
    settings: Settings,
    media: MediaServer,
    dialer: Dialer,
    recorder: Recorder,
    clock: Clock,
    *,
    ready: Callable[[], None],
) -> None:
    """Run everything until cancelled; `ready` is called once all of it has begun."""
    url = settings.database_url.get_secret_value()

    async def close_room(payload: dict[str, Any]) -> None:
        async with database.platform() as db:
            wanted = await still_to_close(db, payload["room_id"], payload["room_name"], now=clock.now())
        if wanted:
            await media.close_room(payload["room_name"])

    async def shut_room(payload: dict[str, Any]) -> None:
        await media.close_room(payload["room_name"])

    async def end_politely(payload: dict[str, Any]) -> None:
        await wind_up(database, clock, **payload)

    began, leases = clock.monotonic(), LeaseWatch(database, clock, lease=settings.lease)

    async def find_lost() -> None:
        # After a restart of everything, workers get the time to say what they hold before they are missed.
        if clock.monotonic() - began > PATIENCE:
            await leases.sweep()
            await give_up(database, clock)

    box = SecretBox(settings.secret_keys)

    async def deliver_webhooks() -> None:
        links = LinkSigner(settings.secret_keys)
        key = await find_rsa_key(database, box, SIGNING_KEY)
        letters = RoomLetters(key, Places(settings.public_url, links, clock))
        async with Outbound(settings.webhook_networks) as outbound:
            told = BotLetters(links, settings.public_url, clock)
            dialects: dict[str, Dialect] = {DIALECT: letters, BOT_DIALECT: told}
            await Deliverer(database, clock, box, outbound, dialects=dialects).run(url)

    async def place_calls() -> None:
        async with Outbound(settings.webhook_networks) as outbound:
            await CallPlacer(database, clock, media, dialer, outbound).run(url)

    async def read_calendars() -> None:
        async with open_outbound(settings.webhook_networks) as outbound:
            providers = Providers(outbound, clock, settings)
            channels = Channels(settings.secret_keys, settings.public_url, wanted=settings.calendar_push)
            await CalendarSync(database, clock, box, providers, channels).run()

    reconciler = Reconciler(database, media, clock)
    trunks = TrunkSync(dialer, box, StandingSigner(settings.secret_keys, "number"), clock)
    tickets = StandingSigner(settings.secret_keys, "slot")
    bots = BotWatch(database, clock, box, longest=settings.recordings_longest)
    supervise = partial(
        every,
        SWEEP_EVERY,
        partial(cut_off, database, clock),
        partial(bots.sweep),
        partial(sweep_calls, database, clock),
        partial(hang_up_leftovers, database, clock, dialer),
        partial(give_up_unattended, database, clock, dialer),
        partial(cut_longest, database, clock, dialer),
    )

    async def bring_back() -> None:
        dispatch = partial(redispatch, database, media, clock, tickets, slot_lifetime=settings.slot_lifetime)
        async with Listener(url, PERSONA_LOST).listening() as listener:
            while True:
                for duty in (partial(find_lost), dispatch):
                    await attempt(duty)
                await listener.wait(BRING_BACK_EVERY)

    async def keep_books() -> None:
        macs = audit_macs(settings.secret_keys)
        async with asyncio.TaskGroup() as books:
            books.create_task(every(LINK_EVERY, partial(link_entries, database, clock, macs)))
            books.create_task(every(TELL_HEADS_EVERY, partial(tell_heads, database)))
            books.create_task(every(RETAIN_EVERY, partial(retain, database, clock)))

    store = build_store(settings)
    finisher = Finisher(database, clock, store)
    watch = RecordingWatch(database, clock, recorder, finisher, longest=settings.recordings_longest)
    reconcile = partial(
        every,
        RECONCILE_EVERY,
        partial(reconciler.reconcile),
        partial(repair_trunks, database, trunks),
        partial(watch.compare),
    )
    starter = RecordingStarter(database, RecordingTaker(database, clock, recorder, box))
    peaks = PeakMaker(database, store)

    async def end_late_meeting(payload: dict[str, Any]) -> None:
        async with database.platform() as db:
            await end_meeting(db, clock, media, payload["meeting_id"], reason="max_duration")

    async def warn_late_meeting(payload: dict[str, Any]) -> None:
        async with database.platform() as db:
            await warn_meeting(db, clock, media, payload["meeting_id"])

    parting = Parting(database, clock, media, Switchboard(database, clock, dialer), tickets)
    client = build_client(settings.models_url, settings.models_api_key.get_secret_value())
    analyst = Analyst(database, clock, client, settings.analysis_model)

    transcriber = Transcriber(
        database, clock, store, client, hearing=settings.stt_model, reading=settings.analysis_model
    )

    async def close_late_room(payload: dict[str, Any]) -> None:
        await close_late(database, clock, media, payload)

    passes = Passes(
        TokenSigner(settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()),
        StandingSigner(settings.secret_keys, "meeting"),
        settings.livekit_public_url,
    )
    usher = Usher(database, media, passes)
    live = LiveBus(settings.redis_url.get_secret_value())
    greeter = BotGreeter(Host(database, clock, media), live, tickets, slot_lifetime=settings.slot_lifetime)

    async def write_down(payload: dict[str, Any]) -> None:
        async with Outbound(settings.webhook_networks, timeout=UPLOAD_WITHIN) as outbound:
            gladia = Gladia(outbound, settings.gladia_url)
            asked = {"model": settings.stt_model, "runpod_url": settings.runpod_url}
            await BotWriter(database, clock, store, box, client, gladia, **asked).handle(payload)

    async def stop_bots_recording(payload: dict[str, Any]) -> None:
        await recorder.stop(payload["egress_id"])

    async def answer_attendee(payload: dict[str, Any]) -> None:
        await usher.answer(payload["attendee_id"])

    async def analyse(payload: dict[str, Any]) -> None:
        await analyst.analyse(payload["session_id"], payload.get("wish"))

    work: dict[str, Handler] = {
        ANSWER: answer_attendee,
        GREET: greeter.handle,
        STOP_RECORDING: stop_bots_recording,
        END_MEETING: end_late_meeting,
        WARN_MEETING: warn_late_meeting,
        CLOSE_ROOM: close_room,
        SHUT: shut_room,
        SEAT: Seating(database, media).handle,
        CLOSE_LATE: close_late_room,
        WIND_UP: end_politely,
    }
    waiting: dict[str, Handler] = {GIVE_UP: parting.handle}
    # Those wait for phones and workers, or take their time: nobody who is to be let in must wait for them.
    slow: dict[str, Handler] = {
        ANALYSE: analyse,
        INDEX_BASE: BaseIndexer(database).handle,
        PEAKS: peaks.handle,
        TRANSCRIBE: transcriber.handle,
        WRITE_DOWN: write_down,
    }
    runners = tuple(JobRunner(database, clock, each) for each in (work, waiting, slow))
    followers = (
        LogFollower(database, ROOMS_READER, ROOMS_FOLLOWED, RoomFollower(clock, box).take),
        LogFollower(database, BOTS_READER, BOTS_FOLLOWED, BotFollower(clock, box).take),
    )
    notifier = Notifier(url, WRITTEN)
    database.on_announcement(notifier.poke)
    async with client, live, asyncio.TaskGroup() as tasks:
        tasks.create_task(notifier.run())
        tasks.create_task(Sequencer(url).run())
        for runner in runners:
            tasks.create_task(runner.run())
        tasks.create_task(govern(url, Lock.SWEEP, supervise))
        tasks.create_task(govern(url, Lock.BRING_BACK, bring_back))
        tasks.create_task(govern(url, Lock.WEBHOOKS, deliver_webhooks))
        tasks.create_task(govern(url, Lock.RECONCILE, reconcile))
        tasks.create_task(
            every(FORGET_EVERY, partial(forget, database, clock), partial(Remover(database, clock, store).sweep))
        )
        tasks.create_task(govern(url, Lock.BOOKS, keep_books))
        tasks.create_task(every(RECONCILE_EVERY, partial(finisher.sweep), partial(finisher.find_playable)))
        tasks.create_task(every(FORGET_EVERY, partial(watch.look_again), partial(bots.forget_keys)))
        tasks.create_task(starter.run(url))
        for follower in followers:
            tasks.create_task(follower.run(url))
        tasks.create_task(place_calls())
        tasks.create_task(read_calendars())
        tasks.create_task(Pulse(database, clock, "jobs", watches=True).run())
        ready()
