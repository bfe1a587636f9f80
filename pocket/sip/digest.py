"""Digest authentication (RFC 2617, RFC 7616), both sides."""

import hashlib
import hmac
import os
import re
import secrets
import time
from typing import Final

from pocket.sip.uri import SipError

NONCE_LIFETIME: Final = 60
"""Seconds a challenge may be answered."""
_PARAMETER: Final = re.compile(r'\b(\w++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_HASHES: Final = {"MD5": "md5", "SHA-256": "sha256"}


def answer(challenge: str, username: str, password: str, method: str, uri: str) -> str:
    """The Authorization for a challenge. Raises `SipError` for schemes and algorithms nobody asked us to know."""
    asked = _parameters(challenge)
    said = {"username": username, "realm": asked.get("realm", ""), "nonce": asked.get("nonce", ""), "uri": uri}
    if "algorithm" in asked:
        said["algorithm"] = asked["algorithm"]
    if "auth" in re.split(r"[,\s]+", asked.get("qop", "")):
        said |= {"qop": "auth", "nc": "00000001", "cnonce": secrets.token_hex(8)}
    said["response"] = _response(said, username, password, method)
    if "opaque" in asked:
        said["opaque"] = asked["opaque"]
    bare = ("qop", "nc", "algorithm")
    return "Digest " + ", ".join(
        f"{name}={value}" if name in bare else f"{name}={_quote(value)}" for name, value in said.items()
    )


class Challenges:
    """What we ask of others. A nonce carries its own proof, so that a flood of them costs no memory."""

    def __init__(self) -> None:
        self._key = os.urandom(16)

    def make(self, realm: str, call_id: str) -> str:
        """A Proxy-Authenticate that only this call may answer."""
        stamp = f"{int(time.time()):x}"
        return f'Digest realm={_quote(realm)}, nonce="{stamp}.{self._proof(stamp, call_id)}", algorithm=MD5, qop="auth"'

    def is_fresh(self, authorization: str, call_id: str) -> bool:
        """Whether it answers a challenge of ours for this call that is not too old."""
        try:
            stamp, _, proof = _parameters(authorization).get("nonce", "").partition(".")
            age = int(time.time()) - int(stamp, 16)
        except (SipError, ValueError):
            return False
        return -1 <= age <= NONCE_LIFETIME and _same(proof, self._proof(stamp, call_id))

    def is_right(self, authorization: str, realm: str, username: str, password: str, method: str) -> bool:
        """Whether whoever wrote it knows the password."""
        try:
            said = _parameters(authorization)
            expected = _response(said | {"realm": realm}, username, password, method)
        except (SipError, KeyError):
            return False
        return _same(said.get("username", ""), username) and _same(said.get("response", "").lower(), expected)

    def _proof(self, stamp: str, call_id: str) -> str:
        return hmac.new(self._key, _bytes(f"{stamp}|{call_id}"), "sha256").hexdigest()[:32]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(_bytes(one), _bytes(other))


def _quote(text: str) -> str:
    """A quoted-string (RFC 3261, 25.1)."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _parameters(header: str) -> dict[str, str]:
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "digest":
        raise SipError("not Digest")
    found = _PARAMETER.findall(rest)
    return {name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in found}


def _response(said: dict[str, str], username: str, password: str, method: str) -> str:
    algorithm = _HASHES.get(said.get("algorithm", "MD5").upper())
    if algorithm is None:
        raise SipError("an unknown algorithm")

    def digest(text: str) -> str:
        return hashlib.new(algorithm, _bytes(text), usedforsecurity=False).hexdigest()

    who, what = digest(f"{username}:{said['realm']}:{password}"), digest(f"{method}:{said['uri']}")
    if "qop" in said:
        return digest(f"{who}:{said['nonce']}:{said['nc']}:{said['cnonce']}:{said['qop']}:{what}")
    return digest(f"{who}:{said['nonce']}:{what}")
