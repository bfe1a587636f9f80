"""Passwords of accounts: only a slow, salted hash is kept."""

import asyncio
import base64
import hashlib
import os
from typing import Final

COST, BLOCK, LANES = 2**15, 8, 3
"""scrypt's N, r and p: 32 MiB and a good part of a second for one guess."""
MEMORY: Final = 64 * 1024 * 1024
SALT: Final = 16


async def hash_password(password: str) -> str:
    """`scrypt$N$r$p$salt$hash`, salt and hash in base64. Computed in a thread."""
    salt = os.urandom(SALT)
    hashed = await asyncio.to_thread(
        hashlib.scrypt, password.encode(), salt=salt, n=COST, r=BLOCK, p=LANES, maxmem=MEMORY
    )
    encoded = (base64.b64encode(part).decode() for part in (salt, hashed))
    return "$".join(("scrypt", str(COST), str(BLOCK), str(LANES), *encoded))
