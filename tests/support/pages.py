"""Scripts of `web/tests` in Chromium, beside a platform in the test's own event loop."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

from tests.support.database import CHECKOUT

DESKTOP = ("--width", "1440", "--height", "900")
PHONE = ("--width", "390", "--height", "844", "--dark")


async def in_browser(script: str, out: Path, *options: str, within: float = 200) -> dict[str, Any]:
    """What a script saw; it has so many seconds."""
    node = await asyncio.create_subprocess_exec(
        shutil.which("node") or "node",
        *(f"web/tests/{script}", "--json", str(out), *options),
        cwd=CHECKOUT,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(within):
            _, errors = await node.communicate()
    finally:
        if node.returncode is None:
            node.kill()
            await node.wait()
    assert node.returncode == 0, errors.decode()
    seen: dict[str, Any] = json.loads(out.read_text())
    return seen
