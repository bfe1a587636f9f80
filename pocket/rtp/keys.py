"""Keys of encrypted media as they stand in SDP (`a=crypto`, RFC 4568)."""

import base64
import binascii
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

SUITES: Final = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
"""What we speak, best first."""
KEY_BYTES: Final = 30
"""Master key (16) and master salt (14)."""

# A key with a lifetime is taken, for no call outlives 2^31 packets; one with an identifier (MKI) or with parameters is
# not, since both change what is sent.
_ATTRIBUTE: Final = re.compile(r"(\d{1,9}) +(\w+) +inline:([A-Za-z0-9+/]{40}={0,2})(?:\|(?:2\^)?\d+)? *", re.ASCII)


@dataclass(frozen=True, slots=True)
class CryptoKey:
    """The key one side encrypts with."""

    tag: int
    """Number of the attribute; an answer repeats that of the offer it takes."""
    suite: str
    key: bytes = field(repr=False)

    @property
    def attribute(self) -> str:
        """The value of `a=crypto`."""
        return f"{self.tag} {self.suite} inline:{base64.b64encode(self.key).decode()}"


def make_key(suite: str, tag: int = 1) -> CryptoKey:
    """Return a new random key."""
    return CryptoKey(tag, suite, secrets.token_bytes(KEY_BYTES))


def make_keys() -> tuple[CryptoKey, ...]:
    """Return a new key of every suite, for an offer."""
    return tuple(make_key(suite, tag) for tag, suite in enumerate(SUITES, start=1))


def parse_key(value: str) -> CryptoKey | None:
    """Read the value of `a=crypto`; None where we cannot use it."""
    found = _ATTRIBUTE.fullmatch(value)
    if found is None or found[2] not in SUITES:
        return None
    try:
        key = base64.b64decode(found[3])
    except binascii.Error:
        return None
    return CryptoKey(int(found[1]), found[2], key) if len(key) == KEY_BYTES else None
