"""Names of files: LiveKit's templates, from which no value leads out of the folder that was meant."""

import posixpath
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Final

from pocket.psrpc import RpcError

KNOWN: Final = (".ogg", ".mp3", ".mp4", ".m4a", ".wav", ".webm", ".raw", ".ivf", ".ts", ".m3u8", ".jpeg")
"""Endings that are replaced where they are not the format's own."""
LONGEST_PART: Final = 200
"""Bytes of one part of a path; file systems end at 255, and something may be put behind it."""
LONGEST: Final = 900
_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f/\\]")


def moments(now: datetime) -> dict[str, str]:
    """The values of `{time}` and `{utc}`."""
    utc = now.astimezone(timezone.utc)  # noqa: UP017
    return {"time": f"{now:%Y-%m-%dT%H%M%S}", "utc": f"{utc:%Y%m%d%H%M%S}{utc.microsecond // 1000:03}"}


def file_name(template: str, ending: str, *, values: Mapping[str, str], default: str) -> str:
    """The path of a file below its folder or bucket; `default` is its name, without an ending, where none is given.

    Raises `RpcError` for a template that leads elsewhere or is too long.
    """
    parts = [part for part in template.split("/") if part not in ("", ".")]
    if ".." in parts or "\x00" in template or "\\" in template:
        raise RpcError("invalid_argument", "request has missing or invalid field: filepath")
    if not parts or template.endswith("/"):
        parts.append(default + ending)
    filled = [_bounded(_filled(part, values)) for part in parts[:-1]]
    name = _filled(parts[-1], values)
    if not name.endswith(ending):
        stem, old = posixpath.splitext(name)
        name = stem if old in KNOWN else name
    filled.append(_bounded(name.removesuffix(ending)) + ending)
    path = "/".join(filled)
    if len(path.encode()) > LONGEST:
        raise RpcError("invalid_argument", "request has missing or invalid field: filepath")
    return path


def _filled(part: str, values: Mapping[str, str]) -> str:
    """One part of a path; what a value says is never another part."""
    for name, value in values.items():
        part = part.replace("{" + name + "}", _UNFIT.sub("_", value))
    return "_" if part.strip(".") == "" else part


def _bounded(part: str) -> str:
    kept = part.encode("utf-8", "replace")[:LONGEST_PART].decode("utf-8", "ignore")
    return kept or "_"
