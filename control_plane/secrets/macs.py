"""Proofs that we ourselves said something: HMAC-SHA-256 under keys derived from the platform's secret keys."""

import hashlib
import hmac
from collections.abc import Iterator

from control_plane.secrets.box import SecretKeys, all_of


class Macs:
    """Signs with the first key for one use, and knows what any of the keys signed for it."""

    def __init__(self, keys: SecretKeys, use: str) -> None:
        self._keys = tuple(hmac.digest(key.encode(), use.encode(), hashlib.sha256) for key in all_of(keys))

    def sign(self, said: bytes) -> str:
        """The proof, 64 hexadecimal digits."""
        return hmac.digest(self._keys[0], said, hashlib.sha256).hex()

    def each(self, said: bytes) -> Iterator[str]:
        """The proofs of all keys, the first key's first."""
        return (hmac.digest(key, said, hashlib.sha256).hex() for key in self._keys)

    def verify(self, said: bytes, mac: str, *, length: int = 64) -> bool:
        """Whether it is the first `length` digits of the proof of any key; each is compared in constant time."""
        given = mac.encode("utf-8", "replace")
        return any(hmac.compare_digest(right[:length].encode(), given) for right in self.each(said))
