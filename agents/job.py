"""A job process: what is warmed before a call, and the call itself. LiveKit's framework imports these by name."""

import asyncio
import gc
import importlib
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import openai
import structlog
from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext, JobProcess
from livekit.agents.utils import http_context
from livekit.rtc._ffi_client import FfiClient

from agents.apology import Apology
from agents.contract import CallEnded
from agents.conversation import Conversation
from agents.models import Models, build_client
from agents.prepared import Sounds
from agents.providers import NotToBeHadError, plugin
from agents.reporter import JobRefused, Reporter
from agents.scribe import Scribe
from agents.searching import MOST_READ
from agents.settings import WorkerSettings
from agents.timing import end_if_dead
from guard import logs, redaction
from guard.outbound import Outbound
from knowledge.client import KnowledgeClient
from pocket.rooms.joining import during, unbroken

CLAIM_WITHIN = 75.0
"""Seconds to get the job from the main process, which asks the control plane until it answers, and gives up sooner."""

LAZY = (
    "openai.resources.chat.completions.completions",
    "openai.resources.audio.audio",
    "openai.resources.realtime.realtime",
    "anyio._backends._asyncio",
    "livekit.agents.voice.room_io",
    "livekit.agents.inference.eot.transports",
    "aiohttp.client_ws",
)
"""Modules that are otherwise imported in the first second of a call, on its event loop."""

NICE: Final = 5
"""How far the processes of calls stand back (nice(2)) behind LiveKit, the database, the control plane and their own
main process where they share a machine: they get a third of the share each. Those need little, and everybody waits for
them; where many calls begin at once, two dozen of these would leave them nothing."""

log = structlog.get_logger()


def prewarm(process: JobProcess, *, jobs_socket: Path) -> None:
    """Do before a call whatever would block its loop at first use: 1.5 s of imports, FFI and certificates. The main
    process is reached at `jobs_socket`.
    """
    if os.getpriority(os.PRIO_PROCESS, 0) < NICE:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)  # of this thread, and of those that it starts
    process.userdata["jobs_socket"] = jobs_socket
    for name in LAZY:
        importlib.import_module(name)
    _ = FfiClient.instance
    http_context._create_ssl_context()
    settings = process.userdata["settings"] = WorkerSettings()
    logs.configure(settings.log_format)
    redaction.configure(settings.redactor)
    logs.conceal(*(key.get_secret_value() for key in settings.provider_keys.values()))
    for provider in settings.provider_keys:
        try:
            plugin(provider)
        except NotToBeHadError as error:
            log.warning("provider not to be had", provider=provider, reason=str(error))
    client: openai.AsyncOpenAI = build_client(settings)
    for resource in ("chat", "audio", "models"):
        getattr(client, resource)
    process.userdata["client"] = client
    logging.getLogger("livekit.agents").setLevel(logging.WARNING)
    gc.collect()
    gc.freeze()


@asynccontextmanager
async def share(process: JobProcess) -> AsyncIterator[None]:
    """What all calls of a hall have in common, and a process of one call has for itself."""
    async with _outbound(process.userdata["settings"]) as outbound:
        process.userdata["outbound"] = outbound
        yield


def _outbound(settings: WorkerSettings) -> Outbound:
    return Outbound(settings.outbound_networks, read_limit=MOST_READ)


@asynccontextmanager
async def _outbound_of(process: JobProcess) -> AsyncIterator[Outbound]:
    shared: Outbound | None = process.userdata.get("outbound")
    if shared is not None:
        yield shared
        return
    async with _outbound(process.userdata["settings"]) as own:
        yield own


async def entrypoint(context: JobContext) -> None:
    """One call, from its ticket to its last report."""
    settings: WorkerSettings = context.proc.userdata["settings"]
    try:
        reporter = await Reporter.claim(context.proc.userdata["jobs_socket"], context.job.id, timeout=CLAIM_WITHIN)
    except (JobRefused, TimeoutError, OSError) as error:
        log.warning("nothing to do", job=context.job.id, reason=str(error) or type(error).__name__)
        context.shutdown("refused")
        return
    job = reporter.job
    watch = asyncio.create_task(end_if_dead())
    reveal = logs.conceal(*(key.api_key for key in job.keys.values()))

    async def forget() -> None:
        reveal()

    context.add_shutdown_callback(forget)
    knowledge = KnowledgeClient(settings.knowledge_socket) if job.knowledge_capability else None
    context.log_context_fields = {"session": job.session_id}
    try:
        async with reporter, _outbound_of(context.proc) as outbound:
            try:
                if job.only_apologises:
                    apology = Apology(job, context.room, Sounds.of_job(settings, job), reporter)
                    await unbroken(context.connect(auto_subscribe=AutoSubscribe.SUBSCRIBE_NONE))
                    await apology.run()
                    return
                work: Conversation | Scribe
                hears = AutoSubscribe.AUDIO_ONLY if job.only_writes else AutoSubscribe.SUBSCRIBE_ALL
                async with AsyncExitStack() as closing:
                    async with during(context.connect(auto_subscribe=hears)):
                        models = Models(settings, job, context.proc.userdata["client"], outbound)
                        closing.push_async_callback(models.close)
                        if job.only_writes:
                            work = Scribe(job, context.room, models, reporter)
                        else:
                            work = Conversation(job, context.room, knowledge, models, reporter, settings)
                    await work.run()
            except rtc.ConnectError:  # LiveKit did not let it in: no model's fault, and another persona may come
                log.warning("not let into the room", session=job.session_id)
                reporter.report(CallEnded(at=datetime.now(UTC), reason="not_started", failed=True, duration_ms=0))
            except Exception:  # whatever it was, the caller must not be left with a silent persona
                log.exception("call failed", session=job.session_id)
                if job.only_writes:  # whose people talk on
                    now = datetime.now(UTC)
                    reporter.report(CallEnded(at=now, reason="model_failed", failed=True, duration_ms=0))
                    return
                sounds = Sounds.of_job(settings, job)
                await Apology(job, context.room, sounds, reporter, reason="model_failed").run()
    finally:
        watch.cancel()
        if knowledge is not None:
            await knowledge.close()
        context.shutdown("call ended")
