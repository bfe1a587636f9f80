"""Secrets at rest: AES-256-GCM, bound to the row they belong to.

    0x01 · key id (4 bytes) · nonce (12 bytes) · encrypted, with its tag

What was sealed before there were key ids begins with its nonce; it opens all the same.
"""

import base64
import hashlib
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE: Final = 12
FORM: Final = b"\x01"
HEAD: Final = len(FORM) + 4
"""Bytes before the nonce: which form it is and whose key sealed it."""

SecretKeys = str | tuple[str, ...]
"""One secret key of the platform, or all of them: the first writes and signs, each reads and verifies."""


def all_of(keys: SecretKeys) -> tuple[str, ...]:
    """The keys, one or more."""
    return (keys,) if isinstance(keys, str) else keys


class SecretBox:
    """Seals short secrets with the first of its keys, and opens what any of them sealed.

    The same sealed bytes do not open in another row.
    """

    def __init__(self, keys: SecretKeys) -> None:
        self._ciphers: dict[bytes, AESGCM] = {}
        for key in all_of(keys):
            raw = base64.b64decode(key, validate=True)
            self._ciphers.setdefault(FORM + hashlib.sha256(raw).digest()[: HEAD - len(FORM)], AESGCM(raw))
        self.head = next(iter(self._ciphers))
        """What everything begins with that is sealed with the first key."""

    def seal(self, secret: str, *, row: str) -> bytes:
        """Encrypt; `row` names table and row, such as `api_key:key_x7…`."""
        nonce = os.urandom(NONCE)
        return self.head + nonce + self._ciphers[self.head].encrypt(nonce, secret.encode(), row.encode())

    def open(self, sealed: bytes, *, row: str) -> str:
        """Decrypt; raises `ValueError` where the bytes were changed or belong to another row or key."""
        named = self._ciphers.get(sealed[:HEAD])
        if named is not None and (opened := _opened(named, sealed[HEAD:], row)) is not None:
            return opened
        for cipher in self._ciphers.values():  # of the former form, which may begin like this one by chance
            if (opened := _opened(cipher, sealed, row)) is not None:
                return opened
        raise ValueError("this secret was sealed for another row or with another key")


def _opened(cipher: AESGCM, sealed: bytes, row: str) -> str | None:
    try:
        return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], row.encode()).decode()
    except (InvalidTag, ValueError):
        return None
