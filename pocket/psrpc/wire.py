"""How psrpc v0.7 looks on Redis: names of channels, identifiers, the wrapping of messages, the lock of queues.

The channel names are the ones psrpc calls legacy (pkg/info/channels.go); on Redis there are no others.
"""

import base64
import hashlib
import re
import secrets
import string
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from pocket.psrpc.envelope_pb2 import Msg

TYPE_URL: Final = "type.googleapis.com/"
LOCKED_FOR: Final = 5
"""Seconds for which the lock of a queued request stands (bus_redis.go)."""

_ALPHABET: Final = string.ascii_letters + string.digits
_FOREIGN: Final = re.compile(r"[^0-9A-Za-z_]")

MessageT = TypeVar("MessageT", bound=Message)


def new_id(prefix: str) -> str:
    """Return an identifier as psrpc makes them: `CLI_`, `SRV_` or `REQ_` and twelve letters or digits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(12))


def channel(*parts: str) -> str:
    """Return the name of a channel; empty parts are left out."""
    return "|".join(_FOREIGN.sub(_escaped, part) for part in parts if part)


def request_channel(service: str, method: str, topic: str) -> str:
    """Where the servers of a method hear requests."""
    return channel(service, method, topic, "REQ")


def choice_channel(service: str, method: str, topic: str) -> str:
    """Where the servers of a method hear which of them a client has chosen."""
    return channel(service, method, topic, "RCLAIM")


def claim_channel(service: str, client_id: str) -> str:
    """Where a client hears which servers offer themselves."""
    return channel(service, client_id, "CLAIM")


def response_channel(service: str, client_id: str) -> str:
    """Where a client hears answers."""
    return channel(service, client_id, "RES")


def wrap(message: Message) -> bytes:
    """Return the bytes to publish."""
    return Msg(type_url=TYPE_URL + message.DESCRIPTOR.full_name, value=message.SerializeToString()).SerializeToString()


def unwrap(data: bytes, kind: type[MessageT]) -> MessageT | None:
    """Return the message that was published; None when it is none of this kind."""
    try:
        outer = Msg.FromString(data)
        if outer.type_url.rpartition("/")[2] != kind.DESCRIPTOR.full_name:
            return None
        return kind.FromString(outer.value)
    except DecodeError:
        return None


def lock_key(data: bytes) -> str:
    """Return the Redis key whose first setter may take a queued request; `data` are the published bytes."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _escaped(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"u+{number:04x}" if number < 0x10000 else f"U+{number:08x}"
