"""What a bot's host reports of it, step by step; and how it ends, whoever ends it."""

from dataclasses import asdict
from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlmodel import col, select

from agents.contract import EndReason
from control_plane.accounts.limits import is_full
from control_plane.bots.addresses import Line, read_address
from control_plane.bots.asking import OTHERS, BotAsk
from control_plane.bots.models import Bot, BotError, BotState
from control_plane.bots.riding import GREET, take_along
from control_plane.bots.telling import BotTeller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.events.log import EventLog
from control_plane.jobs.queue import enqueue
from control_plane.media.orders import Picture
from control_plane.recordings.beeping import LISTENED, problem_of
from control_plane.recordings.models import Recording, RecordingOrigin, RecordingStatus
from control_plane.recordings.sessions import WANTED
from control_plane.recordings.settling import fail, lock_recording
from control_plane.recordings.taking import new_recording
from control_plane.recordings.telling import ask_stop
from control_plane.secrets.box import SecretBox
from control_plane.sessions.ending import end_session, is_writing, lock_session
from control_plane.sessions.models import Session, SessionJob, SessionStatus

STOP_RECORDING: Final = "bot.stop_recording"
"""Job: a bot has left, so its recording ends. Payload: egress_id."""
WRITE_DOWN: Final = "bot.write_down"
"""Job: write down a bot's recording from a place on. Payload: bot_id, place (seconds), task (Gladia's)."""
SIZE: Final = (1280, 720, 25)
LAYOUTS: Final = {"speaker_view": "single-speaker", "gallery_view": "grid"}
WITHOUT_JOINING: Final = {
    "denied": (BotError.NOT_ACCEPTED, "the hosts of the meeting did not let the bot in"),
    "removed": (BotError.NOT_ACCEPTED, "the hosts of the meeting sent the bot away"),
    "not_admitted": (BotError.NOT_ADMITTED, "nobody let the bot in within automatic_leave.waiting_room_timeout"),
    "cannot_join": (BotError.CANNOT_JOIN, "the bot could not enter the meeting"),
    "room_closed": (BotError.CANNOT_JOIN, "the meeting was over before the bot was in"),
    "not_answered": (BotError.CANNOT_JOIN, "the meeting's number did not answer"),
    "caller_left": (BotError.CANNOT_JOIN, "the meeting's number hung up"),
}
LINE_GONE: Final = ("caller_left", "room_closed", "nobody_came")
PIN_JUDGED: Final = timedelta(seconds=30)
"""Within which a meeting's bridge hangs up on whoever presses a wrong PIN."""
NOBODY: Final = (BotError.NOT_ADMITTED, "nobody came to the meeting within automatic_leave.noone_joined_timeout")


async def lock_by_session(db: Db, session_id: int) -> Bot | None:
    """The bot of a session, locked until the commit; None for any other session."""
    query = select(Bot).where(Bot.session_id == session_id).with_for_update()
    return (await db.exec(query.execution_options(populate_existing=True))).one_or_none()


async def waits(db: Db, clock: Clock, box: SecretBox, session_id: int) -> None:
    """A bot is in a waiting room."""
    bot = await lock_by_session(db, session_id)
    if bot is not None and bot.state == BotState.JOINING:
        bot.state = BotState.WAITING
        await BotTeller(db, clock, box).status(bot, "in_waiting_room")


async def joined(db: Db, clock: Clock, box: SecretBox, session_id: int) -> bool:
    """A bot is in its meeting, its recording is asked for, and what it was told to do there; whether it is one, and in
    for the first time."""
    bot = await lock_by_session(db, session_id)
    if bot is None or bot.state not in (BotState.JOINING, BotState.WAITING):
        return False
    bot.state, bot.joined_at = BotState.ATTENDING, clock.now()
    await BotTeller(db, clock, box).status(bot, "in_call_not_recording")
    await _record(db, clock, bot)
    await enqueue(db, GREET, str(bot.id), run_at=clock.now(), bot_id=bot.id)
    return True


async def _record(db: Db, clock: Clock, bot: Bot) -> None:
    session = await db.get(Session, bot.session_id)
    ask, now = BotAsk.of(bot), clock.now()
    view = ask.recording_mode
    assert session is not None
    recording = new_recording(
        bot.project_id,
        bot.meeting_room or bot.room_name,
        format="mp3" if view == "audio_only" else "mp4",
        channels="mixed",
        origin=RecordingOrigin.BOT,
        at=now,
    )
    recording.session_id, recording.zero_at = session.id, session.started_at
    width, height, rate = SIZE
    picture = None if view == "audio_only" else Picture(width, height, rate, layout=LAYOUTS[view])
    looks = {"picture": asdict(picture) if picture else None}
    recording.details = {"bot": str(bot.uuid), LISTENED: ask.listens} | looks
    full = await is_full(db, bot.project_id, "recordings", now)
    db.add(recording)
    await db.flush()
    bot.recording_id = recording.id
    problem = "all recordings of the plan were in use" if full else await problem_of(db, recording)
    if problem is not None:
        fail(db, clock, recording, problem)
    else:
        await db.execute(text(f"select pg_notify('{WANTED}', '')"))


async def heard(db: Db, clock: Clock, box: SecretBox, recording: Recording) -> None:
    """The recorder hears what a bot attends."""
    query = select(Bot).where(Bot.recording_id == recording.id).with_for_update()
    bot = (await db.exec(query)).one_or_none()
    if bot is not None and bot.state == BotState.ATTENDING:
        await BotTeller(db, clock, box).status(bot, "in_call_recording")


