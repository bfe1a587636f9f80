"""Writing facts. Nobody is called: monitors, webhooks and meters read the log."""

from typing import Any

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.models import Event


class EventLog:
    """Appends facts to the transaction of the rows they are about."""

    def __init__(self, db: Db, clock: Clock) -> None:
        self.db, self.clock = db, clock

    def append(self, fact: Fact, *, project_id: int, room_name: str | None = None, **data: Any) -> None:
        """Record a fact. `data` holds what every reader may need; readers project their own names and fields."""
        self.db.add(
            Event(
                project_id=project_id,
                type=fact.value,
                room_name=room_name,
                data=data,
                created_at=self.clock.now(),
            )
        )
        self.db.announce()
