"""Where the address of a meeting leads. Pure."""

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from control_plane.telephony.numbers import ZOOM_GATEWAY

NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
PIN: Final = re.compile(r"[0-9*#]{1,32}")
SIP_ADDRESS: Final = re.compile(r"sips?:[A-Za-z0-9_.!~*'()&=+$,;?/%-]{1,200}@[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?")
CODE: Final = re.compile(r"/join/([A-Za-z0-9_-]{1,64})/?")
ZOOM_PATH: Final = re.compile(r"/(?:j|s|w|wc/join)/([0-9]{9,12})(?:/.*)?|/wc/([0-9]{9,12})/join.*")
KNOWN: Final = re.compile(
    r"(?:[a-z0-9-]+\.)*(?:zoom\.us|zoomgov\.com|meet\.google\.com|teams\.microsoft\.com|teams\.live\.com)"
)


@dataclass(frozen=True, slots=True)
class Here:
    """A meeting of this server, by its code."""

    code: str


@dataclass(frozen=True, slots=True)
class Line:
    """A meeting behind a telephone: a number in E.164 form or a `sip:` address, and the keys to press there."""

    to: str
    pin: str = ""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A meeting that exists somewhere, without a way to it; why."""

    reason: str


Address = Here | Line | Unreachable


def read_address(url: str, extra: dict[str, Any], public_url: str) -> Address | None:
    """Where a meeting's address leads; None for what is no meeting's address."""
    dial_in = extra.get("dial_in")
    keys = dial_in if isinstance(dial_in, dict) else {}
    if url.startswith("tel:"):
        number = _plain(url.removeprefix("tel:"))
        return _line(number, keys) if NUMBER.fullmatch(number) else None
    if url.startswith(("sip:", "sips:")):
        return _line(url, keys) if SIP_ADDRESS.fullmatch(url) else None
    try:
        parts, own = urlsplit(url), urlsplit(public_url)
        host = parts.hostname or ""
        same = (parts.scheme, host, parts.port) == (own.scheme, own.hostname, own.port)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    if same:
        code = CODE.fullmatch(parts.path)
        return Here(code[1]) if code else None
    if isinstance(dial_in, dict):
        given = str(dial_in.get("number", ""))
        number = given if given.startswith("sip") else _plain(given)
        if NUMBER.fullmatch(number) or SIP_ADDRESS.fullmatch(number):
            return _line(number, keys)
        return Unreachable("extra.dial_in.number is no number in E.164 form, such as +14155550100")
    if not KNOWN.fullmatch(host):
        return None
    zoom = ZOOM_PATH.fullmatch(parts.path)
    if zoom and host.endswith(("zoom.us", "zoomgov.com")):
        passcode = parse_qs(parts.query).get("pwd", [""])[0]
        user = zoom[1] or zoom[2]
        user += f".{passcode}" if passcode.isdecimal() and passcode.isascii() else ""
        return Line(f"sip:{user}@{ZOOM_GATEWAY}")
    return Unreachable("this server reaches such a meeting by telephone: give extra.dial_in {number, pin}")


def _plain(number: str) -> str:
    return re.sub(r"[ ().-]", "", number)


def _line(to: str, dial_in: dict[str, Any]) -> Line | Unreachable:
    pin = re.sub(r"[ -]", "", str(dial_in.get("pin") or ""))
    if pin and not PIN.fullmatch(pin):
        return Unreachable("extra.dial_in.pin has other keys than 0-9, * and #")
    return Line(to, pin)
