"""A worker and its knowledge process as they really run, beside the platform of a test."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from parley.stack import probes
from tests.support.database import CHECKOUT, Clone
from tests.support.platform import WORKER_TOKEN, Platform

STARTS_WITHIN = 120
"""Seconds for the imports of one process on a busy machine."""


@asynccontextmanager
async def worker_of(platform: Platform, clone: Clone, livekit: str, models: str, **more: str) -> AsyncIterator[Path]:
    """Both, until the end of the block; where they write. `more`: further settings of the worker."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-test-")))
        knowledge, ready = folder / "k.sock", folder / "ready"
        shared = {"PARLEY_WORKER_TOKEN": WORKER_TOKEN, "PARLEY_ENVIRONMENT": "development"}
        searching = {"PARLEY_KNOWLEDGE_DATABASE_URL": clone.knowledge, "PARLEY_KNOWLEDGE_SOCKET": str(knowledge)}
        await stack.enter_async_context(
            _running(folder, "knowledge", ["serve"], shared | searching, lambda: probes.socket_accepts(knowledge))
        )
        working = {
            "PARLEY_LIVEKIT_URL": livekit,
            "PARLEY_LIVEKIT_API_KEY": platform.settings.livekit_api_key,
            "PARLEY_LIVEKIT_API_SECRET": platform.settings.livekit_api_secret.get_secret_value(),
            "PARLEY_CONTROL_PLANE_URL": platform.url,
            "PARLEY_MODELS_URL": models,
            "PARLEY_STT_REALTIME": "false",
            "PARLEY_KNOWLEDGE_SOCKET": str(knowledge),
            "PARLEY_SPOOL_DIR": str(folder / "spool"),
            "PARLEY_READY_FILE": str(ready),
            "PARLEY_DRAIN_TIMEOUT": "2",
        }

        async def is_ready() -> bool:
            return ready.exists()

        await stack.enter_async_context(_running(folder, "agents", [], shared | working | more, is_ready))
        yield folder


@asynccontextmanager
async def _running(
    folder: Path, module: str, arguments: list[str], environment: dict[str, str], ready: Callable[[], Awaitable[bool]]
) -> AsyncIterator[None]:
    log = folder / f"{module}.log"
    given = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(CHECKOUT), **environment}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments, cwd=CHECKOUT, env=given, stdout=output, stderr=output
        )
    try:
        async with asyncio.timeout(STARTS_WITHIN):
            while not await ready():
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.05)
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(60):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
