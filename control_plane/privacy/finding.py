"""What belongs to a person: the conversations that are theirs, and those in which they were one of several."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final, Self

from sqlalchemy import TextClause, text

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.privacy.persons import Names, Person, names_of

_END_USERS: Final = text("""
    select id, email from end_user where project_id = :project and (id = :end_user or lower(email) = any(:emails))
""")
_CALLS: Final = text("""
    select id, session_id, identity, room_name, started_at, ended_at from call
    where project_id = :project and (phone_number = any(:numbers) or identity = any(:identities))
""")
_MEETINGS: Final = text("""
    select meeting.id, meeting.session_id from meeting
    where project_id = :project and end_user_id = any(:end_users)
""")
# Who was alone with agents in a conversation is its caller, though nobody said so when it began.
_SESSIONS: Final = text("""
    select id, room_name, caller_identity, status, started_at, ended_at,
        id = any(:sessions) or ((caller_identity is null or caller_identity = any(:identities)) and not exists (
            select from transcript_line other
            where other.session_id = session.id and other.speaker = 'user'
                and other.identity <> '' and other.identity <> all(:identities))) as theirs
    from session
    where project_id = :project and (
        caller_identity = any(:identities) or id = any(:sessions) or id in (
            select session_id from transcript_line
            where project_id = :project and speaker = 'user' and identity = any(:identities)))
""")
# A meeting's guest has an identity of that meeting alone.
_GUESTS: Final = text("""
    select min(identity) as identity from transcript_line
    where project_id = :project and session_id = any(:sessions) and speaker = 'user' and identity <> ''
    group by session_id having count(distinct identity) = 1
""")
_RECORDINGS: Final = text("""
    select id, status from recording where project_id = :project and (
        session_id = any(:sessions) or details ->> 'identity' = any(:identities) or exists (
            select from participant join room on room.id = participant.room_id
            where participant.project_id = :project and participant.identity = any(:identities)
                and room.full_name = recording.room_name
                and participant.joined_at <= coalesce(recording.ended_at, :now)
                and coalesce(participant.left_at, :now) >= recording.started_at))
""")
_PRESENT: Final = text("""
    select exists (
        select from participant join room on room.id = participant.room_id
        where participant.project_id = :project and participant.identity = any(:identities)
            and participant.left_at is null and room.status = 'open')
""")


@dataclass(slots=True)
class Found:
    """What was found of a person, by number."""

    emails: list[str] = field(default_factory=list)
    identities: list[str] = field(default_factory=list)
    end_users: list[int] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)
    """Conversations that are theirs."""
    shared: list[int] = field(default_factory=list)
    """Those in which others spoke as well."""
    calls: list[int] = field(default_factory=list)
    meetings: list[int] = field(default_factory=list)
    recordings: list[int] = field(default_factory=list)
    """Those in which they can be heard, or may be."""
    stays: list[tuple[str, str, str]] = field(default_factory=list)
    """Rooms of theirs, and from when to when, in ISO 8601."""
    going_on: str | None = None
    """What of them has not ended."""

    def names(self, person: Person) -> Names:
        """What the person is known by, with what was found."""
        return names_of(person, emails=self.emails, identities=self.identities)

    @property
    def numbers(self) -> dict[str, Any]:
        """Which conversations it was, once nobody's name is kept any more."""
        return {"sessions": self.sessions, "calls": self.calls}

    def as_json(self) -> dict[str, Any]:
        """What is kept of it from one step to the next."""
        return asdict(self)

    @classmethod
    def of_json(cls, kept: dict[str, Any]) -> Self:
        """The reverse of `as_json`."""
        return cls(**{**kept, "stays": [(room, since, until) for room, since, until in kept["stays"]]})


async def find(db: Db, clock: Clock, project_id: int, person: Person) -> Found:
    """Everything that is kept by the person's own names, in the transaction of their project."""
    found, now = Found(), clock.now()
    known = names_of(person)

    async def rows(query: TextClause, **values: Any) -> Any:
        return (await db.execute(query, {"project": project_id} | values)).all()

    people = await rows(_END_USERS, end_user=person.end_user_id, emails=list(known.emails))
    found.end_users = [row.id for row in people]
    found.emails = list(dict.fromkeys([*known.emails, *(row.email for row in people if row.email)]))
    if person.email:
        known = names_of(person, identities=[person.email])
    calls = await rows(_CALLS, numbers=list(known.numbers), identities=list(known.identities))
    found.calls = [row.id for row in calls]
    met = await rows(_MEETINGS, end_users=found.end_users)
    found.meetings = [row.id for row in met]
    by_name = [row.session_id for row in (*calls, *met) if row.session_id is not None]
    identities = list(dict.fromkeys([*known.identities, *(row.identity for row in calls if row.identity)]))
    identities += [row.identity for row in await rows(_GUESTS, sessions=by_name) if row.identity not in identities]
    sessions = await rows(_SESSIONS, identities=identities, sessions=by_name)
    theirs = [row for row in sessions if row.theirs]
    found.sessions, found.shared = [row.id for row in theirs], [row.id for row in sessions if not row.theirs]
    found.identities = list(
        dict.fromkeys([*identities, *(row.caller_identity for row in theirs if row.caller_identity)])
    )
    for row in (*theirs, *calls):
        found.stays.append((row.room_name, row.started_at.isoformat(), (row.ended_at or now).isoformat()))
    heard = await rows(_RECORDINGS, sessions=found.sessions + found.shared, identities=found.identities, now=now)
    found.recordings = [row.id for row in heard]
    found.going_on = _going_on(sessions, calls, heard)
    if found.going_on is None and await db.scalar(_PRESENT, {"project": project_id, "identities": found.identities}):
        found.going_on = "they are in a room"
    return found


def _going_on(sessions: Any, calls: Any, recordings: Any) -> str | None:
    for row in sessions:
        if row.status == "active":
            return f"session {row.id} has not ended"
    for row in calls:
        if row.ended_at is None:
            return f"call {row.id} has not ended"
    for row in recordings:
        if row.status == "recording":
            return f"recording {row.id} is not complete"
    return None


def span(stay: tuple[str, str, str]) -> tuple[str, datetime, datetime]:
    """A room and its two moments."""
    room, since, until = stay
    return room, datetime.fromisoformat(since), datetime.fromisoformat(until)
