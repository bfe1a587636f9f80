"""SIP messages: reading with limits, writing without a way to smuggle a header in."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, TypeAlias

from pocket.sip.uri import Address, SipError

LARGEST: Final = 32 * 1024
"""Bytes of a message."""
LARGEST_BODY: Final = 16 * 1024
MOST_HEADERS, LONGEST_LINE = 128, 4096

Headers: TypeAlias = Iterable[tuple[str, str]]
"""Names and values, in their order."""

REASONS: Final = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    202: "Accepted",
    407: "Proxy Authentication Required",
    420: "Bad Extension",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    607: "Unwanted",
    608: "Rejected",
}
_COMPACT: Final = {
    "b": "referred-by",
    "c": "content-type",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "v": "via",
    "x": "session-expires",
}
_SPELLED: Final = {"call-id": "Call-ID", "cseq": "CSeq", "www-authenticate": "WWW-Authenticate", "min-se": "Min-SE"}
_NEEDED: Final = ("via", "from", "to", "call-id", "cseq")
_FIRST_LINE: Final = re.compile(r"SIP/2\.0 ([1-6]\d\d) ?(.*)|([A-Z]{1,20}) (\S{1,1024}) SIP/2\.0")
_NAME: Final = re.compile(r"[a-z0-9\-.!%*_+`'~]+")
_NOT_OF_NAMES: Final = re.compile(r"[^A-Za-z0-9\-.!%*_+`'~]")
_CSEQ: Final = re.compile(r"([0-9]{1,10})[ \t]+([A-Z]{1,20})")
_VIA: Final = re.compile(r"SIP\s*/\s*2\.0\s*/\s*(\w+)\s+([^\s;:,]+|\[[^\]]+\])(?::(\d{1,5}))?([^,]*)")


def reason_of(status: int) -> str:
    """The standard phrase of a status; empty where there is none."""
    if status in REASONS:
        return REASONS[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class Via:
    """The topmost Via: where the answer goes, and the branch that names the transaction."""

    host: str
    port: int | None
    parameters: dict[str, str]

    @property
    def branch(self) -> str:
        """Empty for peers of RFC 2543."""
        return self.parameters.get("branch", "")


@dataclass(kw_only=True)
class Message:
    """Headers in their order, with lower-case names; `body` in bytes."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def get(self, name: str) -> str | None:
        """The first header of a lower-case name."""
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name: str) -> list[str]:
        """Every header of a lower-case name."""
        return [value for key, value in self.headers if key == name]

    def listed(self, name: str) -> list[str]:
        """Every value of a header that may hold several in a line, such as Route."""
        return [part.strip() for value in self.all(name) for part in re.split(r",(?=\s*<)", value)]

    def add(self, name: str, value: object) -> None:
        """Append a header."""
        self.headers.append((name.lower(), str(value)))

    def extend(self, headers: Headers) -> None:
        """Append headers."""
        for name, value in headers:
            self.add(name, value)

    def _first(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise SipError(f"no {name}")
        return value

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self._first("call-id")

    @property
    def from_(self) -> Address:
        """Who began the dialog."""
        return Address.parse(self._first("from"))

    @property
    def to(self) -> Address:
        """Whom the dialog was begun with."""
        return Address.parse(self._first("to"))

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method. Raises `SipError`."""
        match = _CSEQ.fullmatch(self._first("cseq"))
        if match is None or int(match[1]) >= 2**31:
            raise SipError("not a CSeq")
        return int(match[1]), match[2]

    @property
    def via(self) -> Via:
        """The topmost Via. Raises `SipError`."""
        match = _VIA.match(self._first("via"))
        if match is None:
            raise SipError("not a Via")
        _, host, port, rest = match.groups()
        if port is not None and not 0 < int(port) < 65536:
            raise SipError("not a port")
        return Via(host, int(port) if port else None, dict(Address.parse(f"<x>{rest}").parameters))

    @property
    def contact(self) -> str | None:
        """The URI of the Contact."""
        value = self.get("contact")
        return Address.parse(value).uri if value else None

    def _lines(self) -> Iterator[str]:
        for name, value in self.headers:
            if name != "content-length":
                spelled = _SPELLED.get(name) or "-".join(part.capitalize() for part in name.split("-"))
                yield f"{_NOT_OF_NAMES.sub('-', spelled)}: {_one_line(value)}"
        yield f"Content-Length: {len(self.body)}"


@dataclass
class Request(Message):
    """`method uri SIP/2.0`."""

    method: str
    uri: str

    def encode(self) -> bytes:
        """As it goes over the wire."""
        uri = re.sub(r"\s", "%20", _one_line(self.uri))
        return _encode(f"{self.method} {uri} SIP/2.0", self._lines(), self.body)


@dataclass
class Response(Message):
    """`SIP/2.0 status reason`."""

    status: int
    reason: str = ""

    def encode(self) -> bytes:
        """As it goes over the wire."""
        reason = self.reason or reason_of(self.status)
        return _encode(f"SIP/2.0 {self.status} {_one_line(reason)}", self._lines(), self.body)


def _encode(first: str, lines: Iterable[str], body: bytes) -> bytes:
    return "\r\n".join((first, *lines, "", "")).encode("utf-8", "surrogateescape") + body


def _one_line(text: str) -> str:
    return re.sub(r"[\r\n\0]+", " ", text)


def parse(data: bytes) -> Request | Response:
    """Read a message of one datagram, or cut out of a stream. Raises `SipError`, and nothing else."""
    if len(data) > LARGEST:
        raise SipError("too large")
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        head, separator, body = data.partition(b"\n\n")
    if not separator:
        raise SipError("no end of headers")
    first, *lines = head.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    message = _first_line(first)
    message.headers = _headers(lines)
    if any(not message.get(name) for name in _NEEDED):
        raise SipError("a header is missing")
    if isinstance(message, Request) and message.cseq[1] != message.method:
        raise SipError("CSeq of another method")
    length = message.get("content-length")
    if length is not None:
        if not length.isascii() or not length.isdigit() or len(length) > 6 or int(length) > len(body):
            raise SipError("not the length of the body")
        body = body[: int(length)]
    if len(body) > LARGEST_BODY:
        raise SipError("body too large")
    message.body = body
    return message


def _first_line(line: str) -> Request | Response:
    match = _FIRST_LINE.fullmatch(line) if len(line) <= LONGEST_LINE else None
    if match is None:
        raise SipError("not a first line")
    status, reason, method, uri = match.groups()
    return Response(status=int(status), reason=reason) if status else Request(method=method, uri=uri)


def _headers(lines: list[str]) -> list[tuple[str, str]]:
    if len(lines) > MOST_HEADERS:
        raise SipError("too many headers")
    headers: list[tuple[str, str]] = []
    for line in lines:
        if len(line) > LONGEST_LINE:
            raise SipError("a long header")
        if line[:1] in (" ", "\t") and headers:
            name, value = headers[-1]
            headers[-1] = (name, f"{value} {line.strip()}")
            if len(headers[-1][1]) > LONGEST_LINE:
                raise SipError("a long header")
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or not _NAME.fullmatch(name):
            raise SipError("not a header")
        headers.append((_COMPACT.get(name, name), value.strip()))
    return headers
