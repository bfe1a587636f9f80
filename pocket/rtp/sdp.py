"""SDP of telephone calls: reading the far end's, agreeing with it, writing ours (RFC 4566, 3264, 4568)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from pocket.rtp.codecs import CODECS, FRAME_MS, Codec
from pocket.rtp.description import Description, Direction, Media, SdpError, parse
from pocket.rtp.keys import CryptoKey, make_key, make_keys

__all__ = [
    "TELEPHONE_EVENT",
    "Agreement",
    "CryptoKey",
    "Description",
    "Direction",
    "Encryption",
    "Media",
    "SdpError",
    "SrtpKeys",
    "agree",
    "answer",
    "make_keys",
    "offer",
    "parse",
]

Encryption = Literal["disable", "allow", "require"]

TELEPHONE_EVENT: Final = 101
"""Payload type of digits in our offers."""
NOWHERE: Final = "0.0.0.0"  # noqa: S104
"""The address of one who holds the call in the way of RFC 2543."""


class SrtpKeys(NamedTuple):
    """The key we encrypt with, and the one the far end does."""

    send: CryptoKey
    receive: CryptoKey


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a stream is to do."""

    codec: Codec
    telephone_event: int | None
    """Payload type of digits; None where the far end takes none."""
    address: str
    port: int
    send: bool
    receive: bool
    srtp: SrtpKeys | None


def agree(
    remote: Description,
    *,
    codecs: Sequence[Codec] = CODECS,
    encryption: Encryption = "disable",
    our_offer: Sequence[CryptoKey] | None = None,
    previous: Agreement | None = None,
) -> Agreement:
    """Take the first of their codecs that is in `codecs`, and keys. `SdpError` where there is nothing in common.

    `our_offer` are the keys of the offer that `remote` answers (none: an empty tuple); None where `remote` is an offer.
    With `previous` a repeated offer leaves our own key as it was.
    """
    codec = next((codec for codec in remote.codecs if codec in codecs), None)
    if codec is None:
        raise SdpError("no common codec")
    return Agreement(
        codec=codec,
        telephone_event=remote.telephone_events.get(codec.clock_rate),
        address=remote.address,
        port=remote.port,
        send=remote.direction in ("sendrecv", "recvonly") and remote.address != NOWHERE,
        receive=remote.direction in ("sendrecv", "sendonly"),
        srtp=_agree_on_keys(remote, encryption, our_offer, previous),
    )


def offer(
    address: str,
    port: int,
    *,
    codecs: Sequence[Codec] = CODECS,
    crypto: Sequence[CryptoKey] | None = None,
    session_id: int,
    version: int,
    direction: Direction = "sendrecv",
) -> bytes:
    """Write an offer. With keys it is RTP/SAVP, as LiveKit's own service offers also where encryption is only allowed.

    `version` counts up within a `session_id` whenever the description differs from the one before.
    """
    profile = "RTP/SAVP" if crypto else "RTP/AVP"
    lines = _audio_lines(port, profile, codecs, TELEPHONE_EVENT, crypto or (), direction)
    return _write(address, session_id, version, lines)


def answer(remote: Description, agreement: Agreement, address: str, port: int, session_id: int, version: int) -> bytes:
    """Write the answer to an offer, under its profile; all its other media are declined."""
    keys = (agreement.srtp.send,) if agreement.srtp else ()
    direction: Direction = "inactive"
    if agreement.send:
        direction = "sendrecv" if agreement.receive else "sendonly"
    elif agreement.receive:
        direction = "recvonly"
    lines: list[str] = []
    for index, media in enumerate(remote.media):
        if index == remote.audio:
            lines += _audio_lines(port, remote.profile, (agreement.codec,), agreement.telephone_event, keys, direction)
        else:
            lines.append(f"m={media.kind} 0 {media.profile} {' '.join(media.formats)}")
    return _write(address, session_id, version, lines)


def _agree_on_keys(
    remote: Description,
    encryption: Encryption,
    our_offer: Sequence[CryptoKey] | None,
    previous: Agreement | None,
) -> SrtpKeys | None:
    theirs: CryptoKey | None = None
    ours: CryptoKey | None = None
    if encryption != "disable" and our_offer is not None:
        both = ((our, their) for their in remote.crypto for our in our_offer)
        matching = ((our, their) for our, their in both if (our.tag, our.suite) == (their.tag, their.suite))
        ours, theirs = next(matching, (None, None))
    elif encryption != "disable" and remote.crypto:
        theirs = remote.crypto[0]
        before = previous.srtp.send if previous and previous.srtp else None
        same = before is not None and before.suite == theirs.suite
        ours = replace(before, tag=theirs.tag) if before and same else make_key(theirs.suite, theirs.tag)
    if ours and theirs:
        return SrtpKeys(ours, theirs)
    if encryption == "require" or "SAVP" in remote.profile:
        raise SdpError("no common encryption")
    return None


def _audio_lines(
    port: int,
    profile: str,
    codecs: Sequence[Codec],
    telephone_event: int | None,
    keys: Sequence[CryptoKey],
    direction: Direction,
) -> list[str]:
    formats = {codec.payload_type: f"{codec.name}/{codec.clock_rate}" for codec in codecs}
    if telephone_event is not None:
        formats[telephone_event] = "telephone-event/8000"
    lines = [f"m=audio {port} {profile} {' '.join(map(str, formats))}"]
    lines += [f"a=rtpmap:{number} {name}" for number, name in formats.items()]
    if telephone_event is not None:
        lines.append(f"a=fmtp:{telephone_event} 0-15")
    lines += [f"a=crypto:{key.attribute}" for key in keys]
    return [*lines, f"a=ptime:{FRAME_MS}", f"a={direction}"]


def _write(address: str, session_id: int, version: int, lines: Sequence[str]) -> bytes:
    head = ["v=0", f"o=- {session_id} {version} IN IP4 {address}", "s=LiveKit", f"c=IN IP4 {address}", "t=0 0"]
    return ("\r\n".join([*head, *lines]) + "\r\n").encode("ascii")
