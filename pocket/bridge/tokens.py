"""The token a call joins its room with, as LiveKit's own service makes it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from livekit import api
from livekit.protocol.room import RoomConfiguration

from pocket.bridge.settings import Settings

LIFETIME: Final = timedelta(hours=24)
_IN_TOKEN: Final = ("sip.callID", "sip.trunkID", "sip.ruleID", "sip.trunkPhoneNumber", "sip.phoneNumber")


def make_token(
    settings: Settings,
    *,
    room: str,
    identity: str,
    name: str,
    metadata: str,
    attributes: Mapping[str, str],
    preset: str = "",
    configuration: RoomConfiguration | None = None,
) -> str:
    """Sign a token of kind SIP; `configuration` is what dispatches agents when the room is made."""
    grants = api.VideoGrants(
        room_join=True,
        room=room,
        can_publish=True,
        can_subscribe=True,
        can_publish_data=True,
        can_update_own_metadata=True,
    )
    token = (
        api.AccessToken(settings.api_key, settings.api_secret.get_secret_value())
        .with_kind("sip")
        .with_identity(identity)
        .with_name(name)
        .with_metadata(metadata)
        .with_attributes({key: attributes[key] for key in _IN_TOKEN if key in attributes})
        .with_ttl(LIFETIME)
        .with_grants(grants)
    )
    if preset:
        token = token.with_room_preset(preset)
    if configuration is not None:
        token = token.with_room_config(configuration)
    return token.to_jwt()
