"""How large a service may grow.

LiveKit's client library keeps about half a megabyte of every room that was left while somebody had a track there
(rust-sdks issue 1378, open). So a service that has grown and has nothing to do ends, and whoever supervises it starts
it anew: calls that come in that second are sent again by their phones.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

PAGE: Final = os.sysconf("SC_PAGE_SIZE")
LOOK_EVERY: Final = 5.0
"""Seconds."""


def held() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_bytes().split()[1]) * PAGE


async def outgrown(most: int, is_idle: Callable[[], bool], *, every: float = LOOK_EVERY) -> None:
    """Return once this process holds more than so many bytes, and has nothing to do."""
    while not (held() > most and is_idle()):  # noqa: ASYNC110 - memory tells nobody that it grows
        await asyncio.sleep(every)
