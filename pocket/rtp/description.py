"""Reading the SDP of a stranger (RFC 4566, 4568). Whoever agrees and writes is `pocket.rtp.sdp`."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from pocket.rtp.codecs import CODECS, Codec
from pocket.rtp.keys import CryptoKey, parse_key

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

MOST_BYTES: Final = 16_384
MOST_LINES: Final = 200
PROFILES: Final = ("RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF")

_DIRECTIONS: Final[Mapping[str, Direction]] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}
_MEDIA: Final = re.compile(r"([!-~]+) (\d{1,5})(?:/\d{1,5})? ([!-~]+)((?: [!-~]+)+)", re.ASCII)
_RTPMAP: Final = re.compile(r"(\d{1,3}) +([\w.-]{1,64})/(\d{1,9})(?:/1)? *", re.ASCII)
_BY_NUMBER: Final = {codec.payload_type: codec for codec in CODECS}


class SdpError(ValueError):
    """The description cannot be read, or has nothing that we have. The text is a constant, safe to log and to send."""


class Media(NamedTuple):
    """An `m=` line."""

    kind: str
    port: int
    profile: str
    formats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """What the far end wants, of its first audio that is not switched off."""

    address: str
    port: int
    profile: str
    codecs: tuple[Codec, ...]
    """Those of ours that it names, in its order."""
    telephone_events: Mapping[int, int]
    """Payload type of digits by clock rate."""
    direction: Direction
    """As the far end sees it: `sendonly` wants us to listen."""
    ptime: int | None
    """Milliseconds in the packets it would like to get."""
    crypto: tuple[CryptoKey, ...]
    """Keys it offers that we can use, in its order."""
    media: tuple[Media, ...]
    """All its `m=` lines; an answer has as many."""
    audio: int
    """Which of them this is about."""


def parse(body: bytes) -> Description:
    """Read an offer or an answer. `SdpError`, and nothing else, whatever the bytes."""
    if len(body) > MOST_BYTES:
        raise SdpError("description too long")
    lines = body.decode("latin-1").rstrip("\r\n").split("\n")
    if len(lines) > MOST_LINES:
        raise SdpError("too many lines")
    session: list[tuple[str, str]] = []
    sections: list[list[tuple[str, str]]] = []
    media: list[Media] = []
    for line in lines:
        kind, _, value = line.rstrip("\r").partition("=")
        if kind == "m":
            media.append(_media(value))
            sections.append([])
        else:
            (sections[-1] if sections else session).append((kind, value.strip(" ")))
    index = _audio(media)
    section, chosen = sections[index], media[index]
    connections = [value for kind, value in section if kind == "c"] or [value for kind, value in session if kind == "c"]
    named = _attributes(section)
    keys = [parse_key(value) for name, value in named if name == "crypto"]
    ptimes = [int(value) for name, value in named if name == "ptime" and re.fullmatch("[0-9]{1,3}", value)]
    codecs, telephone_events = _formats(chosen, named)
    return Description(
        address=_address(connections[0] if connections else ""),
        port=chosen.port,
        profile=chosen.profile,
        codecs=codecs,
        telephone_events=telephone_events,
        direction=_direction(named) or _direction(_attributes(session)) or "sendrecv",
        ptime=ptimes[0] if ptimes else None,
        crypto=tuple(key for key in keys if key is not None),
        media=tuple(media),
        audio=index,
    )


def _media(value: str) -> Media:
    found = _MEDIA.fullmatch(" ".join(value.split()))
    if found is None or int(found[2]) > 0xFFFF:
        raise SdpError("malformed media line")
    return Media(found[1], int(found[2]), found[3], tuple(found[4].split()))


def _audio(media: Sequence[Media]) -> int:
    audible = [index for index, line in enumerate(media) if line.kind == "audio" and line.port]
    if not audible:
        raise SdpError("no audio")
    usable = next((index for index in audible if media[index].profile in PROFILES), None)
    if usable is None:
        raise SdpError("no known profile")
    return usable


def _address(connection: str) -> str:
    """Only literals: a stranger's description must not make us look up names, nor send to many at once."""
    words = connection.split()
    if len(words) != 3 or words[:2] != ["IN", "IP4"]:
        raise SdpError("no IPv4 address")
    try:
        address = ipaddress.IPv4Address(words[2])
    except ValueError:
        raise SdpError("no IPv4 address") from None
    if address.is_multicast or int(address) == 0xFFFFFFFF:
        raise SdpError("no address of one host")
    return str(address)


def _attributes(section: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    parts = (value.partition(":") for kind, value in section if kind == "a")
    return [(name, value.strip(" ")) for name, _, value in parts]


def _direction(named: Sequence[tuple[str, str]]) -> Direction | None:
    return next((_DIRECTIONS[name] for name, _ in named if name in _DIRECTIONS), None)


def _formats(media: Media, named: Sequence[tuple[str, str]]) -> tuple[tuple[Codec, ...], dict[int, int]]:
    """Codecs and payload types of digits. A static number stands for its codec unless it is given another meaning."""
    numbers = list(dict.fromkeys(int(word) for word in media.formats if re.fullmatch("[0-9]{1,3}", word)))
    names = {number: (codec.name, codec.clock_rate) for number, codec in _BY_NUMBER.items()}
    for found in (_RTPMAP.fullmatch(value) for name, value in named if name == "rtpmap"):
        if found is not None:
            names[int(found[1])] = (found[2].upper(), int(found[3]))
    codecs = []
    telephone_events: dict[int, int] = {}
    for number in numbers:
        name, rate = names.get(number, ("", 0))
        codec = _BY_NUMBER.get(number)
        if codec is not None and (name, rate) == (codec.name, codec.clock_rate):
            codecs.append(codec)
        elif name == "TELEPHONE-EVENT" and number < 128:
            telephone_events.setdefault(rate, number)
    return tuple(codecs), telephone_events
