"""Rooms of one caller: made, found, listed, deactivated."""

import secrets
from string import ascii_lowercase
from typing import Any, Final

from sqlalchemy import or_
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from control_plane.auth.callers import Caller
from control_plane.clock import Clock, iso_ms
from control_plane.db.database import Db
from control_plane.db.rows import read_page
from control_plane.dialects.videosdk.models import VideoRoom
from control_plane.dialects.videosdk.shapes import Links, Pages, RoomNotFound, number_of, object_id
from control_plane.errors import Forbidden
from control_plane.gate.addresses import check_address
from control_plane.gate.signed import Claims
from control_plane.rooms.retiring import retire
from control_plane.secrets.box import SecretBox
from control_plane.webhooks.models import WebhookEndpoint
from control_plane.webhooks.signing import new_secret
from control_plane.webhooks.targets import sealed_as
from guard.outbound import Outbound

DIALECT: Final = "videosdk"
"""What webhooks of these rooms are written in."""
PARTS: Final = (3, 4, 4)


def new_room_id() -> str:
    """Such as `abc-xyzw-lmno`: 51 random bits."""
    return "-".join("".join(secrets.choice(ascii_lowercase) for _ in range(size)) for size in PARTS)


class VideoRooms:
    """The rooms of one caller; those of one name alone, where the token says so."""

    def __init__(self, db: Db, caller: Caller, claims: Claims, clock: Clock, links: Links) -> None:
        self.db, self.caller, self.claims, self.clock, self.links = db, caller, claims, clock, links

    async def create(
        self, values: dict[str, Any], webhook: tuple[str, list[str]] | None, box: SecretBox, outbound: Outbound
    ) -> VideoRoom:
        """A new room; the one there is where its `custom_room_id` is known already."""
        if webhook is not None:
            await check_address(outbound, "webhook.endPoint", webhook[0])
        custom = values.get("custom_room_id")
        known = await self._find(VideoRoom.custom_room_id == custom) if custom is not None else None
        if known is not None:
            return known
        if self.claims.room is not None:
            raise Forbidden("This token is for one room, and makes no other")
        room_id, now = new_room_id(), self.clock.now()
        statement = (
            insert(VideoRoom)
            .values(
                project_id=self.caller.project_id,
                room_id=room_id,
                full_name=f"{self.caller.slug}_{room_id}",
                disabled=False,
                created_at=now,
                updated_at=now,
                **values,
            )
            .on_conflict_do_nothing(index_elements=["project_id", "custom_room_id"])
            .returning(VideoRoom)
        )
        room = (await self.db.scalars(statement)).one_or_none()
        if room is None:  # somebody else's request for the same one came first
            return await self.get(str(custom))
        if webhook is not None:
            await add_webhook(self.db, box, room.project_id, room.full_name, *webhook)
        return room

    async def get(self, given: str) -> VideoRoom:
        """A room by its `roomId`, its `customRoomId` or its id; `RoomNotFound`."""
        names = (VideoRoom.room_id, given), (VideoRoom.custom_room_id, given), (VideoRoom.id, number_of(given))
        for column, value in names:
            room = await self._find(column == value) if value else None
            if room is not None:
                return room
        raise RoomNotFound

    async def exact(self, room_id: str, *, lock: bool = False) -> VideoRoom:
        """A room by its `roomId` alone; `RoomNotFound`."""
        room = await self._find(VideoRoom.room_id == room_id, lock=lock)
        if room is None:
            raise RoomNotFound
        return room

    async def page(self, pages: Pages, named: str | None) -> dict[str, Any]:
        """A page of rooms, newest first; of one name, where one is given."""
        query: Any = select(VideoRoom).where(self._own())
        if named is not None:
            query = query.where(or_(col(VideoRoom.room_id) == named, col(VideoRoom.custom_room_id) == named))
        rows, total = await read_page(self.db, query.order_by(col(VideoRoom.id).desc()), pages)
        return pages.show([self.show(row) for row in rows], total)

    def show(self, room: VideoRoom) -> dict[str, Any]:
        """A room on the wire; what nobody configured is left out."""
        shown = {
            "roomId": room.room_id,
            "customRoomId": room.custom_room_id,
            "userId": object_id(self.caller.account_id),
            "disabled": room.disabled,
            "createdAt": iso_ms(room.created_at),
            "updatedAt": iso_ms(room.updated_at),
            "id": object_id(room.id),
            "links": self.links.of(room.room_id),
        }
        configured = {
            "geoFence": room.geo_fence,
            "webhook": room.webhook,
            "autoCloseConfig": room.auto_close,
            "autoStartConfig": room.auto_start,
            "multiComposition": room.multi_composition,
        }
        return shown | {name: value for name, value in configured.items() if value is not None}

    def _own(self) -> Any:
        own = col(VideoRoom.project_id) == self.caller.project_id
        return own if self.claims.room is None else own & (col(VideoRoom.room_id) == self.claims.room)

    async def _find(self, which: Any, *, lock: bool = False) -> VideoRoom | None:
        query = select(VideoRoom).where(self._own(), which).limit(1)
        return (await self.db.exec(query.with_for_update() if lock else query)).one_or_none()


async def deactivate(db: Db, clock: Clock, room: VideoRoom) -> None:
    """Have nobody enter a room any more. Harmless when that is so."""
    if not room.disabled:
        room.disabled, room.updated_at = True, clock.now()
    await retire(db, room.project_id, room.full_name)


async def add_webhook(db: Db, box: SecretBox, project_id: int, full_name: str, url: str, events: list[str]) -> None:
    """Have what happens in a room told to an address; what it is told already stays as it is."""
    known = select(WebhookEndpoint.id).where(
        WebhookEndpoint.project_id == project_id,
        WebhookEndpoint.dialect == DIALECT,
        WebhookEndpoint.room_name == full_name,
        WebhookEndpoint.url == url,
        WebhookEndpoint.events == events,
    )
    if (await db.exec(known)).first() is not None:
        return
    endpoint = WebhookEndpoint(
        project_id=project_id,
        url=url,
        dialect=DIALECT,
        room_name=full_name,
        events=events,
        sealed_secret=b"",
    )
    db.add(endpoint)
    await db.flush()
    endpoint.sealed_secret = box.seal(new_secret(), row=sealed_as(endpoint.id))
