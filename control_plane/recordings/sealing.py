"""Files at rest: AES-256-GCM in frames, so that a part can be read without the rest.

    "PRS1" · 8 random bytes · frame · frame · …

A frame is 64 KiB of the file (the last may be shorter) and its tag of 16 bytes. Its nonce is the random bytes and its
number; whether it is the last is authenticated with it, so that a file that was cut off does not open.
"""

import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC: Final = b"PRS1"
HEAD: Final = len(MAGIC) + 8
FRAME: Final = 1 << 16
TAG: Final = 16


class SealBroken(Exception):
    """The bytes were changed, cut off, or sealed with another key."""


class FileSeal:
    """Seals files and opens parts of them."""

    def __init__(self, secret_key: str) -> None:
        self._cipher = AESGCM(hmac.digest(secret_key.encode(), b"parley recordings at rest v1", hashlib.sha256))

    async def seal(self, pieces: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
        """The sealed bytes of a file of `size` bytes."""
        salt, number, waiting = os.urandom(HEAD - len(MAGIC)), 0, bytearray()
        yield MAGIC + salt
        last = max(0, size - 1) // FRAME
        async for piece in pieces:
            waiting += piece
            while len(waiting) >= FRAME and number < last:
                yield self._cipher.encrypt(_nonce(salt, number), bytes(waiting[:FRAME]), _place(is_last=False))
                del waiting[:FRAME]
                number += 1
        yield self._cipher.encrypt(_nonce(salt, number), bytes(waiting), _place(is_last=True))

    def open(self, head: bytes, number: int, frame: bytes, *, is_last: bool) -> bytes:
        """One frame of a file that begins with `head`. Raises `SealBroken`."""
        if not head.startswith(MAGIC):
            raise SealBroken("this file was not sealed here")
        try:
            return self._cipher.decrypt(_nonce(head[len(MAGIC) : HEAD], number), frame, _place(is_last=is_last))
        except InvalidTag as error:
            raise SealBroken("this file was changed, or sealed with another key") from error


def plain_size(sealed: int) -> int:
    """Bytes of a file whose sealed form has so many."""
    frames = -(-(sealed - HEAD) // (FRAME + TAG))
    return sealed - HEAD - frames * TAG


def frame_place(number: int) -> int:
    """Where a frame begins in the sealed form."""
    return HEAD + number * (FRAME + TAG)


def _nonce(salt: bytes, number: int) -> bytes:
    return salt + number.to_bytes(4, "big")


def _place(*, is_last: bool) -> bytes:
    return b"last" if is_last else b"more"
