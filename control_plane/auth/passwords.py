"""Passwords of accounts: only a slow, salted hash is kept."""

import asyncio
import os
import unicodedata
from collections.abc import Callable
from typing import Final, TypeVar

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from control_plane.errors import Unavailable

Result = TypeVar("Result")

MEMORY: Final = 46 * 1024
"""KiB of memory for one guess."""
PASSES: Final = 2
LANES: Final = 1
SALT, LENGTH = 16, 32
AT_ONCE: Final = 2
"""Passwords that a process works on; each holds `MEMORY` and a processor for a tenth of a second."""
WAITING: Final = 64
"""Those beyond are told to come again."""


def _hash(password: str) -> str:
    kdf = Argon2id(salt=os.urandom(SALT), length=LENGTH, iterations=PASSES, lanes=LANES, memory_cost=MEMORY)
    return kdf.derive_phc_encoded(_bytes(password))


def _verify(password: str, kept: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(_bytes(password), kept)
    except InvalidKey:
        return False
    return True


def _bytes(password: str) -> bytes:
    """The same text in two spellings of Unicode is the same password."""
    return unicodedata.normalize("NFKC", password).encode()


async def hash_password(password: str) -> str:
    """`$argon2id$v=19$m=…,t=…,p=…$salt$hash`. Computed in a thread."""
    return await asyncio.to_thread(_hash, password)


class PasswordDesk:
    """Hashes and compares passwords for a process that anybody may ask, a few at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._there = 0
        self._nobodys = _hash(os.urandom(SALT).hex())

    async def hash(self, password: str) -> str:
        """See `hash_password`. Raises `Unavailable` where too many wait."""
        return await self._work(_hash, password)

    async def verify(self, password: str, kept: str | None) -> bool:
        """Whether it is the password that was kept. Without one it is compared with nobody's: the answer takes as
        long. Raises `Unavailable` where too many wait."""
        return await self._work(_verify, password, kept or self._nobodys) and kept is not None

    async def _work(self, work: Callable[..., Result], *given: str) -> Result:
        if self._there >= WAITING:
            raise Unavailable("Too many passwords are being checked; try again", retry_after=1)
        self._there += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work, *given)
        finally:
            self._there -= 1
