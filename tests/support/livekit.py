"""A livekit-server beside the platform of a test."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import yaml

from control_plane.media.server import LiveKitMedia
from parley.stack import probes
from parley.stack.livekit import livekit_configuration, livekit_program
from parley.stack.secrets import Secrets
from tests.support.platform import Platform
from tests.support.ports import free_port

PORTS = ("livekit", "livekit_udp", "livekit_tcp", "livekit_metrics")
STARTS_WITHIN = 60
"""Seconds on a busy machine."""


@asynccontextmanager
async def livekit_running(folder: Path, secret: str, *, hooks: str) -> AsyncIterator[str]:
    """Configured as `parley up` does, without Redis; it tells `hooks`. Its address."""
    ports = {name: free_port() for name in PORTS}
    secrets = replace(Secrets.generate(), livekit_api_key="devkey", livekit_api_secret=secret)
    content = yaml.safe_load(livekit_configuration({**ports, "redis": 0}, secrets, webhook_url=hooks))
    del content["redis"]
    configuration = folder / "livekit.yaml"
    configuration.write_text(yaml.safe_dump(content))
    with (folder / "livekit.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            livekit_program(), "--config", str(configuration), stdout=output, stderr=output
        )
    try:
        async with asyncio.timeout(STARTS_WITHIN):
            while await probes.http_status(ports["livekit"], "/") not in (200, 406):
                assert process.returncode is None, (folder / "livekit.log").read_text()[-2000:]
                await asyncio.sleep(0.05)
        yield f"ws://127.0.0.1:{ports['livekit']}"
    finally:
        for _ in range(2):  # the first waits for participants to leave, the second does not
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            await process.wait()


@asynccontextmanager
async def livekit_of(platform: Platform, folder: Path, *, hooks: str | None = None) -> AsyncIterator[str]:
    """The same; the platform controls it and hears its hooks, unless they go to another address. Its own."""
    secret = platform.settings.livekit_api_secret.get_secret_value()
    async with livekit_running(folder, secret, hooks=hooks or f"{platform.url}/livekit/webhook") as url:
        media = LiveKitMedia(url, "devkey", secret, timeout=20)
        platform.app.state.media = media
        try:
            yield url
        finally:
            await media.close()