async def ended(db: Db, clock: Clock, box: SecretBox, session_id: int) -> None:
    """The session of a bot is over: so is its stay. Harmless when that is known."""
    bot = await lock_by_session(db, session_id)
    session = await db.get(Session, session_id)
    if bot is None or session is None or bot.is_over or bot.state == BotState.ENDING:
        return
    bot.exited_at, bot.wanted_at = session.ended_at or clock.now(), None
    teller = BotTeller(db, clock, box)
    if bot.told not in ("", "joining_call"):
        await teller.status(bot, "call_ended")
    await _stop_recording(db, clock, bot)
    await take_along(db, clock, bot)
    failure = _failure(bot, session)
    if failure is not None:
        await teller.failed(bot, *failure)
    elif bot.joined_at is None:
        bot.state, bot.ended_at = BotState.CANCELLED, clock.now()
    else:
        bot.state = BotState.ENDING
        await complete(db, clock, box, bot)


def _failure(bot: Bot, session: Session) -> tuple[BotError, str] | None:
    reason = session.end_reason or ""
    if reason == "nobody_came":
        return NOBODY
    if bot.joined_at is None and reason in WITHOUT_JOINING:
        return WITHOUT_JOINING[reason]
    if _hung_up(bot, reason):
        return BotError.CANNOT_JOIN, "the meeting's number hung up right after the PIN: it may be wrong"
    if session.outcome == "failed" or (bot.joined_at is None and bot.leave_at is None):
        return BotError.INTERNAL, f"the bot broke off: {reason or 'no reason is known'}"
    return None


def _hung_up(bot: Bot, reason: str) -> bool:
    """Whether a telephone line was given up so soon after its PIN that this was no meeting."""
    if bot.meeting_room != bot.room_name or bot.joined_at is None or bot.exited_at is None:
        return False
    address = read_address(bot.meeting_url, bot.extra, "")
    has_pin = isinstance(address, Line) and bool(address.pin)
    return has_pin and reason in LINE_GONE and bot.exited_at - bot.joined_at < PIN_JUDGED


async def left(db: Db, clock: Clock, session_id: int, reason: EndReason) -> bool:
    """A bot's host says that it has left, while somebody rides along on its line: they leave as well. Whether so."""
    bot = (await db.exec(select(Bot).where(Bot.session_id == session_id))).one_or_none()
    session = await lock_session(db, session_id, project_id=bot.project_id) if bot is not None else None
    if bot is None or session is None or session.status != SessionStatus.ACTIVE or bot.wanted_at is not None:
        return False
    mine = select(SessionJob.id).where(
        SessionJob.session_id == session_id,
        SessionJob.identity == bot.identity,
        col(SessionJob.ended_at).is_(None),
    )
    if (await db.exec(mine)).first() is not None:
        return False
    await end_session(db, EventLog(db, clock), session, outcome="ok", reason=reason, at=clock.now())
    return True


async def _stop_recording(db: Db, clock: Clock, bot: Bot) -> None:
    recording = await lock_recording(db, bot.recording_id) if bot.recording_id is not None else None
    if recording is None or recording.ended_at is not None:
        return
    ask_stop(db, clock, recording)
    if recording.ordered_at is None:
        fail(db, clock, recording, "the bot left before it began")
    elif recording.egress_id is not None:
        await enqueue(db, STOP_RECORDING, recording.egress_id, run_at=clock.now(), egress_id=recording.egress_id)


async def complete(db: Db, clock: Clock, box: SecretBox, bot: Bot) -> None:
    """Tell that a locked bot that has left is complete, once its host has told all, and its file is there or never
    will be."""
    if bot.state != BotState.ENDING or await is_writing(db, bot.session_id or 0, at=clock.now()):
        return
    query = select(Recording.status).where(Recording.id == bot.recording_id)
    status = (await db.exec(query)).one_or_none() if bot.recording_id is not None else None
    if status == RecordingStatus.RECORDING:
        return
    if status == RecordingStatus.COMPLETED and BotAsk.of(bot).recogniser in OTHERS:
        await want_words(db, clock, bot)
    else:
        await BotTeller(db, clock, box).completed(bot)


async def told(db: Db, clock: Clock, box: SecretBox, session_id: int) -> None:
    """The host of a session has told all, or is gone: if it is a bot's, the bot may be complete."""
    bot = await lock_by_session(db, session_id)
    if bot is not None:
        await complete(db, clock, box, bot)


async def want_words(db: Db, clock: Clock, bot: Bot) -> None:
    """Have the recording of a locked bot written down. Harmless while that is being done."""
    if bot.writing_since is None:
        bot.writing_since, bot.writing_error = clock.now(), None
        await enqueue(db, WRITE_DOWN, f"{bot.id}", run_at=clock.now(), bot_id=bot.id, place=0)


async def recorded(db: Db, clock: Clock, box: SecretBox, recording_id: int) -> None:
    """A recording has ended for good: if it is a bot's, the bot may be complete."""
    query = select(Bot).where(col(Bot.recording_id) == recording_id).with_for_update()
    bot = (await db.exec(query)).one_or_none()
    if bot is not None:
        await complete(db, clock, box, bot)
