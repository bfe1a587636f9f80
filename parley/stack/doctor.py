"""`parley doctor`: what is missing or wrong on this machine, each with its mend."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from ctypes.util import find_library
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import httpx2
import psycopg

from control_plane.metering import prices
from parley.stack.children import setpriv_program
from parley.stack.directories import LEAST_FREE_BYTES, DataDirectory
from parley.stack.egress import PROGRAM as EGRESS_PROGRAM
from parley.stack.errors import StackError
from parley.stack.livekit import VERSION as LIVEKIT_VERSION
from parley.stack.livekit import livekit_program
from parley.stack.ports import WISHES, is_free
from parley.stack.postgres import MAJOR_VERSION, binaries
from parley.stack.recordings import compare_recordings
from parley.stack.records import RunRecord
from parley.stack.redis import redis_program
from parley.stack.sip import PROGRAM as SIP_PROGRAM

LEAST_PYTHON, LEAST_GO, LEAST_NODE = (3, 11), (1, 26), (20, 0)
_SETUP = "Run `make setup`"
ASKED_FOR = 5.0
"""Seconds for a platform to say how it is."""


class Verdict(StrEnum):
    """What a finding means for `parley up`."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    found: str
    mend: str = ""


def examine(data_dir: Path) -> list[Finding]:
    """Look at everything `parley up`, set-up and the tests need. Changes nothing; ends within seconds."""
    directory = DataDirectory(data_dir.expanduser().absolute())
    return [
        _python(),
        _tool("go", ["version"], LEAST_GO, "builds livekit-server"),
        _tool("node", ["--version"], LEAST_NODE, "builds the pages"),
        _livekit(),
        _program("redis-server", redis_program),
        _program("setpriv", setpriv_program),
        _flite(),
        _postgres(),
        _engine("sip service", SIP_PROGRAM),
        _engine("egress service", EGRESS_PROGRAM),
        _only_for_tests("chromium", "chromium", "chromium-browser", "google-chrome"),
        _only_for_tests("baresip", "baresip"),
        _only_for_tests("sipp", "sipp"),
        _space(directory),
        _database_version(directory),
        _leftovers(directory),
        *_parts(directory),
        *_recordings(directory),
        _telephone_price(os.environ.get("PARLEY_PRICES")),
        _ports(directory),
    ]


def _python() -> Finding:
    good = sys.version_info >= LEAST_PYTHON
    return Finding(
        "python",
        Verdict.GOOD if good else Verdict.BAD,
        platform.python_version(),
        "" if good else f"Install Python {_dotted(LEAST_PYTHON)} or newer and run `make setup` with it",
    )


def _tool(name: str, arguments: Sequence[str], least: tuple[int, int], purpose: str) -> Finding:
    found = _version_of([name, *arguments])
    if found is None:
        return Finding(name, Verdict.NOTE, "missing", f"It {purpose} at set-up: install {_dotted(least)} or newer")
    if found < least:
        return Finding(name, Verdict.NOTE, _dotted(found), f"It {purpose} at set-up: {_dotted(least)} is the oldest")
    return Finding(name, Verdict.GOOD, _dotted(found))


def _livekit() -> Finding:
    try:
        path = livekit_program()
    except StackError as error:
        return Finding("livekit-server", Verdict.BAD, "missing", error.mend)
    said = _output([path, "--version"]) or ""
    if LIVEKIT_VERSION in said:
        return Finding("livekit-server", Verdict.GOOD, f"{LIVEKIT_VERSION} in {path}")
    return Finding(
        "livekit-server",
        Verdict.NOTE,
        f"{said.strip() or 'no version'} in {path}",
        f"Tested with {LIVEKIT_VERSION}; `make setup` builds it",
    )


def _program(name: str, find: Callable[[], str]) -> Finding:
    try:
        return Finding(name, Verdict.GOOD, find())
    except StackError as error:
        return Finding(name, Verdict.BAD, "missing", error.mend)


def _flite() -> Finding:
    library = find_library("flite")
    if library is None:
        return Finding("flite", Verdict.BAD, "missing", f"The offline models speak with it. {_SETUP}")
    return Finding("flite", Verdict.GOOD, library)


def _postgres() -> Finding:
    try:
        said = _output([str(binaries() / "postgres"), "--version"])
    except StackError as error:
        return Finding("postgresql", Verdict.BAD, error.why, error.mend)
    if said is None:
        return Finding("postgresql", Verdict.BAD, "does not run on this machine", "It needs Linux with glibc 2.28")
    return Finding("postgresql", Verdict.GOOD, said.strip())


def _engine(what: str, program: str) -> Finding:
    official = shutil.which(program)
    return Finding(what, Verdict.GOOD, f"LiveKit's own, {official}" if official else "the pocket one")


def _only_for_tests(what: str, *programs: str) -> Finding:
    found = next(filter(None, map(shutil.which, programs)), None)
    if found is None:
        return Finding(what, Verdict.NOTE, "missing", "Only tests use it: `make test` installs it")
    return Finding(what, Verdict.GOOD, found)


