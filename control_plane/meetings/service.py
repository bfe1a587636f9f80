"""Meetings as a customer handles them."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlmodel import col, select
from starlette.datastructures import State

from control_plane.accounts.credentials import find_credentials
from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import read_excerpt, refuse_missing
from control_plane.events.live import LiveBus
from control_plane.ids import fingerprint, random_secret
from control_plane.media.server import MediaServer
from control_plane.meetings.announcing import MEETINGS, announcement
from control_plane.meetings.casting import Cast, find_cast
from control_plane.meetings.end_users import EndUsers
from control_plane.meetings.hosting import switch_and_tell
from control_plane.meetings.life import end_meeting
from control_plane.meetings.means import Means
from control_plane.meetings.models import Attendee, EndUser, Meeting
from control_plane.meetings.passes import Passes
from control_plane.meetings.people import new_code
from control_plane.meetings.schemas import LONGEST, Controls, DynamicMeetingCreate, MeetingCreate, MeetingSettings
from control_plane.meetings.waiting import decide, list_waiting, room_of
from control_plane.sessions.service import END_CALLS
from control_plane.wire import Excerpt


@dataclass(frozen=True, slots=True)
class Entry:
    """A meeting and the way in."""

    meeting: Meeting
    token: str
    admin_token: str
    """With which one is a host on the socket."""
    livekit_url: str
    public_url: str

    @property
    def room_url(self) -> str:
        """The meeting's page; the token is in its fragment."""
        return f"{self.public_url}/join/{self.meeting.code}#token={self.token}"

    @property
    def meeting_url(self) -> str:
        """The same, with whose meeting it is."""
        return f"{self.public_url}/join/{self.meeting.code}?{self._whose}#token={self.token}"

    @property
    def scenario_url(self) -> str:
        """The page from which the same person begins another meeting."""
        return f"{self.public_url}/s/{self.meeting.scenario_id}?{self._whose}"

    @property
    def _whose(self) -> str:
        return urlencode({"end_user_id": self.meeting.end_user_id, "membership_id": self.meeting.membership_id})


