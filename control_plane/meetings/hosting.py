"""What people do in a meeting, and what its hosts may do with the others: written first, then done in LiveKit."""

from collections.abc import Sequence
from typing import Any, Final

from sqlmodel import col, select, update

from control_plane.accounts.models import Project
from control_plane.accounts.redacting import redactor_of
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Forbidden, InvalidRequest, NotFound
from control_plane.events.facts import Fact
from control_plane.events.live import LiveBus
from control_plane.events.log import EventLog
from control_plane.media.server import MediaServer
from control_plane.meetings.announcing import MEETINGS, announcement
from control_plane.meetings.life import end_meeting
from control_plane.meetings.models import Attendee, Meeting
from control_plane.meetings.waiting import decide, switch
from control_plane.rooms.endings import note_removal
from control_plane.sessions.models import Session
from control_plane.sessions.repository import SessionRepository

CHAT: Final = "chat"
"""Live channel: lines that were written in meetings with a persona. `session_id`, `text`, `identity`, `name`."""
Told = list[tuple[str, dict[str, Any]]]
"""Events for all in the meeting, with their data."""


def told_of_switch(meeting: Meeting, admitted: Sequence[Attendee]) -> Told:
    """What all are told once a waiting room was switched on or off."""
    return [_updated(meeting), *(("participant:admitted", {"participantId": each.identity}) for each in admitted)]


async def switch_and_tell(db: Db, clock: Clock, live: LiveBus, meeting_id: int, *, on: bool) -> Meeting:
    """Switch a waiting room as `waiting.switch`, commit, and have all in the meeting told."""
    meeting, admitted = await switch(db, clock, meeting_id, on=on)
    await db.commit()
    for event, data in told_of_switch(meeting, admitted):
        await live.publish(MEETINGS, announcement(meeting.room_name, event, data))
    return meeting


def _updated(meeting: Meeting) -> tuple[str, dict[str, Any]]:
    waits = meeting.has_waiting_room
    return "meeting:updated", {"meetingId": meeting.code, "locked": meeting.locked, "waitingRoom": waits}


class Host:
    """Acts in meetings, for people who are in them."""

    def __init__(self, database: Database, clock: Clock, media: MediaServer) -> None:
        self.database, self.clock, self.media = database, clock, media

    @staticmethod
    def demand(attendee: Attendee) -> None:
        """Raise `Forbidden` for whoever is no host."""
        if not attendee.is_admin:
            raise Forbidden("Only hosts may do this; join with the meeting's adminToken")

    async def keep_chat(
        self, meeting: Meeting, attendee: Attendee, text: str, live: LiveBus | None = None
    ) -> int | None:
        """Write a line of the chat into the log; the conversation whose persona is to answer it, if one runs.

        Raises `Forbidden` where the meeting has no chat, and `Unavailable` where `live` could not tell the persona:
        then nothing is written, and whoever says it again is heard by all.
        """
        if not meeting.controls["enable_chat"]:
            raise Forbidden("This meeting has no chat")
        async with self.database.platform() as db:
            running = await SessionRepository(db, meeting.project_id).find_active(meeting.room_name)
        if running and live is not None:
            await live.demand()
        async with self.database.platform() as db:
            kept = await self._kept(db, meeting, running[0] if running else None, text)
            redactor = await redactor_of(db, meeting.project_id)
            EventLog(db, self.clock).append(
                Fact.MEETING_CHAT,
                project_id=meeting.project_id,
                room_name=meeting.room_name,
                meeting_id=meeting.id,
                identity=attendee.identity,
                name=redactor.redact(attendee.name) if redactor else attendee.name,
                text=redactor.redact(kept) if redactor else kept,
            )
        return running[0] if running else None

    async def _kept(self, db: Db, meeting: Meeting, session_id: int | None, text: str) -> str:
        """What the log is told of a line: nothing of its words where none are kept, though people were told them."""
        query = select(Project.store_transcripts).where(Project.id == meeting.project_id)
        session = await db.get(Session, session_id) if session_id is not None else None
        is_kept = (await db.exec(query)).one() and (session is None or session.store_transcripts)
        return text if is_kept else ""

    async def set_hand(self, attendee: Attendee, *, raised: bool) -> None:
        """A hand goes up or down."""
        async with self.database.platform() as db:
            await db.exec(update(Attendee).where(col(Attendee.id) == attendee.id).values(hand_raised=raised))

    async def set_muted(self, attendee: Attendee, *, muted: bool) -> None:
        """Somebody mutes or unmutes their own microphone."""
        async with self.database.platform() as db:
            await db.exec(update(Attendee).where(col(Attendee.id) == attendee.id).values(muted=muted))

    async def act(self, meeting: Meeting, act: str, whom: str | None) -> Told:
        """Do what a host asks for; what all are told. Raises `NotFound` for somebody who is not there."""
        match act:
            case "admit" if whom:
                return await self._decide(meeting, whom, admit=True)
            case "kick" if whom:
                return await self._decide(meeting, whom, admit=False)
            case "mute" if whom:
                return await self._mute(meeting, whom)
            case "lock" | "unlock":
                return await self._lock(meeting, locked=act == "lock")
            case "end":
                return await self._end(meeting)
        raise InvalidRequest("participantId is needed")

    async def _decide(self, meeting: Meeting, whom: str, *, admit: bool) -> Told:
        async with self.database.platform() as db:
            try:
                await decide(db, self.clock, meeting, whom, admit=admit)
            except NotFound:
                if admit:
                    raise
        if not admit:
            await self._remove(meeting, whom)
        return [("participant:admitted" if admit else "participant:removed", {"participantId": whom})]

    async def _remove(self, meeting: Meeting, whom: str) -> None:
        async with self.database.platform() as db:
            await note_removal(db, meeting.room_name, whom)
        try:
            await self.media.remove_participant(meeting.room_name, whom)
        except NotFound:
            return

    async def _mute(self, meeting: Meeting, whom: str) -> Told:
        person = await self.media.find_participant(meeting.room_name, whom)
        for track in person.tracks:
            if track["source"] == "microphone" and not track["muted"]:
                await self.media.mute_track(meeting.room_name, whom, track["sid"], muted=True)
        async with self.database.platform() as db:
            mine = (col(Attendee.meeting_id) == meeting.id, col(Attendee.identity) == whom)
            await db.exec(update(Attendee).where(*mine).values(muted=True))
        return [("participant:updated", {"participantId": whom, "muted": True})]

    async def _lock(self, meeting: Meeting, *, locked: bool) -> Told:
        async with self.database.platform() as db:
            found = (await db.exec(select(Meeting).where(Meeting.id == meeting.id).with_for_update())).one()
            found.locked = locked
        return [_updated(found)]

    async def set_waiting_room(self, meeting: Meeting, *, on: bool) -> Told:
        """Switch the waiting room on or off, as `waiting.switch`; what all are told."""
        async with self.database.platform() as db:
            return told_of_switch(*await switch(db, self.clock, meeting.id, on=on))

    async def _end(self, meeting: Meeting) -> Told:
        async with self.database.platform() as db:
            await end_meeting(db, self.clock, self.media, meeting.id, reason="api")
        return []
