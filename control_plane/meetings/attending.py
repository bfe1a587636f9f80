"""Coming to a meeting by its code, being seen there, and leaving; what hosts may do with the others.

Whoever attends by a socket is present for as long as some process says so (`seen_at`); LiveKit tells of the others.
"""

from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

from sqlmodel import col, select, update

from agents.attendance import HOST_PREFIX
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.ids import fingerprint, random_id
from control_plane.meetings.life import OPEN
from control_plane.meetings.models import Attendee, AttendeeState, Meeting, Scenario
from control_plane.meetings.presence import OF_ROOM, PRESENT_FOR, by_livekit, by_socket, is_full
from control_plane.meetings.waiting import arrived, lock_attendee, waits_in
from control_plane.recordings.models import Recording, RecordingStatus
from control_plane.rooms.models import Participant, Room
from control_plane.rooms.repository import VISIBLE_KINDS
from control_plane.tokens.identities import BY_SOCKET
from control_plane.tokens.reader import Shown


class CannotJoin(Exception):
    """Why somebody does not get in: a code for programs, a sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is there, as all others see them."""

    identity: str
    name: str
    is_admin: bool = False
    is_bot: bool = False
    muted: bool = False
    hand_raised: bool = False


async def attend(
    db: Db, clock: Clock, code: str, name: str, *, admin_token: str | None, wants_admin: bool, is_bot: bool
) -> tuple[Meeting, Attendee]:
    """Somebody comes: they are in, or wait. Raises `CannotJoin`.

    The meeting is locked until the commit, so that no more come than it holds.
    """
    meeting = await _find_open(db, code)
    is_admin = admin_token is not None and compare_digest(fingerprint(admin_token), meeting.admin_hash or b"")
    if (wants_admin or admin_token is not None) and not is_admin:
        raise CannotJoin("INVALID_ADMIN_TOKEN", "This is not the token of the meeting's hosts")
    waits = meeting.has_waiting_room and not is_admin
    now = clock.now()
    await _demand_room(db, meeting, now, is_admin=is_admin, waits=waits)
    attendee = Attendee(
        project_id=meeting.project_id,
        meeting_id=meeting.id,
        identity=random_id(BY_SOCKET, 12),
        name=name,
        is_admin=is_admin,
        is_bot=is_bot,
        state=AttendeeState.WAITING if waits else AttendeeState.ADMITTED,
        since=now,
        seen_at=now,
    )
    db.add(attendee)
    await db.flush()
    return meeting, attendee


async def attend_again(
    db: Db, clock: Clock, code: str, shown: Shown, *, is_bot: bool
) -> tuple[Meeting, Attendee, bool]:
    """Somebody comes with a LiveKit token: of the meeting's room, or of the room where they wait for it.

    They are who the token says, also when they have been there before; the last is whether they are there still, by
    another socket that has not been missed. Raises `CannotJoin`.
    """
    meeting = await _find_open(db, code)
    now = clock.now()
    attendee = await lock_attendee(db, meeting, shown.identity)
    if not (shown.room == meeting.room_name or (attendee is not None and waits_in(attendee, shown.room))):
        raise CannotJoin("INVALID_TOKEN", "This token opens another meeting")
    if attendee is not None and attendee.state == AttendeeState.DENIED:
        raise CannotJoin("REMOVED", "The hosts have sent you away")
    still_there = attendee is not None and attendee.seen_at is not None and attendee.seen_at > now - PRESENT_FOR
    if attendee is None:
        await _demand_room(db, meeting, now, shown.identity)
        attendee = Attendee(
            project_id=meeting.project_id,
            meeting_id=meeting.id,
            identity=shown.identity,
            name=shown.name,
            is_bot=is_bot,
            state=AttendeeState.ADMITTED,
            since=now,
        )
        db.add(attendee)
    elif attendee.state == AttendeeState.INVITED:
        await arrived(db, clock, meeting, attendee)
    elif attendee.state == AttendeeState.ADMITTED and not still_there:
        await _demand_room(db, meeting, now, shown.identity, is_admin=True)
    attendee.seen_at = now
    await db.flush()
    return meeting, attendee, still_there


async def attend_as_bot(db: Db, clock: Clock, code: str, name: str, identity: str) -> tuple[Meeting, Attendee]:
    """A bot of this server comes, or comes back: it is in, or is to wait in its waiting room. Raises `CannotJoin`."""
    meeting = await _find_open(db, code)
    attendee = await lock_attendee(db, meeting, identity)
    if attendee is not None and attendee.state == AttendeeState.DENIED:
        raise CannotJoin("REMOVED", "The hosts have sent the bot away")
    if attendee is not None:
        return meeting, attendee
    waits, now = meeting.has_waiting_room, clock.now()
    await _demand_room(db, meeting, now, is_admin=False, waits=waits)
    attendee = Attendee(
        project_id=meeting.project_id,
        meeting_id=meeting.id,
        identity=identity,
        name=name,
        is_bot=True,
        state=AttendeeState.INVITED if waits else AttendeeState.ADMITTED,
        since=now,
    )
    db.add(attendee)
    await db.flush()
    return meeting, attendee


