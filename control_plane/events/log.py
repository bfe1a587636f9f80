"""Writing facts. Nobody is called: monitors, webhooks and meters read the log."""

from typing import Any, Final

from sqlalchemy import event, text
from sqlalchemy.orm import Session, UOWTransaction

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.models import Event
from guard.redaction import Redactor, build

WORDS: Final = {Fact.TRANSCRIPT_LINE.value: ("content", "name"), Fact.MEETING_CHAT.value: ("text", "name")}
"""Facts that hold what people said, and where."""
_WISH: Final = text("select redact_names from project where id = :id and redact")


class EventLog:
    """Appends facts to the transaction of the rows they are about."""

    def __init__(self, db: Db, clock: Clock) -> None:
        self.db, self.clock = db, clock

    def append(self, fact: Fact, *, project_id: int, room_name: str | None = None, **data: Any) -> None:
        """Record a fact. `data` holds what every reader may need; readers project their own names and fields.

        What people said loses its personal data where the project wants that, whoever appends it.
        """
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


def _redact(session: Session, _: UOWTransaction, __: Any) -> None:
    """The last wall before all readers of the log: those who append have done the same."""
    wishes: dict[int, Redactor | None] = {}
    for each in session.new:
        if isinstance(each, Event) and each.type in WORDS:
            if each.project_id not in wishes:
                names = session.execute(_WISH, {"id": each.project_id}).scalar_one_or_none()
                wishes[each.project_id] = build(names) if names is not None else None
            redactor = wishes[each.project_id]
            if redactor is not None:
                fields = {key: redactor.redact(each.data.get(key) or "") for key in WORDS[each.type]}
                each.data = each.data | fields


event.listen(Session, "before_flush", _redact)
