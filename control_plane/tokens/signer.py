"""LiveKit join tokens. What a token may carry is an allow-list; everything else cannot be expressed here.

The claims are those of LiveKit's own SDK, which takes twenty times as long to write them (a test compares the two).
"""

import base64
import hmac
import json
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal

from agents.calling import DispatchMetadata
from agents.contract import AGENT_NAME, WITH_AGENT

HEADER: Final = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")


@dataclass(frozen=True)
class Grants:
    """What the holder may do in its room."""

    can_publish: bool = True
    can_subscribe: bool = True
    can_publish_data: bool = True
    can_publish_sources: tuple[str, ...] | None = None
    can_update_own_metadata: bool = False
    hidden: bool = False
    """Nobody is shown who is there; supervisors who listen alone."""


@dataclass(frozen=True)
class Pass:
    """Everything a token says."""

    identity: str
    room: str
    ttl: timedelta
    grants: Grants = Grants()
    name: str = ""
    metadata: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    dispatches: tuple[DispatchMetadata, ...] = ()
    max_participants: int = 0
    """People in the room that its first one makes; 0: any number."""
    kind: Literal["standard", "agent"] = "standard"
    """Agents take no place in a room and do not keep it open: so are supervisors to LiveKit."""


class TokenSigner:
    """Signs tokens with LiveKit's API secret."""

    def __init__(self, key: str, secret: str) -> None:
        self._key, self._secret = key, secret.encode()

    def sign(self, entry: Pass) -> str:
        """The token (JWT, HS256): one room, the dispatches in its room configuration."""
        grants = entry.grants
        now = int(time.time())  # LiveKit compares it with its own wall clock
        video: dict[str, Any] = {
            "roomJoin": True,
            "room": entry.room,
            "canPublish": grants.can_publish,
            "canSubscribe": grants.can_subscribe,
            "canPublishData": grants.can_publish_data,
            "canUpdateOwnMetadata": grants.can_update_own_metadata,
        }
        if grants.can_publish_sources is not None:
            video["canPublishSources"] = grants.can_publish_sources
        if grants.hidden:
            video["hidden"] = True
        claims: dict[str, Any] = {
            "iss": self._key,
            "sub": entry.identity,
            "nbf": now,
            "exp": now + int(entry.ttl.total_seconds()),
            "kind": entry.kind,
            "video": video,
        }
        attributes = entry.attributes | ({WITH_AGENT: "yes"} if entry.dispatches else {})
        said = {"name": entry.name, "metadata": entry.metadata, "attributes": attributes}
        claims |= {name: value for name, value in said.items() if value}
        if entry.dispatches:
            agents = [{"agentName": AGENT_NAME, "metadata": each.model_dump_json()} for each in entry.dispatches]
            claims["roomConfig"] = {"agents": agents}
            if entry.max_participants:
                claims["roomConfig"]["maxParticipants"] = entry.max_participants
        signed = HEADER + b"." + _base64url(json.dumps(claims, separators=(",", ":")).encode())
        return (signed + b"." + _base64url(hmac.digest(self._secret, signed, "sha256"))).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
