"""The row of a newcomer: from a clone to a persona that is heard, with the packages that a first set-up fetched."""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final

from bench.environments import install
from bench.fakes import fixed_models
from bench.rows import OURS, Bar, NotHere, Plan, Recorded, Round, Row
from bench.workers import worker
from tests.support.database import CHECKOUT

WITHIN: Final = 900
STOCK: Final = "livekit-agents"
GREETED: Final = "after the caller had joined"
"""What the demo says as it has heard the persona."""


def first_calls(plan: Plan) -> Generator[Round, None, None]:
    """Seconds, in turn."""
    while True:
        plan.say("a clone")
        found = {OURS: _ours()}
        try:
            plan.say("an empty environment for livekit-agents")
            found[STOCK] = asyncio.run(_stock())
        except NotHere as error:
            plan.missing[STOCK] = str(error)
        yield found


def _ours() -> float:
    with tempfile.TemporaryDirectory(prefix="parley-clone-") as name:
        tree = Path(name) / "parley"
        began = time.monotonic()
        _do(["git", "clone", "-q", str(CHECKOUT), str(tree)], Path(name))
        _do(["python3", "tools/setup.py"], tree)
        command = [".venv/bin/parley", "demo", "--once", "--data", str(Path(name) / "data")]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(
            command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                if GREETED in line:
                    took = time.monotonic() - began
                    process.terminate()
                    process.communicate(timeout=60)
                    return took
                said = line.strip() or said
        raise NotHere(f"the demo of a clone failed: {said[:200]}")


def _do(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WITHIN, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NotHere(f"{' '.join(command[:2])} failed: {said[-1][:200] if said else done.returncode}")


async def _stock() -> float:
    with tempfile.TemporaryDirectory(prefix="parley-stock-") as name:
        began = time.monotonic()
        interpreter = await asyncio.to_thread(install, "livekit-agents", Path(name) / "venv")
        async with (
            fixed_models() as models,
            worker("stock", Path(name), models, places=1, interpreter=str(interpreter)),
        ):
            return time.monotonic() - began


ROWS: Final = (
    Row(
        name="first-call",
        what="from `git clone` until a persona is heard, packages and livekit-server in the cache",
        unit="s",
        better="less",
        limit="",
        measure=first_calls,
        bars=(Bar("≤", 1, "Dograh"),),
        peers=(STOCK,),
        recorded={
            "Dograh": Recorded(120, "Dograh 1.42, first start of its containers: 2 to 3 minutes; recorded 2026-11")
        },
        rounds=3,
        minutes=6,
        quick_rounds=1,
    ),
)
