"""Where a meeting takes place: its address and its telephone entry, wherever in an event they are written. Pure."""

import html
import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

LONGEST: Final = 2048
READ: Final = 100_000
"""Characters of a description that are looked through."""
_ADDRESS: Final = re.compile(r"(?:https?|sips?|tel):[^\s<>\"'\\^`{}|\x00-\x1f\x7f]+", re.IGNORECASE)
_TRAILING: Final = ".,;:!?*_~…”’"
_KNOWN: Final = (
    re.compile(r"https?://(?:[\w-]+\.)*zoom(?:gov)?\.(?:us|com)/(?:j|w|s|my|wc(?:/join)?)/[^\s]+", re.IGNORECASE),
    re.compile(r"https?://meet\.google\.com/(?:lookup/)?[a-z0-9-]{6,}", re.IGNORECASE),
    re.compile(
        r"https?://teams\.(?:microsoft|live)\.(?:com|us)/(?:l/meetup-join|meet)/[^\s]+"
        r"|https?://(?:gov|dod)\.teams\.microsoft\.us/l/meetup-join/[^\s]+",
        re.IGNORECASE,
    ),
)
_WRAPPED: Final = re.compile(
    r"https?://(?:[\w-]+\.safelinks\.protection\.outlook\.com/|www\.google\.com/url\?|urldefense\.)", re.IGNORECASE
)
_V3: Final = re.compile(r"https?://urldefense\.(?:com|us)/v3/__(?P<inner>.+?)__;", re.IGNORECASE)
_TAP: Final = re.compile(r"(\+\d[\d ()./-]{5,20}\d)[\s]*,{1,4}[\s]*(\d[\d ]{3,15}\d)#?")
"""One tap: number, pause, PIN."""
_NUMBER: Final = re.compile(r"\+\d[\d ()./-]{5,20}\d")
_PIN: Final = re.compile(
    r"(?:\bPIN|conference id|meeting id|access code|Konferenz-ID)\s*(?:code)?\s*[:#]?\s*(\d[\d ]{2,15}\d)#?",
    re.IGNORECASE,
)


def find_meeting_url(texts: Iterable[object], *, own: str = "") -> str:
    """The first address of a meeting in these texts, the likeliest first; empty where there is none.

    `own` is the address of this installation, whose rooms are at `/join/…`. The addresses of meetings that are known
    go before plain `sip:` and `tel:` ones.
    """
    read = [str(text)[:READ] for text in texts if text]
    plain = ""
    for text in read:
        for address in _addresses(text):
            if is_meeting(address, own=own):
                return address
            if not plain and address.lower().startswith(("sip:", "sips:", "tel:")):
                plain = address
    return plain


def is_meeting(address: str, *, own: str = "") -> bool:
    """Whether an address is a meeting's, by its form."""
    if own and re.match(re.escape(own.rstrip("/")) + r"/join/[\w-]+", address):
        return True
    return any(known.match(address) for known in _KNOWN)


def find_dial_in(texts: Iterable[object]) -> dict[str, Any] | None:
    """The telephone number and PIN that an invitation names, as `{number, pin}`."""
    for text in texts:
        plain = _plain(str(text)[:READ]) if text else ""
        tap = _TAP.search(plain)
        if tap:
            return {"number": _digits(tap[1]), "pin": re.sub(r"\D", "", tap[2])}
        number, pin = _NUMBER.search(plain), _PIN.search(plain)
        if number and pin:
            return {"number": _digits(number[0]), "pin": re.sub(r"\D", "", pin[1])}
    return None


def _digits(number: str) -> str:
    return "+" + re.sub(r"\D", "", number)


def _plain(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]{0,2000}>", " ", text))


def _addresses(text: str) -> Iterable[str]:
    for found in _ADDRESS.finditer(html.unescape(text)):
        address = _unwrap(found[0])
        while address and (address[-1] in _TRAILING or (address[-1] in ")]" and not _opens(address))):
            address = address[:-1]
        if len(address) <= LONGEST:
            yield address


def _opens(address: str) -> bool:
    """Whether the bracket at the end belongs to the address."""
    opening = "(" if address[-1] == ")" else "["
    return address.count(opening) >= address.count(address[-1])


def _unwrap(address: str) -> str:
    """The address behind those of services that watch what is clicked."""
    for _ in range(3):
        if not _WRAPPED.match(address):
            return address
        inner = _V3.match(address)
        try:
            asked = parse_qs(urlsplit(address).query)
        except ValueError:
            return address
        found = (
            unquote(inner["inner"])
            if inner
            else next((asked[name][0] for name in ("url", "q", "u") if name in asked), "")
        )
        if not _ADDRESS.fullmatch(found):
            return address
        address = found
    return address
