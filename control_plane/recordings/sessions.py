"""Conversations that are recorded because their agent says so, from before its first word."""

import asyncio
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import text
from sqlmodel import col, select, update

from agents.calling import PersonaJob
from control_plane.accounts.limits import is_full
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import PlatformError
from control_plane.events.wake import Listener
from control_plane.recordings.beeping import problem_of
from control_plane.recordings.models import Recording, RecordingOrigin, RecordingStatus
from control_plane.recordings.settling import fail
from control_plane.recordings.taking import RecordingTaker, new_recording
from control_plane.rooms.repository import RoomRepository

WANTED: Final = "parley_recording_wanted"
"""PostgreSQL channel: a recording waits to be ordered."""
TOLD_OF: Final = (RecordingOrigin.API, RecordingOrigin.ROOM)
"""Origins of recordings of which the persona in the room tells people; its own it tells of before."""
AT_ONCE: Final = 32
"""Recorders that one process asks at a time."""
POLL: Final = 2.0

log = structlog.get_logger()


async def record_session(db: Db, clock: Clock, job: PersonaJob) -> PersonaJob:
    """Have the conversation of a job recorded, once; the job, which waits for that only where it will be."""
    query = select(Recording).where(
        Recording.project_id == job.project_id,
        Recording.session_id == job.session_id,
        Recording.origin == RecordingOrigin.AGENT,
    )
    recording = (await db.exec(query)).first()
    if recording is None:
        now = clock.now()
        recording = new_recording(
            job.project_id, job.room_name, format="ogg", channels="dual", origin=RecordingOrigin.AGENT, at=now
        )
        recording.session_id, recording.zero_at = job.session_id, job.started_at
        recording.waits_for_notice = job.announces
        room = await RoomRepository(db, job.project_id).find_open(job.room_name)
        recording.details = {"room_id": room.id} if room else {}
        full = await is_full(db, job.project_id, "recordings", now)
        db.add(recording)
        await db.flush()
        problem = "all recordings of the plan were in use" if full else await problem_of(db, recording)
        if problem is not None:
            fail(db, clock, recording, problem)
        else:
            await db.execute(text(f"select pg_notify('{WANTED}', '')"))
    announces = job.announces or recording.waits_for_notice
    return job.model_copy(update={"recorded": recording.ended_at is None, "announces": announces})


async def find_running(db: Db, job: PersonaJob) -> PersonaJob:
    """A job that knows whether somebody records its room already, of whom people would have to be told."""
    running = select(Recording.id).where(
        Recording.room_name == job.room_name,
        Recording.status == RecordingStatus.RECORDING,
        col(Recording.origin).in_(TOLD_OF),
        col(Recording.ended_at).is_(None),
    )
    found = (await db.exec(running.limit(1))).first()
    return job.model_copy(update={"is_recording": found is not None})


async def begin_announced(db: Db, session_id: int, at: datetime) -> None:
    """People have heard that a session is recorded: its recording begins."""
    begun = (
        update(Recording)
        .where(
            col(Recording.session_id) == session_id,
            col(Recording.status) == RecordingStatus.RECORDING,
            col(Recording.waits_for_notice),
        )
        .values(waits_for_notice=False, speech_at=at)
        .returning(col(Recording.id))
    )
    if (await db.exec(begun)).all():
        await db.execute(text(f"select pg_notify('{WANTED}', '')"))


async def note_first_word(db: Db, session_id: int, at: datetime) -> None:
    """When the conversation of a session began: what was said before its recording heard anything is not in it."""
    await db.exec(
        update(Recording)
        .where(col(Recording.session_id) == session_id, col(Recording.speech_at).is_(None))
        .values(speech_at=at)
    )


class RecordingStarter:
    """Asks the recorder for what agents want recorded."""

    def __init__(self, database: Database, taker: RecordingTaker) -> None:
        self.database, self.taker = database, taker
        self._asking: dict[int, asyncio.Task[None]] = {}

    async def run(self, url: str) -> None:
        """Work until cancelled. What was asked and not answered is found by `RecordingWatch`."""
        try:
            async with Listener(url, WANTED).listening() as listener:
                while True:
                    await self._begin_waiting()
                    await listener.wait(POLL)
        finally:
            for task in self._asking.values():
                task.cancel()
            await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _begin_waiting(self) -> None:
        query = select(Recording.id).where(
            Recording.status == RecordingStatus.RECORDING,
            col(Recording.origin).in_((RecordingOrigin.AGENT, RecordingOrigin.ROOM, RecordingOrigin.BOT)),
            col(Recording.ordered_at).is_(None),
            col(Recording.ended_at).is_(None),
            col(Recording.waits_for_notice).is_(False),
        )
        try:
            async with self.database.platform() as db:
                waiting = (await db.exec(query.order_by(col(Recording.id)).limit(AT_ONCE))).all()
        except PlatformError as error:
            log.warning("recordings are not begun", reason=error.message)
            return
        for recording_id in waiting:
            if recording_id not in self._asking and len(self._asking) < AT_ONCE:
                self._asking[recording_id] = asyncio.create_task(self._order(recording_id))

    async def _order(self, recording_id: int) -> None:
        try:
            await self.taker.order(recording_id)
        except PlatformError as error:
            log.warning("a conversation is not recorded", recording=recording_id, reason=error.message)
        except Exception:  # the row waits for the watch
            log.exception("a conversation is not recorded", recording=recording_id)
        finally:
            del self._asking[recording_id]
