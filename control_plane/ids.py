"""Random ids and credentials. Numbers that customers see come from the tables' sequences, not from here."""

import hashlib
import re
import secrets

NUMBER = re.compile(r"[0-9]{1,18}")
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Letters and digits that cannot be mistaken for one another."""


def random_id(prefix: str, length: int = 20) -> str:
    """An unguessable public id such as `key_7h…`: about 5 bits per character."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))


def random_secret(prefix: str) -> str:
    """A credential such as `pk_…`: 192 bits after its prefix."""
    return prefix + secrets.token_urlsafe(24)


def read_number(text: str) -> int | None:
    """The number that a credential names; None where it names none."""
    return int(text) if NUMBER.fullmatch(text) else None


def fingerprint(secret: str) -> bytes:
    """SHA-256 of a random credential; nothing slower is needed, it cannot be guessed."""
    return hashlib.sha256(secret.encode()).digest()
