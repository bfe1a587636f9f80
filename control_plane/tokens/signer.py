"""LiveKit join tokens. What a token may carry is an allow-list; everything else cannot be expressed here."""

from dataclasses import dataclass, field
from datetime import timedelta

from livekit import api

from agents.contract import AGENT_NAME, DispatchMetadata


@dataclass(frozen=True)
class Grants:
    """What the holder may do in its room."""

    can_publish: bool = True
    can_subscribe: bool = True
    can_publish_data: bool = True
    can_publish_sources: tuple[str, ...] | None = None
    can_update_own_metadata: bool = False


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


class TokenSigner:
    """Signs tokens with LiveKit's API secret."""

    def __init__(self, key: str, secret: str) -> None:
        self._key, self._secret = key, secret

    def sign(self, entry: Pass) -> str:
        """The token (JWT, HS256): one room, kind standard, the dispatches in its room configuration."""
        grants = entry.grants
        video = api.VideoGrants(
            room_join=True,
            room=entry.room,
            can_publish=grants.can_publish,
            can_subscribe=grants.can_subscribe,
            can_publish_data=grants.can_publish_data,
            can_update_own_metadata=grants.can_update_own_metadata,
        )
        if grants.can_publish_sources is not None:
            video.can_publish_sources = list(grants.can_publish_sources)
        token = (
            api.AccessToken(self._key, self._secret)
            .with_identity(entry.identity)
            .with_ttl(entry.ttl)
            .with_kind("standard")
            .with_grants(video)
        )
        if entry.name:
            token = token.with_name(entry.name)
        if entry.metadata:
            token = token.with_metadata(entry.metadata)
        if entry.attributes:
            token = token.with_attributes(entry.attributes)
        if entry.dispatches:
            agents = [
                api.RoomAgentDispatch(agent_name=AGENT_NAME, metadata=dispatch.model_dump_json())
                for dispatch in entry.dispatches
            ]
            token = token.with_room_config(api.RoomConfiguration(agents=agents))
        return token.to_jwt()
