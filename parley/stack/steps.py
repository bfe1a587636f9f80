"""What is done once at a start, between the starts of the children."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from parley.stack.children import describe_status, setpriv_program
from parley.stack.errors import StepFailed
from parley.stack.files import BoundedLog


@dataclass(frozen=True)
class Step:
    """Something to be done after other steps and children, before those that name it."""

    name: str
    after: Sequence[str]
    run: Callable[[], Awaitable[None]]


async def run_once(
    what: str, command: Sequence[str], environment: Mapping[str, str], log: BoundedLog, *, timeout: float = 120.0
) -> str:
    """Run a program to its end and return what it printed; its standard error goes to the log."""
    errors = log.open_for_child()
    try:
        process = await asyncio.create_subprocess_exec(
            *(setpriv_program(), "--pdeathsig", "KILL", "--", *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=dict(environment),
            cwd="/",
        )
    finally:
        os.close(errors)
    mend = f"Its log is {log.path}"
    try:
        async with asyncio.timeout(timeout):
            output, _ = await process.communicate()
    except TimeoutError:
        raise StepFailed(f"{what} failed", f"no end after {timeout:.0f} s", mend, log.tail()) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise StepFailed(f"{what} failed", f"it {describe_status(process.returncode)}", mend, log.tail())
    return output.decode("utf-8", errors="replace")
