"""Questions of the control plane put directly, as a project that has nothing: whatever is found is somebody else's.

Before most owner predicates another one has decided already, so no request shows whether they are there. Here each is
asked by itself, about rows of another project as if they were one's own.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final
from unittest import mock

from sqlalchemy import TextClause
from sqlalchemy.exc import NoResultFound
from sqlmodel import col, select

from control_plane.accounts import chaining, credentials
from control_plane.analysis import making
from control_plane.analysis.repository import find_analysis
from control_plane.bots import claiming, listing, removing, riding, sending
from control_plane.bots.models import Bot
from control_plane.calendars.models import CalendarEvent
from control_plane.calendars.sending import BotPlanner
from control_plane.calendars.service import CalendarService
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.dialects.videosdk.recordings import VideoRecordings
from control_plane.dialects.videosdk.sessions import VideoSessions
from control_plane.dialects.videosdk.transcribing import _kept_lines
from control_plane.gate import idempotency
from control_plane.gate.models import IdempotentRequest
from control_plane.ids import fingerprint
from control_plane.knowledge_bases import holdings
from control_plane.knowledge_bases import service as bases
from control_plane.meetings import attending, waiting
from control_plane.meetings.end_users import EndUsers
from control_plane.meetings.holding import hold_meeting
from control_plane.meetings.models import Meeting
from control_plane.meetings.passes import Passes
from control_plane.meetings.people import PeoplesMeetings
from control_plane.meetings.presence import by_livekit
from control_plane.metering import budget
from control_plane.metering.repository import UsageRepository, usage_of_session
from control_plane.overview import repository as overview
from control_plane.personas.models import PersonaVersion
from control_plane.personas.reading import PersonaReader
from control_plane.personas.serving import find_serving
from control_plane.personas.versions import VersionService
from control_plane.recordings.models import Recording, RecordingKind
from control_plane.replays.reading import ReplayReader
from control_plane.replays.sharing import Shares
from control_plane.rooms.models import Participant, Room
from control_plane.rooms.repository import RoomRepository
from control_plane.rooms.supervisions import Supervisions
from control_plane.sessions import winding
from control_plane.sessions.ending import find_running, lock_session
from control_plane.sessions.models import Session
from control_plane.sessions.reports import ReportDesk, ReportRefused
from control_plane.sessions.repository import SessionFilter, SessionRepository, last_words
from control_plane.supervisor import retaining
from control_plane.tokens import service as tokens
from control_plane.webhooks import deliveries
from control_plane.webhooks.deliveries import DeliveryService
from tests.support.asking import Ask, Asking, found, nothing, of
from tests.support.estates import GUEST, Estate
from tests.support.phone_questions import PHONES
from tests.support.private_questions import PRIVATE

LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
FAR: Final = datetime(2100, 1, 1, tzinfo=UTC)


async def _turned_away(it: Asking) -> Any:
    noted: list[Any] = []
    like = it.like(db=SimpleNamespace(exec=it.db.exec, add=noted.append))
    room = SimpleNamespace(name="r", project_id=it.me)
    await Supervisions._note_turned_away(like, room, it.theirs.names()["supervisor"], at=FAR)  # type: ignore[arg-type]
    return [each for each in noted if each.key_id]


async def _held(it: Asking) -> Any:
    job: Any = SimpleNamespace(
        project_id=it.me, room_name=it.hall, persona_id=it.id("persona"), session_id=it.id("session")
    )
    try:
        return await hold_meeting(it.db, None, job) is not job  # type: ignore[arg-type]
    except AttributeError:  # it goes on to what a meeting wants of the job
        return True


async def _met(it: Asking) -> Any:
    email = f"{it.theirs.canary('end_user', 'email')}@example.org".lower()
    try:
        return await EndUsers.meet(it.like(_insert=nothing), "Eve", email)
    except NoResultFound:
        return None


async def _seats(it: Asking, meeting: Any) -> Any:
    there = select(Participant.id).join(Room, col(Room.id) == Participant.room_id)
    return await it.rows(there.where(*by_livekit(meeting, ("standard",))))


def _old(table: str) -> Ask:
    return lambda it: it.changed(retaining._OLD[table], before=FAR, most=500)


def _spans(question: TextClause) -> Ask:
    return lambda it: it.rows(question, begins=[LONG_AGO], ends=[FAR], now=datetime.now(UTC))


def _room(question: Callable[[RoomRepository, Asking], Awaitable[Any]]) -> Ask:
    return lambda it: question(RoomRepository(it.db, it.me), it)


def _session(question: Callable[[SessionRepository, Asking], Awaitable[Any]]) -> Ask:
    return lambda it: question(SessionRepository(it.db, it.me), it)


def _known(status: str | None = None) -> Ask:
    return lambda it: it.db.scalar(SessionRepository(it.db, it.me).known_total(SessionFilter(status)))


def _base(question: TextClause, **more: Any) -> Ask:
    return lambda it: it.rows(question, base=it.id("knowledge_base"), **more)


async def _counted(it: Asking) -> Any:
    [(count,)] = await it.rows(holdings._COUNT, base=it.id("knowledge_base"))
    return count


async def _left(it: Asking, statement: TextClause) -> int:
    return await it.changed(statement, gone={"base": it.id("knowledge_base")})


async def _took_over(it: Asking) -> int:
    name = it.theirs.canary("idempotent_request", "key")
    return await it.changed(idempotency._TAKE_OVER, project_id=it.me, name=name, lease_until=FAR, now=FAR)


async def _repeated(it: Asking) -> Any:
    like = it.like(name=it.theirs.canary("idempotent_request", "key"))
    return await it.rows(select(IdempotentRequest.key).where(*idempotency.Replay._own(like)))


async def _recorded(it: Asking) -> Any:
    return await it.rows(select(Recording.id).where(VideoRecordings._own(it.like(), RecordingKind.ROOM)))


async def _twice(it: Asking) -> Any:
    chosen: Any = SimpleNamespace(remote_id=it.theirs.canary("calendar", "remote_id"))
    return await CalendarService._refuse_twice(it.like(), it.db, "ICS", chosen)


async def _versions(it: Asking) -> Any:
    return await it.rows(select(PersonaVersion.id).where(*VersionService._of(it.like(), it.id("persona"))))


async def _wound_up(it: Asking) -> Any:
    async def used_up(*_: Any, **__: Any) -> int:
        return 0  # the project's budget

    behind_the_wall: Any = SimpleNamespace(platform=lambda: it.database.tenant(it.me))
    with mock.patch.object(winding, "find_used_up", used_up):
        return await winding.wind_up(behind_the_wall, Clock(), project_id=it.me, persona_id=0)


async def _read(it: Asking) -> Any:
    async with it.transaction as transaction:
        await transaction.begin()
        return await PersonaReader(transaction, project_id=it.me).read(it.id("persona"))


def _of_people(it: Asking) -> Any:
    return it.like(_with_people=PeoplesMeetings._with_people)


async def _events(it: Asking) -> Any:
    endpoint: Any = SimpleNamespace(events=None)
    always: Any = SimpleNamespace(since=None, until=None)
    with mock.patch.object(deliveries, "wanted_types", return_value=["room.created"]):
        return await DeliveryService._events(it.like(), endpoint, always, after=0)


async def _tries(it: Asking) -> Any:
    return await DeliveryService._last_tries(it.like(), [it.id("webhook_delivery")])


QUESTIONS: Final[dict[str, Ask]] = {
    "accounts.chaining _link_at: AuditLink.project_id == project_id": lambda it: chaining._link_at(it.db, it.me, 1),
    "accounts.credentials Credentials.delete: col(ProviderCredential.project_id) == project_id": found(
        lambda it: credentials.Credentials.delete(it.like(_check=nothing), it.me, "elevenlabs")
    ),
    "accounts.credentials find_credentials: ProviderCredential.project_id == project_id": lambda it: (
        credentials.find_credentials(it.db, it.me)
    ),
    "analysis.making _lines: TranscriptLine.project_id == session.project_id": of(
        Session, lambda it, session: making._lines(it.db, session)
    ),
    "analysis.repository find_analysis: Analysis.project_id == project_id": lambda it: find_analysis(
        it.db, it.me, it.id("session")
    ),
    "bots.claiming _LATER: project_id = :project #1": lambda it: it.changed(claiming._LATER, later=FAR, now=FAR),
    "bots.listing speakers_by_session: TranscriptLine.project_id == project_id": of(
        Bot, lambda it, bot: listing.speakers_by_session(it.db, it.me, [bot])
    ),
    "bots.removing _remove_words: col(TranscriptLine.project_id) == bot.project_id": of(
        Bot, lambda it, bot: removing._remove_words(it.db, bot)
    ),
    "bots.riding BotGreeter._find_slot: Slot.project_id == bot.project_id": of(
        Bot,
        lambda it, bot: riding.BotGreeter._find_slot(
            it.like(), it.db, bot, it.id("persona"), it.theirs.names()["waiting_room"]
        ),
    ),
    "bots.sending BotSender._demand_apart: Bot.project_id == self.project_id": found(
        of(Bot, lambda it, bot: sending.BotSender._demand_apart(it.like(), bot))
    ),
    "bots.sending lock_bot: Bot.project_id == project_id": found(
        lambda it: sending.lock_bot(it.db, it.me, it.theirs.uuids["bot"])
    ),
    "calendars.sending BotPlanner._live: Bot.project_id == event.project_id": of(
        CalendarEvent, lambda it, event: BotPlanner._live(it.like(), it.db, event)
    ),
    "calendars.service CalendarService._refuse_twice: Calendar.project_id == self.caller.project_id": found(_twice),
    "dialects.videosdk.recordings VideoRecordings._own: col(Recording.project_id) == self.project_id": _recorded,
    "dialects.videosdk.recordings VideoRecordings._written: VideoTranscription.project_id == self.project_id": (
        lambda it: VideoRecordings._written(it.like(), [it.id("recording")])
    ),
    "dialects.videosdk.sessions VideoSessions._people: Participant.project_id == self.project_id": lambda it: (
        VideoSessions._people(it.like(), [it.id("room")])
    ),
    "dialects.videosdk.sessions VideoSessions.live: Room.project_id == self.project_id": found(
        lambda it: VideoSessions.live(it.like(), SimpleNamespace(full_name=it.hall))  # type: ignore[arg-type]
    ),
    "dialects.videosdk.transcribing _kept_lines: Session.project_id == recording.project_id": of(
        Recording, lambda it, recording: _kept_lines(it.db, recording)
    ),
    "gate.idempotency Replay._own: col(IdempotentRequest.project_id) == self.caller.project_id": _repeated,
    "gate.idempotency _TAKE_OVER: project_id = :project_id #1": _took_over,
    "knowledge_bases.holdings _COUNT: project_id = :project #1": _counted,
    "knowledge_bases.holdings _COUNT: project_id = :project #2": _counted,
    "knowledge_bases.holdings _HELD: project_id = :project #1": _base(holdings._HELD, limit=9, offset=0),
    "knowledge_bases.holdings _HELD: project_id = :project #2": _base(holdings._HELD, limit=9, offset=0),
    "knowledge_bases.service _LEAVE_AGENTS: project_id = :project #1": lambda it: _left(it, bases._LEAVE_AGENTS),
    "knowledge_bases.service _LEAVE_VERSIONS: project_id = :project #1": lambda it: _left(it, bases._LEAVE_VERSIONS),
    "meetings.attending is_recorded: Recording.project_id == meeting.project_id": of(
        Meeting, lambda it, meeting: attending.is_recorded(it.db, meeting)
    ),
    "meetings.attending title_of: Scenario.project_id == meeting.project_id": of(
        Meeting, lambda it, meeting: attending.title_of(it.db, meeting), title=""
    ),
    "meetings.end_users EndUsers.delete: col(EndUser.project_id) == self.project_id": lambda it: EndUsers.delete(
        it.like(get=nothing), it.id("end_user")
    ),
    "meetings.end_users EndUsers.meet: EndUser.project_id == self.project_id": _met,
    "meetings.holding hold_meeting: Meeting.project_id == job.project_id": _held,
    "meetings.passes Passes.persona_of: Persona.project_id == meeting.project_id": of(
        Meeting, lambda it, meeting: Passes.persona_of(it.db, meeting)
    ),
    "meetings.people PeoplesMeetings.get: Meeting.project_id == self.caller.project_id": found(
        lambda it: PeoplesMeetings.get(_of_people(it), it.theirs.names()["code of people"])
    ),
    "meetings.people PeoplesMeetings.newest: Meeting.project_id == self.caller.project_id": lambda it: (
        PeoplesMeetings.newest(_of_people(it))
    ),
    "meetings.presence by_livekit: col(Room.project_id) == meeting.project_id": of(Meeting, _seats),
    "meetings.waiting list_waiting: Attendee.project_id == meeting.project_id": of(
        Meeting, lambda it, meeting: waiting.list_waiting(it.db, meeting)
    ),
    "meetings.waiting lock_attendee: Attendee.project_id == meeting.project_id": of(
        Meeting, lambda it, meeting: waiting.lock_attendee(it.db, meeting, GUEST)
    ),
    "metering.budget _BUDGETS: project_id = :project #1": lambda it: it.rows(budget._BUDGETS, persona=it.id("persona")),
    "metering.repository UsageRepository._since: col(UsageDay.project_id) == self.project_id": lambda it: (
        UsageRepository(it.db, it.me).by("service", None)
    ),
    "metering.repository usage_of_session: UsageEntry.project_id == project_id": lambda it: it.rows(
        select(usage_of_session(it.me, it.id("session")))
    ),
    "overview.repository ANSWERS: turn.project_id = :project #1": _spans(overview.ANSWERS),
    "overview.repository COSTS: usage_entry.project_id = :project #1": _spans(overview.COSTS),
    "overview.repository NOW: project_id = :project #1": lambda it: it.rows(overview.NOW),
    "overview.repository SESSIONS: session.project_id = :project #1": _spans(overview.SESSIONS),
    "personas.reading _READ: persona.project_id = %(project)s #2": found(_read),
    "personas.serving _find: Persona.project_id == project_id": lambda it: find_serving(
        it.db, it.id("persona"), project_id=it.me
    ),
    "personas.versions VersionService._of: PersonaVersion.project_id == self.caller.project_id": _versions,
    "replays.reading ReplayReader._passages: chunk.project_id == self.project_id": lambda it: ReplayReader._passages(
        it.like(),
        [SimpleNamespace(chunks=[{"chunk_id": it.id("knowledge_chunk")}])],  # type: ignore[list-item]
    ),
    "replays.reading ReplayReader._recordings: Recording.project_id == self.project_id": lambda it: (
        ReplayReader._recordings(it.like(), it.id("session"))
    ),
    "replays.sharing Shares._of: ReplayShare.project_id == self.caller.project_id": lambda it: Shares(
        it.db, it.like().caller, Clock()
    ).all(it.id("session")),
    "rooms.repository RoomRepository.find_newest: Room.project_id == self.project_id": _room(
        lambda rooms, it: rooms.find_newest(it.hall)
    ),
    "rooms.repository RoomRepository.find_open: Room.project_id == self.project_id": _room(
        lambda rooms, it: rooms.find_open(it.hall)
    ),
    "rooms.repository RoomRepository.has_present: Room.project_id == self.project_id": _room(
        lambda rooms, it: rooms.has_present(it.hall)
    ),
    "rooms.repository RoomRepository.find_stay: Participant.project_id == self.project_id": _room(
        lambda rooms, it: rooms.find_stay(it.id("room"), it.theirs.canary("participant", "sid"))
    ),
    "rooms.repository RoomRepository.find_with_present: Room.project_id == self.project_id": _room(
        lambda rooms, it: rooms.find_with_present(it.hall)
    ),
    "rooms.repository RoomRepository.lock_present: Participant.project_id == self.project_id": _room(
        lambda rooms, it: rooms.lock_present(it.id("room"))
    ),
    "rooms.supervisions Supervisions._note_turned_away: Supervision.project_id == self.project_id": _turned_away,
    "rooms.supervisions Supervisions.end_all: col(Supervision.project_id) == self.project_id": lambda it: Supervisions(
        it.db, it.me
    ).end_all(it.id("room"), at=FAR),
    "rooms.supervisions Supervisions.running: Supervision.project_id == self.project_id": lambda it: Supervisions(
        it.db, it.me
    ).running(it.id("room")),
    "sessions.ending find_running: SessionJob.project_id == session.project_id": of(
        Session, lambda it, session: find_running(it.db, it.id("session_job"), session)
    ),
    "sessions.ending lock_session: Session.project_id == project_id": lambda it: lock_session(
        it.db, it.id("session"), project_id=it.me
    ),
    "sessions.reports ReportDesk._job: SessionJob.project_id == session.project_id": of(
        Session, lambda it, session: _job(it, session)
    ),
    "sessions.winding wind_up: col(SessionJob.project_id) == project_id": _wound_up,
    "sessions.repository SessionRepository.find_active: Session.project_id == self.project_id": _session(
        lambda sessions, it: sessions.find_active(it.hall)
    ),
    "sessions.repository SessionRepository.lock_active: Session.project_id == self.project_id": _session(
        lambda sessions, it: sessions.lock_active(it.hall)
    ),
    "sessions.repository SessionRepository.known_total: SessionTally.project_id == self.project_id": _known(),
    "sessions.repository SessionRepository.known_total: Session.project_id == self.project_id": _known("completed"),
    "sessions.repository SessionRepository.last_sequence: TranscriptLine.project_id == self.project_id": _session(
        lambda sessions, it: sessions.last_sequence(it.id("session"), 1)
    ),
    "sessions.repository SessionRepository.lines: TranscriptLine.project_id == self.project_id": _session(
        lambda sessions, it: sessions.lines(it.id("session"))
    ),
    "sessions.repository SessionRepository.traces: SessionTrace.project_id == self.project_id": _session(
        lambda sessions, it: sessions.traces(it.id("session"))
    ),
    "sessions.repository SessionRepository.turns: Turn.project_id == self.project_id": _session(
        lambda sessions, it: sessions.turns(it.id("session"))
    ),
    "sessions.repository last_words: TranscriptLine.project_id == session.project_id": of(
        Session, lambda it, session: last_words(it.db, session, "user", GUEST)
    ),
    "supervisor.retaining _OLD: project_id = :project #1": _old("knowledge_unanswered"),
    "supervisor.retaining _OLD: project_id = :project #6": _old("supervision"),
    "tokens.service _RELEASE: project_id = :project #1": lambda it: it.changed(
        tokens._RELEASE, ticket_hash=fingerprint(f"further {it.theirs.slug}")
    ),
    "webhooks.deliveries DeliveryService._events: Event.project_id == self.caller.project_id": _events,
    "webhooks.deliveries DeliveryService._last_tries: WebhookDelivery.project_id == self.caller.project_id": _tries,
    **PHONES,
    **PRIVATE,
}
"""By the predicate, its module without the package: the question that it is a part of."""
ASKS: Final = {f"control_plane.{name}": question for name, question in QUESTIONS.items()}


async def _job(it: Asking, session: Any) -> Any:
    try:
        return await ReportDesk._job(it.like(), it.db, session, SimpleNamespace(epoch=1))  # type: ignore[arg-type]
    except ReportRefused:
        return None


async def found_directly(database: Database, me: int, theirs: Estate, name: str) -> list[Any]:
    """What the question of a predicate finds of theirs, for the project `me`, which has nothing."""
    if name not in ASKS:
        return []
    async with database.tenant(me) as db:
        try:
            answer = await ASKS[name](Asking(db, me, theirs, database))
        except Exception as error:  # it went on with what it found
            await db.rollback()
            answer = repr(error)
    return [("asked directly", str(answer)[:300])] if answer else []
