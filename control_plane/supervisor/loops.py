"""What the jobs process does for ever: stamp events, work off jobs, sweep, reconcile."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import structlog

from control_plane import metrics
from control_plane.accounts.chain import audit_macs
from control_plane.accounts.chaining import link_entries, tell_heads
from control_plane.analysis.reading import build_client
from control_plane.bots.following import FOLLOWED as BOTS_FOLLOWED
from control_plane.bots.following import READER as BOTS_READER
from control_plane.bots.following import BotFollower
from control_plane.bots.telling import DIALECT as BOT_DIALECT
from control_plane.bots.watching import BotWatch
from control_plane.calendars.calling import open_outbound
from control_plane.calendars.providers import Providers
from control_plane.calendars.push import Channels
from control_plane.calendars.sync import CalendarSync
from control_plane.clock import Clock, Sight
from control_plane.db.database import Database
from control_plane.db.leadership import Lock, govern
from control_plane.dialects.meeting_baas.webhooks import BotLetters
from control_plane.dialects.videosdk.following import FOLLOWED as ROOMS_FOLLOWED
from control_plane.dialects.videosdk.following import READER as ROOMS_READER
from control_plane.dialects.videosdk.following import RoomFollower
from control_plane.dialects.videosdk.places import Places
from control_plane.dialects.videosdk.rooms import DIALECT
from control_plane.dialects.videosdk.webhooks import SIGNING_KEY, RoomLetters
from control_plane.errors import PlatformError
from control_plane.events.following import LogFollower
from control_plane.events.live import LiveBus
from control_plane.events.sequencer import Sequencer
from control_plane.events.wake import WRITTEN, Listener, Notifier
from control_plane.health.pulses import Pulse
from control_plane.jobs.queue import JobRunner
from control_plane.lasting import for_ever
from control_plane.media.recorder import Recorder
from control_plane.media.server import MediaServer
from control_plane.privacy.exporting import Exporter
from control_plane.recordings.beeping import Beeper
from control_plane.recordings.finishing import Finisher
from control_plane.recordings.links import LinkSigner
from control_plane.recordings.removing import Remover
from control_plane.recordings.sessions import RecordingStarter
from control_plane.recordings.storage import build_store
from control_plane.recordings.taking import RecordingTaker
from control_plane.recordings.watching import RecordingWatch
from control_plane.secrets.box import SecretBox
from control_plane.secrets.keys import find_rsa_key
from control_plane.sessions.ending import PERSONA_LOST
from control_plane.sessions.slots import StandingSigner
from control_plane.sessions.tally import draw_together
from control_plane.sessions.watch import LeaseWatch, give_up
from control_plane.sessions.winding import cut_off
from control_plane.settings import Settings
from control_plane.supervisor.dispatch import redispatch
from control_plane.supervisor.forgetting import forget
from control_plane.supervisor.partitions import tend_partitions
from control_plane.supervisor.reconciler import Reconciler
from control_plane.supervisor.retaining import retain
from control_plane.supervisor.verifying import verify_trails
from control_plane.supervisor.work import Parts, Work
from control_plane.telephony.carriers import TrunkRules
from control_plane.telephony.placing import CallPlacer
from control_plane.telephony.sweeping import cut_longest, give_up_unattended, hang_up_leftovers, sweep_calls
from control_plane.telephony.sync import TrunkSync, repair_trunks
from control_plane.webhooks.deliverer import Deliverer
from control_plane.webhooks.dialects import Dialect
from guard.outbound import Outbound
from sip.dialer import Dialer, SipAwayError

SWEEP_EVERY, RECONCILE_EVERY, FORGET_EVERY = 1.0, 4.0, 60.0
LINK_EVERY, TALLY_EVERY, TELL_HEADS_EVERY = 1.0, 5.0, 3600.0
VERIFY_EVERY = 60.0
"""Seconds between passes over the audit trail, each of which goes on where the one before stood."""
RETAIN_EVERY = 600.0
"""Seconds between looks for what projects keep no longer: they count in days."""
TEND_EVERY = 300.0
"""Seconds between looks for partitions that are needed: two are always ahead."""
BRING_BACK_EVERY = 0.5
"""Seconds between looks for people without their persona; who loses one says so besides."""
PATIENCE = 10.0
"""Seconds until anybody is missed: after a restart of everything, workers get the time to say what they hold."""

Duty = partial[Any]

log = structlog.get_logger()


async def attempt(duty: Duty) -> None:
    """Do a duty once; one that fails must not keep the others from theirs."""
    try:
        await duty()
    except (PlatformError, SipAwayError) as error:
        log.warning("duty failed", duty=duty.func.__qualname__, reason=str(error))
    except Exception:  # such as one bad row
        log.exception("duty failed", duty=duty.func.__qualname__)


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
    url, box = settings.database_url.get_secret_value(), SecretBox(settings.secret_keys)
    store = build_store(settings)
    client = build_client(settings.models_url, settings.models_api_key.get_secret_value())
    live = LiveBus(settings.redis_url.get_secret_value())
    parts = Parts(database, settings, clock, media, dialer, recorder, box, store, client, live)
    remover, exporter = Remover(database, clock, store), Exporter(database, clock, box, store)
    finisher = Finisher(database, clock, store, Beeper(database, clock, store))
    watch = RecordingWatch(database, clock, recorder, finisher, longest=settings.recordings_longest)
    bots = BotWatch(database, clock, box, longest=settings.recordings_longest)
    trunks = TrunkSync(dialer, box, StandingSigner(settings.secret_keys, "number"), clock)
    supervise = partial(
        every,
        SWEEP_EVERY,
        partial(cut_off, database, clock),
        partial(bots.sweep),
        partial(sweep_calls, database, clock),
        partial(hang_up_leftovers, database, clock, dialer),
        partial(give_up_unattended, database, clock, dialer, Sight(clock)),
        partial(cut_longest, database, clock, dialer),
    )
    reconcile = partial(
        every,
        RECONCILE_EVERY,
        partial(Reconciler(database, media, clock).reconcile),
        partial(repair_trunks, database, trunks),
        partial(watch.compare),
    )
    followers = (
        LogFollower(database, ROOMS_READER, ROOMS_FOLLOWED, RoomFollower(clock, box).take),
        LogFollower(database, BOTS_READER, BOTS_FOLLOWED, BotFollower(clock, box).take),
    )
    notifier = Notifier(url, WRITTEN)
    database.on_announcement(notifier.poke)
    async with client, live, asyncio.TaskGroup() as tasks:
        tasks.create_task(for_ever(notifier.run))
        tasks.create_task(for_ever(Sequencer(url).run))
        for handlers in Work(parts, remover, exporter).handlers():
            tasks.create_task(for_ever(JobRunner(database, clock, handlers).run))
        tasks.create_task(govern(url, Lock.SWEEP, supervise))
        tasks.create_task(govern(url, Lock.BRING_BACK, bringing_back(parts)))
        tasks.create_task(govern(url, Lock.WEBHOOKS, partial(deliver_webhooks, parts)))
        tasks.create_task(govern(url, Lock.RECONCILE, reconcile))
        tasks.create_task(
            every(FORGET_EVERY, partial(forget, database, clock), partial(remover.sweep), partial(exporter.sweep))
        )
        tasks.create_task(govern(url, Lock.BOOKS, partial(keep_books, parts)))
        tasks.create_task(every(RECONCILE_EVERY, partial(finisher.sweep), partial(finisher.find_playable)))
        tasks.create_task(every(FORGET_EVERY, partial(watch.look_again), partial(bots.forget_keys)))
        tasks.create_task(for_ever(partial(begin_recordings, parts)))
        for follower in followers:
            tasks.create_task(for_ever(partial(follower.run, url)))
        tasks.create_task(for_ever(partial(place_calls, parts)))
        tasks.create_task(for_ever(partial(read_calendars, parts)))
        tasks.create_task(for_ever(Pulse(database, clock, "jobs", watches=True).run))
        ready()


def bringing_back(parts: Parts) -> Callable[[], Coroutine[Any, Any, None]]:
    """Misses personas and sends others, or gives up; what it returns does so for ever."""
    database, settings, clock = parts.database, parts.settings, parts.clock
    began, leases = clock.monotonic(), LeaseWatch(database, clock, lease=settings.lease)

    async def bring_back() -> None:
        lifetime = settings.slot_lifetime
        dispatch = partial(redispatch, database, parts.media, clock, parts.tickets, slot_lifetime=lifetime)
        missing = (partial(leases.sweep), partial(give_up, database, clock))
        async with Listener(settings.database_url.get_secret_value(), PERSONA_LOST).listening() as listener:
            while True:
                misses = clock.monotonic() - began > PATIENCE
                for duty in (*missing, dispatch) if misses else (dispatch,):
                    await attempt(duty)
                await listener.wait(BRING_BACK_EVERY)

    return bring_back


async def deliver_webhooks(parts: Parts) -> None:
    """Tell customers' servers what happened, for ever."""
    database, settings, clock = parts.database, parts.settings, parts.clock
    links = LinkSigner(settings.secret_keys)
    key = await find_rsa_key(database, parts.box, SIGNING_KEY)
    letters = RoomLetters(key, Places(settings.public_url, links, clock))
    async with Outbound(settings.webhook_networks) as outbound:
        told = BotLetters(links, settings.public_url, clock)
        dialects: dict[str, Dialect] = {DIALECT: letters, BOT_DIALECT: told}
        deliverer = Deliverer(database, clock, parts.box, outbound, dialects=dialects)
        await deliverer.run(settings.database_url.get_secret_value())


