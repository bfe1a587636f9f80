"""Random ids and credentials. Numbers that customers see come from the tables' sequences, not from here."""

import hashlib
import re
import secrets
import zlib
from typing import Final

NUMBER = re.compile(r"[0-9]{1,18}")
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Letters and digits that cannot be mistaken for one another."""
DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BYTES: Final = 24
"""Of randomness in a credential."""
RANDOM: Final = BYTES * 4 // 3
"""Characters that they take."""
CHECKSUM: Final = 6
"""Characters at the end of a credential."""


def random_id(prefix: str, length: int = 20) -> str:
    """An unguessable public id such as `key_7h…`: about 5 bits per character."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))


def random_secret(prefix: str) -> str:
    """A credential such as `pk_…`: 192 bits after its prefix, and a checksum of both."""
    secret = prefix + secrets.token_urlsafe(BYTES)
    return secret + _checksum(secret)


def is_mistyped(secret: str, prefix: str) -> bool:
    """Whether a text has the form of a credential with this prefix, and a checksum that is not its own.

    Credentials from before there were checksums, and those that somebody chose, are of other lengths.
    """
    if len(secret) != len(prefix) + RANDOM + CHECKSUM or not secret.startswith(prefix):
        return False
    return _checksum(secret[:-CHECKSUM]) != secret[-CHECKSUM:]


def _checksum(secret: str) -> str:
    """CRC-32 in six digits of base 62: what is mistyped or cut off is known without a look into the database."""
    number, digits = zlib.crc32(secret.encode("utf-8", "replace")), ""
    for _ in range(CHECKSUM):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits


def read_number(text: str) -> int | None:
    """The number that a credential names; None where it names none."""
    return int(text) if NUMBER.fullmatch(text) else None


def fingerprint(secret: str) -> bytes:
    """SHA-256 of a random credential; nothing slower is needed, it cannot be guessed."""
    return hashlib.sha256(secret.encode()).digest()