async def _find_open(db: Db, code: str) -> Meeting:
    meeting = (await db.exec(select(Meeting).where(Meeting.code == code).with_for_update())).one_or_none()
    if meeting is None:
        raise CannotJoin("MEETING_NOT_FOUND", "There is no such meeting")
    if meeting.status not in OPEN:
        raise CannotJoin("MEETING_ENDED", "The meeting is over")
    return meeting


async def _demand_room(
    db: Db, meeting: Meeting, now: datetime, identity: str = "", *, is_admin: bool = False, waits: bool = False
) -> None:
    """Raise `CannotJoin` where nobody new may come in. A lock does not keep out hosts, nor who was in before."""
    if meeting.locked and not is_admin:
        raise CannotJoin("MEETING_LOCKED", "The hosts have locked the meeting")
    if not waits and await is_full(db, meeting, now, but=identity):
        raise CannotJoin("MEETING_FULL", "The meeting is full")


async def roster(db: Db, clock: Clock, meeting: Meeting) -> list[Person]:
    """Everybody who is there by a socket or in LiveKit's room, each once, in the order they came."""
    seated = select(Attendee).where(*by_socket(meeting, clock.now())).order_by(col(Attendee.id))
    there = select(Participant).join(Room, OF_ROOM).where(*by_livekit(meeting, VISIBLE_KINDS))
    people = {each.identity: seen(each) for each in (await db.exec(seated)).all()}
    for each in (await db.exec(there.order_by(col(Participant.joined_at)))).all():
        is_bot = is_machine(each.kind, each.identity)
        people.setdefault(each.identity, Person(each.identity, each.name or each.identity, is_bot=is_bot))
    return list(people.values())


def is_machine(kind: str, identity: str) -> bool:
    """Whether a participant of LiveKit is an agent, or a bot that was sent."""
    return kind == "agent" or identity.startswith(HOST_PREFIX)


def seen(attendee: Attendee) -> Person:
    """An attendee as others see them."""
    return Person(
        attendee.identity,
        attendee.name,
        attendee.is_admin,
        attendee.is_bot,
        attendee.muted,
        attendee.hand_raised,
    )


async def still_there(db: Db, clock: Clock, attendee_ids: list[int]) -> None:
    """A process holds the sockets of these."""
    await db.exec(update(Attendee).where(col(Attendee.id).in_(attendee_ids)).values(seen_at=clock.now()))


async def gone(db: Db, attendee_id: int) -> None:
    """Somebody's socket has closed; who waited does not any more."""
    mine = update(Attendee).where(col(Attendee.id) == attendee_id)
    await db.exec(mine.values(seen_at=None, hand_raised=False))
    await db.exec(mine.where(col(Attendee.state) == AttendeeState.WAITING).values(state=AttendeeState.INVITED))


async def is_seated(db: Db, clock: Clock, room_name: str, identity: str) -> bool:
    """Whether somebody in a meeting's room is there by a socket too, which tells of them."""
    query = (
        select(Attendee.id)
        .join(Meeting, col(Meeting.id) == Attendee.meeting_id)
        .where(
            Meeting.room_name == room_name,
            Attendee.identity == identity,
            col(Attendee.seen_at) > clock.now() - PRESENT_FOR,
        )
    )
    return (await db.exec(query)).first() is not None


async def is_recorded(db: Db, meeting: Meeting) -> bool:
    """Whether somebody keeps what is said now."""
    query = select(Recording.id).where(
        Recording.project_id == meeting.project_id,
        Recording.room_name == meeting.room_name,
        Recording.status == RecordingStatus.RECORDING,
        col(Recording.egress_id).is_not(None),
    )
    return (await db.exec(query)).first() is not None


async def as_it_is(db: Db, meeting: Meeting) -> Meeting:
    """A meeting that was read before, with what was changed since."""
    return (await db.exec(select(Meeting).where(Meeting.id == meeting.id))).one()


async def title_of(db: Db, meeting: Meeting) -> str:
    """What a meeting is called: as its people called it, or after its scenario."""
    query = select(Scenario.name).where(Scenario.project_id == meeting.project_id, Scenario.id == meeting.scenario_id)
    return meeting.title or (await db.exec(query)).one_or_none() or ""