class MeetingService:
    """The meetings of one caller."""

    def __init__(
        self,
        db: Db,
        caller: Caller,
        clock: Clock,
        media: MediaServer,
        live: LiveBus,
        passes: Passes,
        *,
        public_url: str,
        means: Means,
    ) -> None:
        self.db, self.caller, self.clock, self.media, self.live = db, caller, clock, media, live
        self.passes, self.public_url, self.means = passes, public_url, means
        self.people = EndUsers(db, caller.project_id)

    async def create(self, body: MeetingCreate) -> Entry:
        """A meeting of a scenario, and the way in. Raises `InvalidRequest` for what this server cannot do."""
        cast = await find_cast(self.db, self.caller.project_id, body.scenario_id)
        end_user = await self.people.get(body.end_user_id) if body.end_user_id else None
        return await self._make(cast, body, body.name, end_user, meeting_type=body.meeting_type)

    async def create_dynamic(self, body: DynamicMeetingCreate) -> Entry:
        """A meeting of whoever it is: the end user of that e-mail address, else a new one."""
        cast = await find_cast(self.db, self.caller.project_id, body.scenario_id)
        end_user = await self.people.meet(body.called(), body.email)
        return await self._make(cast, body, body.called(), end_user, meeting_type="end-user")

    async def _make(
        self, cast: Cast, body: MeetingSettings, name: str, end_user: EndUser | None, *, meeting_type: str
    ) -> Entry:
        controls = Controls.model_validate(cast.controls | body.controls())
        keys = await find_credentials(self.db, self.caller.project_id) if controls.use_own_keys else []
        own = frozenset(key.provider for key in keys)
        self.means.demand(body, controls, own, cast.llm_model)
        code, admin_token = new_code(), random_secret("adm_")
        has_voice = body.voice_provider in self.means.voices_for(controls, own)
        meeting = Meeting(
            project_id=self.caller.project_id,
            code=code,
            room_name=f"{self.caller.slug}_{code}",
            scenario_id=body.scenario_id,
            persona_id=cast.persona_id,
            admin_hash=fingerprint(admin_token),
            name=name,
            meeting_type=meeting_type,
            end_user_id=end_user.id if end_user else None,
            membership_id=await self.people.membership(end_user.id, body.scenario_id) if end_user else None,
            language=body.language,
            voice_id=body.voice_id,
            voice_provider=body.voice_provider,
            voice_provider_used=body.voice_provider if has_voice else cast.tts_provider,
            welcome_message=body.welcome_message,
            variables=body.metadata,
            controls=controls.model_dump(),
            max_duration=body.max_duration or cast.call_duration or LONGEST,
        )
        self.db.add(meeting)
        await self.db.flush()
        token = await self._way_in(meeting, cast.persona)
        return Entry(meeting, token, admin_token, self.passes.livekit_url, self.public_url)

    async def _way_in(self, meeting: Meeting, persona: str) -> str:
        """A token for the meeting, or for its waiting room."""
        identity = f"user-{meeting.end_user_id}" if meeting.end_user_id else f"guest-{meeting.id}"
        if not meeting.has_waiting_room:
            return self.passes.admission(meeting, identity, meeting.name, persona)
        attendee = Attendee(project_id=meeting.project_id, meeting_id=meeting.id, identity=identity, name=meeting.name)
        self.db.add(attendee)
        await self.db.flush()
        return self.passes.waiting(room_of(attendee), identity, meeting.name)

    def _own(self) -> Any:
        """The caller's meetings along a scenario; those of people have a surface of their own."""
        return select(Meeting).where(
            Meeting.project_id == self.caller.project_id, col(Meeting.scenario_id).is_not(None)
        )

    async def get(self, meeting_id: int) -> Meeting:
        """One meeting; `NotFound`, or `Forbidden` where it is another project's."""
        query = self._own().where(Meeting.id == meeting_id)
        found: Meeting | None = (await self.db.exec(query)).one_or_none()
        return found or await refuse_missing(self.db, "meeting", meeting_id, "meeting")

    async def page(self, excerpt: Excerpt, **only: Any) -> tuple[list[Meeting], int]:
        """Meetings, newest first, and how many there are; `only` narrows to values of fields, None does not."""
        query = self._own()
        for name, value in only.items():
            if value is not None:
                query = query.where(getattr(Meeting, name) == value)
        rows, total = await read_excerpt(self.db, query, col(Meeting.id), excerpt)
        return [row[0] for row in rows], total

    async def end(self, meeting_id: int) -> Meeting:
        """End a meeting and send everybody away; one that is over stays as it is."""
        await self.get(meeting_id)
        session_id = await end_meeting(self.db, self.clock, self.media, meeting_id, reason="api")
        if session_id is not None:
            await self.live.publish(END_CALLS, {"session_id": session_id})
        return await self.get(meeting_id)

    async def set_waiting_room(self, meeting_id: int, *, on: bool) -> Meeting:
        """Switch the waiting room on or off; whoever waits is let in where it goes off. Raises `Conflict`."""
        await self.get(meeting_id)
        return await switch_and_tell(self.db, self.clock, self.live, meeting_id, on=on)

    async def waiting(self, meeting_id: int) -> list[Attendee]:
        """Who waits to be let in, the longest first."""
        return await list_waiting(self.db, await self.get(meeting_id))

    async def decide(self, meeting_id: int, identity: str, *, admit: bool) -> Attendee:
        """Let somebody in who waits, or send them away; they are told at once, or when they come."""
        meeting = await self.get(meeting_id)
        attendee = await decide(self.db, self.clock, meeting, identity, admit=admit)
        await self.db.commit()
        event = "participant:admitted" if admit else "participant:removed"
        await self.live.publish(MEETINGS, announcement(meeting.room_name, event, {"participantId": identity}))
        return attendee


def meetings_of(state: State, db: Db, caller: Caller) -> MeetingService:
    """The meetings of a caller, by what this process has."""
    return MeetingService(
        db,
        caller,
        state.clock,
        state.media,
        state.live,
        state.passes,
        public_url=state.settings.public_url,
        means=Means.of(state.settings),
    )