def _space(directory: DataDirectory) -> Finding:
    existing = next(folder for folder in (directory.root, *directory.root.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free // 1_000_000} MB free in {existing}"
    if free < LEAST_FREE_BYTES:
        return Finding("disk", Verdict.BAD, text, f"{LEAST_FREE_BYTES // 1_000_000} MB are needed")
    if not os.access(existing, os.W_OK | os.X_OK):
        return Finding("disk", Verdict.BAD, f"no right to write in {existing}", "Choose a directory with --data DIR")
    return Finding("disk", Verdict.GOOD, text)


def _database_version(directory: DataDirectory) -> Finding:
    try:
        found = (directory.postgres / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return Finding("data", Verdict.GOOD, f"none yet in {directory.root}")
    except PermissionError:
        return Finding("data", Verdict.NOTE, f"not readable: {directory.root}", "Ask again as the user who runs it")
    if found != str(MAJOR_VERSION):
        mend = f"This version runs PostgreSQL {MAJOR_VERSION}: dump with the old version, restore into a new directory"
        return Finding("data", Verdict.BAD, f"PostgreSQL {found} in {directory.root}", mend)
    return Finding("data", Verdict.GOOD, f"PostgreSQL {found} in {directory.root}")


def _leftovers(directory: DataDirectory) -> Finding:
    try:
        running = RunRecord(directory.run / "processes.json").leftovers()
        claimed = directory.is_claimed()
    except PermissionError:
        return Finding("earlier run", Verdict.NOTE, "not readable", "Ask again as the user who runs it")
    if claimed:
        return Finding("earlier run", Verdict.GOOD, f"a platform runs in {directory.root}")
    if not running:
        return Finding("earlier run", Verdict.GOOD, "nothing left behind")
    pids = ", ".join(f"{name} {pids[0]}" for name, pids in running.items())
    return Finding("earlier run", Verdict.NOTE, f"left behind: {pids}", "The next `parley up` ends them")


def _parts(directory: DataDirectory) -> list[Finding]:
    """What is wrong with a platform that runs there, as it says itself."""
    try:
        if not directory.is_claimed():
            return []
        ready = json.loads((directory.root / "ready.json").read_text())
        health = f"{ready['api_url']}/api/v1/admin/health"
        answer = httpx2.get(
            health, headers={"X-API-Key": ready["admin_key"]}, timeout=ASKED_FOR, trust_env=False
        ).raise_for_status()
        parts = answer.json()["parts"]
    except PermissionError:
        return []
    except (OSError, ValueError, KeyError, httpx2.HTTPError) as error:
        found = f"its API does not answer: {type(error).__name__}"
        return [
            Finding("platform", Verdict.BAD, found, f"Look at the end of {directory.root / 'logs'}/control_plane.log")
        ]
    wrong = {name: part for name, part in parts.items() if part["status"] not in ("ok", "absent")}
    if not wrong:
        return [Finding("platform", Verdict.GOOD, f"all parts are well: {', '.join(parts)}")]
    mend = "docs/operations.md has a section for each"
    return [
        Finding(
            name,
            Verdict.BAD if part["status"] == "unavailable" else Verdict.NOTE,
            part["reason"] or part["status"],
            mend,
        )
        for name, part in wrong.items()
    ]


def _recordings(directory: DataDirectory) -> list[Finding]:
    """Of a platform that runs there."""
    try:
        ready = json.loads((directory.root / "ready.json").read_text())
        strays, missing = compare_recordings(directory.recordings, ready["database_url"])
    except (OSError, ValueError, KeyError, psycopg.Error):
        return []
    if missing:
        mend = "Their files were taken away: delete these recordings, or put the files back"
        return [Finding("recordings", Verdict.BAD, f"without their files: {_some(missing)}", mend)]
    if strays:
        mend = f"Nobody needs them: remove them from {directory.recordings}"
        return [Finding("recordings", Verdict.NOTE, f"files of no recording and no export: {_some(strays)}", mend)]
    return [Finding("recordings", Verdict.GOOD, "every one has its file")]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _telephone_price(file: str | None) -> Finding:
    """What a minute costs whose carrier has no price of its own."""
    try:
        prices.configure(Path(file) if file else None)
    except ValueError as error:
        return Finding("prices", Verdict.BAD, f"{error}", "Mend the file, or unset PARLEY_PRICES")
    price = prices.price_book().find("telephony", prices.ANY, prices.ANY, on=datetime.now(UTC).date())
    if price is None or price.minutes:
        found = "only of carriers that are named" if price is None else f"{price.minutes} US dollars a minute"
        return Finding("telephone price", Verdict.GOOD, found)
    mend = "Name your carrier's in a file (PARLEY_PRICES): until then limits in dollars hold no call back"
    return Finding("telephone price", Verdict.NOTE, "0 US dollars a minute, but for carriers that are named", mend)


def _ports(directory: DataDirectory) -> Finding:
    with suppress(PermissionError):
        if directory.is_claimed():
            return Finding("ports", Verdict.GOOD, "those of the platform that runs")
    taken = [
        f"{wish.first} ({name})"
        for name, wish in WISHES.items()
        if not is_free(wish.first, transport=wish.transport, host=wish.host)
    ]
    if not taken:
        return Finding("ports", Verdict.GOOD, "the usual ones are free")
    return Finding("ports", Verdict.NOTE, f"in use: {', '.join(taken)}", "The next free ones are taken instead")


def _version_of(command: Sequence[str]) -> tuple[int, int] | None:
    match = re.search(r"(\d+)\.(\d+)", _output(command) or "")
    return (int(match[1]), int(match[2])) if match else None


def _output(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(str(part) for part in version)
