"""Secrets at rest: AES-256-GCM, bound to the row they belong to."""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12


class SecretBox:
    """Seals and opens short secrets. The same sealed bytes do not open in another row."""

    def __init__(self, key: str) -> None:
        self._cipher = AESGCM(base64.b64decode(key, validate=True))

    def seal(self, secret: str, *, row: str) -> bytes:
        """Encrypt; `row` names table and row, such as `api_key:key_x7…`."""
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), row.encode())

    def open(self, sealed: bytes, *, row: str) -> str:
        """Decrypt; raises `ValueError` where the bytes were changed or belong to another row or key."""
        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], row.encode()).decode()
        except InvalidTag as error:
            raise ValueError("this secret was sealed for another row or with another key") from error
