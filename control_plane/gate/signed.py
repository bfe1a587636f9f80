"""Tokens that a project signs itself: HS256 with the secret `sk_…` that is paired with its key."""

from dataclasses import dataclass
from typing import Any, Final, Self

import jwt

from control_plane.auth.callers import KEY, KEY_LENGTH, Caller
from control_plane.errors import Unauthorized
from control_plane.ids import fingerprint, is_mistyped
from control_plane.secrets.box import SecretBox

LONGEST: Final = 4096
LEEWAY: Final = 10
"""Seconds by which the signer's clock may be behind."""
INVALID: Final = "Token is invalid or expired"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says. Roles: None where it names none."""

    permissions: tuple[str, ...]
    roles: tuple[str, ...] | None
    room: str | None
    """The only room it is for."""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token that names a key, not verified yet."""

    text: str
    key_hash: bytes

    @classmethod
    def read(cls, header: bytes | None) -> Self:
        """Whose it says it is. Raises `Unauthorized`."""
        if not header:
            raise Unauthorized("Authorization header is missing")
        if len(header) > LONGEST:
            raise Unauthorized(INVALID)
        text = header.decode("latin-1")
        try:
            said: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
        except (jwt.PyJWTError, RecursionError) as error:
            raise Unauthorized(INVALID) from error
        key = said.get("apikey")
        if not isinstance(key, str) or not 0 < len(key) <= KEY_LENGTH or not key.isascii():
            raise Unauthorized("Token names no apikey")
        if is_mistyped(key, KEY):
            raise Unauthorized(INVALID)
        return cls(text, fingerprint(key))

    def verify(self, box: SecretBox, caller: Caller) -> Claims:
        """What it says, if the secret of its key signed it and its time is not over. Raises `Unauthorized`."""
        try:
            secret = box.open(caller.sealed_secret, row=f"api_key:{caller.key_id}")
            said = jwt.decode(
                self.text,
                secret,
                algorithms=["HS256"],
                leeway=LEEWAY,
                options={"require": ["exp"], "verify_aud": False, "verify_iat": False, "verify_sub": False},
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise Unauthorized(INVALID) from error
        if said.get("version", 2) not in (1, 2):
            raise Unauthorized("Token has an unknown version")
        permissions, roles, room = said.get("permissions", []), said.get("roles"), said.get("roomId")
        if not _are_words(permissions) or not (roles is None or _are_words(roles)):
            raise Unauthorized("permissions and roles of a token are lists of words")
        if room is not None and not isinstance(room, str):
            raise Unauthorized("roomId of a token is text")
        return Claims(tuple(permissions), None if roles is None else tuple(roles), room)


def _are_words(given: object) -> bool:
    return isinstance(given, list) and all(isinstance(each, str) for each in given)
