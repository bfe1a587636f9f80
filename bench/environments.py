"""Peers' packages, each in an environment of its own in the cache folder, of exactly the versions of its lock."""

import hashlib
import re
import sys
from functools import cache
from pathlib import Path
from typing import Final

from bench.rows import NotHere
from tools.setup import Setup, SetupError, cache_dir

THEIRS: Final = Path(__file__).parent / "theirs"
"""A peer's lock, what it was made of, and what runs in its environment."""
PEERS: Final = {"livekit-agents": "livekit-agents", "OpenRTC": "openrtc", "Pipecat": "pipecat", "Bolna": "bolna"}
"""Their names in the table, and their locks'."""


class Environments(Setup):
    """What set-up does for `.venv`, done for peers."""

    def make(self, peer: str, venv: Path) -> Path:
        """An environment of its own with a peer's packages; its interpreter. Raises `SetupError`."""
        uv, environment, interpreter = self._uv(), self._uv_environment(), venv / "bin" / "python"
        self._do([uv, "venv", "-q", "--clear", "--python", sys.executable, str(venv)], environment=environment)
        sync = [uv, "pip", "sync", "-q", "--require-hashes", "--python", str(interpreter), str(_lock(peer))]
        self._do(sync, environment=environment)
        return interpreter


def python_of(peer: str) -> Path:
    """The interpreter with a peer's packages, installed if it is not there. Raises `NotHere`."""
    found = _made_once(peer)
    if isinstance(found, NotHere):
        raise found
    return found


@cache
def _made_once(peer: str) -> Path | NotHere:
    venv = cache_dir() / "peers" / f"{peer}-{hashlib.sha256(_lock(peer).read_bytes()).hexdigest()[:12]}"
    if not (venv / ".complete").exists():
        try:
            install(peer, venv)
        except NotHere as error:
            return error  # it is not tried again for each row
        (venv / ".complete").touch()
    return venv / "bin" / "python"


def install(peer: str, venv: Path) -> Path:
    """Make an environment of a peer; its interpreter. Raises `NotHere`."""
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        return Environments(cache_dir(), for_tests=False).make(peer, venv)
    except (SetupError, OSError) as error:
        raise NotHere(f"{peer} could not be installed: {_last_line(str(error))}") from error


def _lock(peer: str) -> Path:
    return THEIRS / f"{peer}.lock"


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1].strip(" |")


def versions() -> dict[str, str]:
    """Of the packages of the peers, as their locks pin them."""
    found = {}
    for name, package in PEERS.items():
        pinned = re.search(rf"^{package}(?:-ai)?==(\S+)", _lock(package).read_text(), re.MULTILINE)
        found[name] = pinned[1] if pinned else "unknown"
    return found
