"""`POST /token` on the wire."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, field_validator

from control_plane.media.server import Source
from control_plane.tokens.identities import (
    HIDDEN,
    RESERVED,
    RESERVED_ATTRIBUTES,
    any_case,
    is_drawn,
    is_own_attribute,
    is_reserved,
)
from control_plane.wire import ROOM_NAME, Clean, Exactly, GivenId, Sent, Storable

_IDENTITY = f"^(?!{'|'.join(map(any_case, RESERVED))})(?!.*/mute$)[^{HIDDEN}]*$"
"""As much of what an identity may be as a regular expression says."""


class GrantsRequest(Exactly):
    """The grants a caller may ask for; any other is refused by its name."""

    canPublish: bool = True
    canSubscribe: bool = True
    canPublishData: bool = True
    canPublishSources: list[Source] | None = None
    canUpdateOwnMetadata: bool = False
    hidden: Literal[False] = False


class Entry(Sent):
    """Who is to join which room, and which agents should be there, under whatever identity: for the platform itself."""

    identity: Annotated[str, StringConstraints(min_length=1, max_length=256), Clean]
    room: Annotated[str, Field(json_schema_extra=ROOM_NAME)]
    agent_config_id: GivenId | None = None
    agent_config_ids: Annotated[list[GivenId], Field(max_length=10)] | None = None
    no_agent: bool = False
    grants: GrantsRequest = Field(default_factory=GrantsRequest)
    name: Annotated[str, StringConstraints(max_length=256), Clean] = ""
    metadata: Annotated[str, StringConstraints(max_length=16_384), Clean] = ""
    attributes: Annotated[dict[str, str], Field(max_length=64), Storable] = Field(default_factory=dict)
    ttl_seconds: Annotated[int, Field(ge=30, le=6 * 3600)] = 6 * 3600
    variables: Annotated[dict[str, Any], Field(max_length=100), Storable] = Field(default_factory=dict)

    def wanted_agents(self) -> list[int] | None:
        """Union of both fields in their order; None: the project's first agent; empty: none at all."""
        if self.no_agent:
            return []
        given = [*([self.agent_config_id] if self.agent_config_id else []), *(self.agent_config_ids or [])]
        return list(dict.fromkeys(given)) or None


class TokenRequest(Entry):
    """Who wants to join which room, and which agents should be there."""

    identity: Annotated[
        str,
        StringConstraints(min_length=1, max_length=256),
        Clean,
        Field(json_schema_extra={"pattern": _IDENTITY}),
    ]

    @field_validator("identity")
    @classmethod
    def _not_reserved(cls, identity: str) -> str:
        if is_reserved(identity):
            raise ValueError(f"must not begin with {', '.join(RESERVED)}: these are the platform's own")
        if not is_drawn(identity):
            raise ValueError("must not hold characters that nobody sees")
        if identity.endswith("/mute"):
            raise ValueError("must not end with /mute: such a participant could not be updated by its path")
        return identity

    @field_validator("attributes")
    @classmethod
    def _not_the_platforms(cls, attributes: dict[str, str]) -> dict[str, str]:
        if any(map(is_own_attribute, attributes)):
            raise ValueError(f"must not hold names that begin with {', '.join(RESERVED_ATTRIBUTES)}: these tell others")
        return attributes


class TokenAnswer(BaseModel):
    """A token and where to use it."""

    token: str
    room: str = Field(description="Full name of the room.")
    wsUrl: str = Field(description="The address to connect to with the token.")
    agents_dispatched: list[int]
