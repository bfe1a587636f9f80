"""Meetings of people: without a scenario and its persona, with hosts."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func
from sqlmodel import col, select

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import NotFound
from control_plane.events.live import LiveBus
from control_plane.ids import fingerprint, random_id, random_secret
from control_plane.media.server import MediaServer
from control_plane.meetings.hosting import switch_and_tell
from control_plane.meetings.life import end_meeting
from control_plane.meetings.models import Meeting
from control_plane.meetings.presence import OF_ROOM
from control_plane.meetings.schemas import Controls
from control_plane.rooms.models import Participant, Room

LISTED: Final = 100
LONGEST: Final = 24 * 60
"""Minutes until a meeting that nobody ends is over."""
OPEN_TO_ALL: Final = Controls(
    enable_recording=False, enable_transcription=True, enable_chat=True, enable_screen_sharing=True, enable_video=True
).model_dump()


def new_code() -> str:
    """The public name of a new meeting: 60 random bits."""
    return "-".join(random_id("", 4) for _ in range(3))


@dataclass(frozen=True, slots=True)
class Met:
    """A meeting, and how many people have been there."""

    meeting: Meeting
    people: int


class PeoplesMeetings:
    """Those of one caller."""

    def __init__(self, db: Db, caller: Caller, clock: Clock, media: MediaServer, live: LiveBus) -> None:
        self.db, self.caller, self.clock, self.media, self.live = db, caller, clock, media, live

    async def create(self, title: str, *, waiting_room: bool = False) -> tuple[Meeting, str]:
        """A new meeting and its hosts' token, of which a fingerprint is kept."""
        code, admin_token = new_code(), random_secret("adm_")
        meeting = Meeting(
            project_id=self.caller.project_id,
            code=code,
            room_name=f"{self.caller.slug}_{code}",
            title=title,
            admin_hash=fingerprint(admin_token),
            meeting_type="people",
            controls=OPEN_TO_ALL | {"enable_waiting_room": waiting_room},
            max_duration=LONGEST,
        )
        self.db.add(meeting)
        await self.db.flush()
        return meeting, admin_token

    async def newest(self) -> list[Met]:
        """The newest ones."""
        query = self._with_people().where(Meeting.project_id == self.caller.project_id)
        rows = await self.db.execute(query.order_by(col(Meeting.id).desc()).limit(LISTED))
        return [Met(*row) for row in rows]

    async def get(self, code: str) -> Met:
        """One meeting by its code; `NotFound`. A code says nothing of whose it is."""
        query = self._with_people().where(Meeting.project_id == self.caller.project_id, Meeting.code == code)
        row = (await self.db.execute(query)).one_or_none()
        if row is None:
            raise NotFound("There is no such meeting")
        return Met(*row)

    async def set_waiting_room(self, code: str, *, on: bool) -> None:
        """Switch the waiting room on or off; whoever waits is let in where it goes off. Raises `Conflict`."""
        met = await self.get(code)
        await switch_and_tell(self.db, self.clock, self.live, met.meeting.id, on=on)

    async def end(self, code: str) -> None:
        """End a meeting for everybody; one that is over stays so."""
        met = await self.get(code)
        await end_meeting(self.db, self.clock, self.media, met.meeting.id, reason="api")

    @staticmethod
    def _with_people() -> Any:
        been = (
            select(func.count(func.distinct(Participant.identity)))
            .join(Room, OF_ROOM)
            .where(
                Room.project_id == Meeting.project_id,
                Room.full_name == Meeting.room_name,
                Participant.kind == "standard",
            )
        )
        return select(Meeting, been.correlate(Meeting).scalar_subquery()).where(Meeting.meeting_type == "people")
