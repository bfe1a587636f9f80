"""Call control on the wire: what is sent into a room, and what is changed of those in it."""

import json
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints

from control_plane.media.server import LiveParticipant, ParticipantChange, Permission, Source
from control_plane.rooms.schemas import PresentWithTracks
from control_plane.wire import Change, Clean, Sent, Storable

DATA_LIMIT: Final = 15 * 1024
"""Bytes of a packet that LiveKit promises to deliver reliably."""

Identity = Annotated[str, StringConstraints(min_length=1, max_length=256), Clean]


def _text_or_object(given: object) -> object:
    if not isinstance(given, str | dict):
        raise ValueError("must be a string or an object")
    return given


def _encode(data: str | dict[str, Any]) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _within_limit(data: str | dict[str, Any]) -> str | dict[str, Any]:
    size = len(_encode(data))
    if size > DATA_LIMIT:
        raise ValueError(f"must not be over {DATA_LIMIT} bytes, and has {size}")
    return data


class DataSend(Sent):
    """`POST /rooms/{roomName}/send-data`."""

    data: Annotated[str | dict[str, Any], BeforeValidator(_text_or_object), Storable, AfterValidator(_within_limit)] = (
        Field(description="A string is sent as it is, an object as compact JSON.")
    )
    destination_identities: Annotated[list[Identity], Field(min_length=1, max_length=100)] | None = Field(
        None, description="Who gets it; everybody where this is left out."
    )
    topic: Annotated[str, StringConstraints(max_length=256), Clean] | None = None

    def packet(self) -> bytes:
        """What is sent."""
        return _encode(self.data)


class PermissionChange(Change):
    """What a participant may do; what is not named stays. Nothing else of a permission can be changed."""

    canPublish: bool = True
    canSubscribe: bool = True
    canPublishData: bool = True
    canPublishSources: Annotated[list[Source], Field(min_length=1)] = Field(default_factory=list)


class ParticipantUpdate(Change):
    """`POST /rooms/{roomName}/participants/{identity}`: at least one field."""

    metadata: Annotated[str, StringConstraints(min_length=1, max_length=65_536), Clean] = ""
    permission: PermissionChange = Field(default_factory=PermissionChange.model_construct)
    name: Annotated[str, StringConstraints(min_length=1, max_length=256), Clean] = ""

    def change(self) -> ParticipantChange:
        """The change in the media server's words."""
        sent = self.changes()
        wanted = sent.get("permission", {})
        sources = wanted.get("canPublishSources")
        return ParticipantChange(
            name=sent.get("name"),
            metadata=sent.get("metadata"),
            can_publish=wanted.get("canPublish"),
            can_subscribe=wanted.get("canSubscribe"),
            can_publish_data=wanted.get("canPublishData"),
            can_publish_sources=None if sources is None else tuple(sources),
        )


class PermissionShown(BaseModel):
    """What a participant may do; no sources means any."""

    canPublish: bool
    canSubscribe: bool
    canPublishData: bool
    canPublishSources: list[str]


class ParticipantShown(PresentWithTracks):
    """Somebody in a room, in full."""

    metadata: str
    permission: PermissionShown


class ParticipantUpdated(BaseModel):
    """`POST /rooms/{roomName}/participants/{identity}`."""

    success: bool = True
    participant: ParticipantShown


class TrackMute(Sent):
    """`POST /rooms/{roomName}/participants/{identity}/mute`."""

    muted: bool
    track_sid: Annotated[str, StringConstraints(min_length=1, max_length=256), Clean] | None = Field(
        None, description="The participant's first audio track where this is left out."
    )


class TrackMuted(BaseModel):
    """`POST …/mute`."""

    success: bool = True
    identity: str
    track_sid: str
    muted: bool


def show_live(person: LiveParticipant) -> ParticipantShown:
    """Somebody in a room as LiveKit has them now."""
    return ParticipantShown(
        identity=person.identity,
        name=person.name,
        joinedAt=person.joined_at,
        state=person.state,
        tracks=person.tracks,
        metadata=person.metadata,
        permission=_show_permission(person.permission),
    )


def _show_permission(permission: Permission) -> PermissionShown:
    return PermissionShown(
        canPublish=permission.can_publish,
        canSubscribe=permission.can_subscribe,
        canPublishData=permission.can_publish_data,
        canPublishSources=list(permission.can_publish_sources),
    )
