"""Files at rest: AES-256-GCM in frames, so that a part can be read without the rest.

    "PRS2" · 8 random bytes · frame · frame · …

A frame is 64 KiB of the file (the last may be shorter) and its tag of 16 bytes. Its nonce is the random bytes and its
number; the file's name and whether it is the last are authenticated with it, so that a file that was cut off, or put
in another's place, does not open. Files of the former form, "PRS1", hold no name.
"""

import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from control_plane.secrets.box import SecretKeys, all_of

MAGIC: Final = b"PRS2"
FORMER: Final = b"PRS1"
HEAD: Final = len(MAGIC) + 8
FRAME: Final = 1 << 16
TAG: Final = 16


class SealBroken(Exception):
    """The bytes were changed, cut off, or sealed with another key."""


class FileSeal:
    """Seals files with the first of its keys, and opens parts of what any of them sealed."""

    def __init__(self, secret_keys: SecretKeys) -> None:
        self._ciphers = [
            AESGCM(hmac.digest(key.encode(), b"parley recordings at rest v1", hashlib.sha256))
            for key in all_of(secret_keys)
        ]

    async def seal(self, pieces: AsyncIterator[bytes], size: int, *, name: str) -> AsyncIterator[bytes]:
        """The sealed bytes of a file of `size` bytes that is kept under this name."""
        cipher = self._ciphers[0]
        salt, number, waiting = os.urandom(HEAD - len(MAGIC)), 0, bytearray()
        yield MAGIC + salt
        last = max(0, size - 1) // FRAME
        async for piece in pieces:
            waiting += piece
            while len(waiting) >= FRAME and number < last:
                yield cipher.encrypt(_nonce(salt, number), bytes(waiting[:FRAME]), _place(name, is_last=False))
                del waiting[:FRAME]
                number += 1
        yield cipher.encrypt(_nonce(salt, number), bytes(waiting), _place(name, is_last=True))

    def open(self, head: bytes, number: int, frame: bytes, *, name: str, is_last: bool) -> bytes:
        """One frame of the file of this name, which begins with `head`. Raises `SealBroken`."""
        for cipher in self._ciphers:
            if (opened := _opened(cipher, head, number, frame, name=name, is_last=is_last)) is not None:
                return opened
        raise SealBroken("this file was changed, or sealed with another key or for another recording")

    def is_first(self, head: bytes, frame: bytes, *, name: str, is_last: bool) -> bool:
        """Whether a file, of which this is the first frame, is sealed in this form and with the first key."""
        opened = _opened(self._ciphers[0], head, 0, frame, name=name, is_last=is_last)
        return head.startswith(MAGIC) and opened is not None


def plain_size(sealed: int) -> int:
    """Bytes of a file whose sealed form has so many."""
    frames = -(-(sealed - HEAD) // (FRAME + TAG))
    return sealed - HEAD - frames * TAG


def frame_place(number: int) -> int:
    """Where a frame begins in the sealed form."""
    return HEAD + number * (FRAME + TAG)


def _nonce(salt: bytes, number: int) -> bytes:
    return salt + number.to_bytes(4, "big")


def _place(name: str, *, is_last: bool) -> bytes:
    return (b"last " if is_last else b"more ") + name.encode()


def _opened(cipher: AESGCM, head: bytes, number: int, frame: bytes, *, name: str, is_last: bool) -> bytes | None:
    if head.startswith(MAGIC):
        place = _place(name, is_last=is_last)
    elif head.startswith(FORMER):
        place = b"last" if is_last else b"more"
    else:
        raise SealBroken("this file was not sealed here")
    try:
        return cipher.decrypt(_nonce(head[len(MAGIC) : HEAD], number), frame, place)
    except InvalidTag:
        return None
