"""A job process: what is warmed before a call, and the call itself. LiveKit's framework imports these by name."""

import gc
import importlib
import logging
from datetime import UTC, datetime

import openai
import structlog
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
from guard import logs, redaction
from guard.outbound import Outbound
from knowledge.client import KnowledgeClient

CLAIM_WITHIN = 10.0
"""Seconds to get the job from the main process, which asks the control plane until it answers."""

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

log = structlog.get_logger()


def prewarm(process: JobProcess) -> None:
    """Do before a call whatever would block its loop at first use: 1.5 s of imports, FFI and certificates."""
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


async def entrypoint(context: JobContext) -> None:
    """One call, from its ticket to its last report."""
    settings: WorkerSettings = context.proc.userdata["settings"]
    try:
        reporter = await Reporter.claim(settings.jobs_socket, context.job.id, timeout=CLAIM_WITHIN)
    except (JobRefused, TimeoutError, OSError) as error:
        log.warning("nothing to do", job=context.job.id, reason=str(error) or type(error).__name__)
        context.shutdown("refused")
        return
    job = reporter.job
    logs.conceal(*(key.api_key for key in job.keys.values()))
    knowledge = KnowledgeClient(settings.knowledge_socket) if job.knowledge_capability else None
    context.log_context_fields = {"session": job.session_id}
    try:
        async with reporter, Outbound(settings.outbound_networks, read_limit=MOST_READ) as outbound:
            try:
                if job.only_apologises:
                    apology = Apology(job, context.room, Sounds.of_job(settings, job), reporter)
                    await context.connect(auto_subscribe=AutoSubscribe.SUBSCRIBE_NONE)
                    await apology.run()
                    return
                models = Models(settings, job, context.proc.userdata["client"], outbound)
                work: Conversation | Scribe
                if job.only_writes:
                    work, hears = Scribe(job, context.room, models, reporter), AutoSubscribe.AUDIO_ONLY
                else:
                    work = Conversation(job, context.room, knowledge, models, reporter, settings)
                    hears = AutoSubscribe.SUBSCRIBE_ALL
                try:
                    await context.connect(auto_subscribe=hears)
                    await work.run()
                finally:
                    await models.close()
            except Exception:  # whatever it was, the caller must not be left with a silent persona
                log.exception("call failed", session=job.session_id)
                if job.only_writes:  # whose people talk on
                    now = datetime.now(UTC)
                    reporter.report(CallEnded(at=now, reason="model_failed", failed=True, duration_ms=0))
                    return
                sounds = Sounds.of_job(settings, job)
                await Apology(job, context.room, sounds, reporter, reason="model_failed").run()
    finally:
        if knowledge is not None:
            await knowledge.close()
        context.shutdown("call ended")
