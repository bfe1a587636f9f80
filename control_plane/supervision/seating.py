"""A supervisor who is in a room may do there what they may now, whatever their token says."""

from contextlib import suppress
from typing import Any

import structlog
from sqlmodel import select

from control_plane.db.database import Database
from control_plane.errors import NotFound
from control_plane.media.server import MediaServer, ParticipantChange
from control_plane.rooms.models import Room, RoomStatus
from control_plane.rooms.supervisions import Supervisions

log = structlog.get_logger()


class Seating:
    """Puts right, or away, whoever came with a token of another mode; as often as it is asked for."""

    def __init__(self, database: Database, media: MediaServer) -> None:
        self.database, self.media = database, media

    async def handle(self, payload: dict[str, Any]) -> None:
        """Work off a job `SEAT`. Raises `Unavailable` where LiveKit is away."""
        room_name, identity = payload["room_name"], payload["identity"]
        with suppress(NotFound):  # they have left
            person = await self.media.find_participant(room_name, identity)
            if person.sid != payload["sid"]:
                return  # who came after them is looked at by another job
            attributes = await self._attributes_of(room_name, identity)
            if attributes is None:
                await self.media.remove_participant(room_name, identity)
                log.info("supervisor turned away", identity=identity)
            elif not attributes.items() <= person.attributes.items():
                await self.media.update_participant(room_name, identity, ParticipantChange(attributes=attributes))

    async def _attributes_of(self, room_name: str, identity: str) -> dict[str, str] | None:
        async with self.database.platform() as db:
            query = select(Room).where(Room.full_name == room_name, Room.status == RoomStatus.OPEN)
            room = (await db.exec(query)).one_or_none()
            if room is None:  # no call's: where a persona alone is spoken to
                return {}
            return await Supervisions(db, room.project_id).find_attributes(room.id, identity)