async def begin_recordings(parts: Parts) -> None:
    """Begin the recordings that wait for it, for ever."""
    settings = parts.settings
    async with Outbound(settings.webhook_networks) as outbound:
        taker = RecordingTaker(parts.database, parts.clock, parts.recorder, parts.box, outbound)
        await RecordingStarter(parts.database, taker).run(settings.database_url.get_secret_value())


async def place_calls(parts: Parts) -> None:
    """Place the calls that wait for their turn, for ever."""
    settings = parts.settings
    async with Outbound(settings.webhook_networks) as outbound:
        rules = TrunkRules.of(settings)
        placer = CallPlacer(parts.database, parts.clock, parts.media, parts.dialer, outbound, rules)
        await placer.run(settings.database_url.get_secret_value())


async def read_calendars(parts: Parts) -> None:
    """Read what changed in calendars, for ever."""
    settings, clock = parts.settings, parts.clock
    async with open_outbound(settings.webhook_networks) as outbound:
        providers = Providers(outbound, clock, settings)
        channels = Channels(settings.secret_keys, settings.public_url, wanted=settings.calendar_push)
        await CalendarSync(parts.database, clock, parts.box, providers, channels).run()


async def keep_books(parts: Parts) -> None:
    """Chain and verify the audit log, sum up, make place for what is to come, and let go what is kept no longer."""
    database, clock = parts.database, parts.clock
    macs = audit_macs(parts.settings.secret_keys)
    try:
        async with asyncio.TaskGroup() as books:
            books.create_task(every(LINK_EVERY, partial(link_entries, database, clock, macs)))
            books.create_task(every(TALLY_EVERY, partial(draw_together, database)))
            books.create_task(every(TELL_HEADS_EVERY, partial(tell_heads, database)))
            books.create_task(every(VERIFY_EVERY, partial(verify_trails, database, clock, macs)))
            books.create_task(every(TEND_EVERY, partial(tend_partitions, database)))
            books.create_task(every(RETAIN_EVERY, partial(retain, database, clock)))
    finally:
        metrics.PARTITION_STRAYS.clear()  # whoever leads next sees to them, and tells when there are none
