"""Reads LiveKit join tokens that somebody shows us."""

from dataclasses import dataclass
from typing import Annotated

import jwt
from pydantic import BaseModel, Field, StringConstraints, ValidationError

from control_plane.wire import Clean

Text = Annotated[str, StringConstraints(max_length=256), Clean]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a token that is still good says of whoever shows it."""

    token: str
    identity: str
    name: str
    room: str
    may_chat: bool


class _Video(BaseModel):
    room_join: bool = Field(alias="roomJoin")
    room: Annotated[Text, StringConstraints(min_length=1)]
    can_publish_data: bool = Field(True, alias="canPublishData")


class _Claims(BaseModel):
    sub: Annotated[Text, StringConstraints(min_length=1)]
    name: Text = ""
    video: _Video


class TokenReader:
    """Knows which tokens were signed with LiveKit's API secret."""

    def __init__(self, key: str, secret: str) -> None:
        self._key, self._secret = key, secret

    def read(self, token: str) -> Shown | None:
        """What a token says; None where it opens no room, or does not any more."""
        try:
            read = jwt.decode(token, self._secret, algorithms=["HS256"], issuer=self._key, options={"require": ["exp"]})
            claims = _Claims.model_validate(read)
        except (jwt.InvalidTokenError, ValidationError):
            return None
        if not claims.video.room_join:
            return None
        return Shown(token, claims.sub, claims.name or claims.sub, claims.video.room, claims.video.can_publish_data)
