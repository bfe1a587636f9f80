"""What must be true of rows and world once everything has come to rest, whatever was killed when.

Each question gives sentences about what is wrong; none is fine. Usable by any test that has a `World` and a database:

    broken = violations(psycopg.connect(superuser_url), world)
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from control_plane.events.facts import WEBHOOKS
from control_plane.telephony.settling import BEFORE_ANSWER
from control_plane.webhooks.signing import message_id
from tests.crash.world import World

Rows = list[dict[str, Any]]
ONCE: Final[dict[str, tuple[str, ...]]] = {
    "session.started": ("session_id",),
    "session.ended": ("session_id",),
    "session.failed": ("session_id",),
    "analysis.ready": ("session_id",),
    "sip.call_initiated": ("call_id",),
    "sip.inbound_call": ("call_id",),
    "call.status": ("call_id", "status"),
    "recording.starting": ("recording_id",),
    "recording.started": ("recording_id",),
    "recording.stopping": ("recording_id",),
    "recording.stopped": ("recording_id",),
    "recording.failed": ("recording_id",),
    "egress.started": ("egress_id",),
    "egress.ended": ("egress_id",),
    "meeting.started": ("meeting_id",),
    "meeting.ended": ("meeting_id",),
    "bot.status_change": ("bot_id", "status"),
    "bot.completed": ("bot_id",),
    "bot.failed": ("bot_id",),
    "knowledge.document_uploaded": ("knowledge_base_id", "source_file"),
}
"""Facts that are told once, and what of their data says of what."""


class Question:
    """What is asked of: the database, the world, and the moment."""

    def __init__(self, connection: psycopg.Connection[Any], world: World) -> None:
        self._connection, self.world = connection, world
        self.now: datetime = world.clock.now()

    def rows(self, sql: str, *values: Any) -> Rows:
        """All rows of a statement."""
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(sql, values).fetchall()


def violations(connection: psycopg.Connection[Any], world: World) -> list[str]:
    """What is wrong once everybody has gone home and all leases have run out."""
    question = Question(connection, world)
    return [problem for ask in QUESTIONS for problem in ask(question)]


def every_session_ends(question: Question) -> Iterator[str]:
    for row in question.rows("select id, status, outcome, end_reason, ended_at from session"):
        if row["status"] != "completed" or not row["outcome"] or not row["end_reason"] or not row["ended_at"]:
            yield f"session {row['id']} is {row['status']}, outcome {row['outcome']}, reason {row['end_reason']}"
    for row in question.rows("select id, livekit_job_id from session_job where ended_at is null"):
        yield f"job {row['livekit_job_id']} has not ended"


def the_quota_is_balanced(question: Question) -> Iterator[str]:
    held = "select id, room_name, session_id from slot where session_id is not null or expires_at > %s"
    for row in question.rows(held, question.now):
        yield f"slot {row['id']} of {row['room_name']} is still held (session {row['session_id']})"


def rooms_are_the_same(question: Question) -> Iterator[str]:
    rows = {(row["full_name"], row["sid"]) for row in question.rows("select * from room where status = 'open'")}
    live = {(room.name, room.sid) for room in question.world.media.rooms.values()}
    for name, sid in sorted(live - rows, key=str):
        yield f"an orphan: LiveKit has {name} ({sid}), and no row is open"
    for name, sid in sorted(rows - live, key=str):
        yield f"the row of {name} ({sid}) is open, and LiveKit has no such room"
    for row in question.rows("select sid, identity from participant where left_at is null"):
        if not any(row["identity"] in people for people in question.world.media.people.values()):
            yield f"{row['identity']} ({row['sid']}) has not left by our rows"


def nobody_is_dialled_twice(question: Question) -> Iterator[str]:
    world = question.world
    for (room, identity), times in Counter(world.phones.invites).items():
        if times > 1:
            yield f"{identity} was dialled {times} times into {room}"
    calls = question.rows("select id, room_name, identity, status, ended_at, answered_at from call")
    for row in calls:
        if row["ended_at"] is None or row["status"] in (*BEFORE_ANSWER, "queued"):
            yield f"call {row['id']} is {row['status']}, ended {row['ended_at']}"
    known = {(row["room_name"], row["identity"]) for row in calls}
    yield from (f"{identity} was dialled into {room}: no row" for room, identity in world.phones.invites
                if (room, identity) not in known)  # fmt: skip


def recordings_are_whole(question: Question) -> Iterator[str]:
    tapes, rows = question.world.tapes, question.rows("select * from recording")
    for key, times in Counter(tapes.asked).items():
        if times > 1:
            yield f"{key} was recorded {times} times"
    yield from (f"egress {egress.id} still runs" for egress in tapes.list_running())
    keys = {row["storage_key"] for row in rows}
    for row in rows:
        path = tapes.folder / (row["storage_key"] or "none")
        if row["status"] == "recording":
            yield f"recording {row['id']} goes on by its row"
        elif row["status"] == "completed" and (not path.exists() or path.stat().st_size != row["size_bytes"]):
            yield f"recording {row['id']} is completed, and its file is not there as it says"
        elif row["status"] != "completed" and path.exists():
            yield f"recording {row['id']} is {row['status']} ({row['error']}), and there is a file"
    for path in tapes.folder.rglob("*"):
        if path.is_file() and _key(path, tapes.folder) not in keys:
            yield f"the file {_key(path, tapes.folder)} belongs to no recording"


def _key(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)).removesuffix(".peaks")


def facts_are_told_once(question: Question) -> Iterator[str]:
    events = question.rows("select id, seq, type, room_name, data from event order by id")
    numbers = sorted(row["seq"] for row in events if row["seq"] is not None)
    if len(numbers) != len(events):
        yield f"{len(events) - len(numbers)} events have no number"
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"the numbers of events have gaps: {numbers}"
    told = Counter(
        (row["type"], *(row["data"].get(name) for name in ONCE[row["type"]])) for row in events if row["type"] in ONCE
    )
    yield from (f"told {times} times: {fact}" for fact, times in told.items() if times > 1)
    for row in question.rows("select id, outcome, announced_at from session where status = 'completed'"):
        if not told["session.ended", row["id"]]:
            yield f"nobody was told of the end of session {row['id']}"
        if row["outcome"] == "failed" and not told["session.failed", row["id"]]:
            yield f"nobody was told that session {row['id']} failed"
        if row["announced_at"] and not told["session.started", row["id"]]:
            yield f"nobody was told of the beginning of session {row['id']}"
    # Nobody is told that the room of a call was made.
    for kind, silent in (("room.created", "dial"), ("room.finished", "")):
        named = Counter(row["room_name"] for row in events if row["type"] == kind)
        rooms = "select full_name, count(*) as count from room where sid is not null and origin <> %s group by 1"
        for row in question.rows(rooms, silent):
            if named[row["full_name"]] != row["count"]:
                yield f"{row['count']} rooms {row['full_name']}, and {kind} was told {named[row['full_name']]} times"


def every_event_is_delivered(question: Question) -> Iterator[str]:
    letters = question.world.houses.letters.get("/hooks", [])
    bodies: dict[str, set[str]] = {}
    for letter in letters:
        bodies.setdefault(letter.id, set()).add(letter.body)
    yield from (f"{name} was delivered with {len(found)} bodies" for name, found in bodies.items() if len(found) > 1)
    planned = question.rows("select * from webhook_delivery where endpoint_id = 1 order by event_seq")
    sent = {row["event_seq"] for row in planned}
    for row in question.rows("select seq, type from event where seq >= %s order by seq", min(sent, default=0)):
        if row["type"] in WEBHOOKS and row["seq"] not in sent:
            yield f"event {row['seq']} ({row['type']}) was never to be delivered"
    for row in planned:
        if bodies.get(message_id(event_seq=row["event_seq"], delivery_id=row["id"])) != {row["body"]}:
            yield f"event {row['event_seq']} ({row['event_type']}) has not arrived under its id, as it was written down"
    if len(bodies) > len(planned):
        yield f"{len(bodies)} ids have arrived, of {len(planned)} deliveries"
    state = "select id, event_type, state, attempts from webhook_delivery where state <> 'delivered'"
    for row in question.rows(state):
        yield f"delivery {row['id']} ({row['event_type']}) is {row['state']} after {row['attempts']} tries"


def no_job_is_left(question: Question) -> Iterator[str]:
    left = """
        select kind, key, state, error from job where state in ('running', 'failed') or run_at <= %s and state <> 'done'
    """
    for row in question.rows(left, question.now):
        yield f"the job {row['kind']} of {row['key']} is {row['state']} ({row['error']})"
    for row in question.rows("select id, attempts from knowledge_upload"):
        yield f"upload {row['id']} waits after {row['attempts']} tries"


def every_line_is_there_once(question: Question) -> Iterator[str]:
    said = [row["content"] for row in question.rows("select content from transcript_line order by epoch, sequence")]
    if said != question.world.lines:
        yield f"the transcript says {said} instead of {question.world.lines}"
    told = [
        row["content"]
        for row in question.rows(
            "select data->>'content' as content from event where type = 'transcript.line' order by seq"
        )
    ]
    if told != question.world.lines:
        yield f"the log tells {told} instead of {question.world.lines}"
    counted = question.rows("select id, message_count from session")
    lines = Counter(row["session_id"] for row in question.rows("select session_id from transcript_line"))
    for row in counted:
        if row["message_count"] != lines[row["id"]]:
            yield f"session {row['id']} counts {row['message_count']} lines and has {lines[row['id']]}"
    for held in [*question.world.worker.over.values(), *question.world.worker.holds.values()]:
        yield from (f"a report of {held.id} was refused: {reason}" for reason in held.refused)
        yield from (f"report {number} of {held.id} has no verdict" for number in held.waiting)


def bots_come_to_an_end(question: Question) -> Iterator[str]:
    for row in question.rows("select id, state, told from bot where state not in ('completed', 'failed', 'cancelled')"):
        yield f"bot {row['id']} is {row['state']} and told {row['told']!r}"


QUESTIONS: Final[tuple[Callable[[Question], Iterator[str]], ...]] = (
    every_session_ends,
    the_quota_is_balanced,
    rooms_are_the_same,
    nobody_is_dialled_twice,
    recordings_are_whole,
    facts_are_told_once,
    every_event_is_delivered,
    no_job_is_left,
    every_line_is_there_once,
    bots_come_to_an_end,
)
