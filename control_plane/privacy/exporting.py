"""Handing out what is known of a person: a file of JSON and sound, for a time."""

import asyncio
import json
import secrets
import tempfile
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final

import structlog
from sqlalchemy import text
from sqlmodel import col, select, update

from control_plane.clock import Clock
from control_plane.db.database import Database, Db, take_long
from control_plane.errors import NotFound, PlatformError
from control_plane.gate.models import AuditEntry
from control_plane.privacy.finding import Found, find, span
from control_plane.privacy.models import PrivacyRequest, RequestStatus
from control_plane.privacy.persons import Names
from control_plane.privacy.requests import lock_request, opened
from control_plane.recordings.models import FILES, Recording
from control_plane.recordings.storage import SEALED, RecordingStore
from control_plane.secrets.box import SecretBox

EXPORT: Final = "privacy.export"
"""Job: make the file of a request."""
KEPT: Final = timedelta(hours=24)
"""How long an export can be fetched."""
MOST_SOUND: Final = 512 << 20
"""Bytes of recordings in one file; those beyond are named in it, and fetched each by its own."""
MOST_ROWS: Final = 50_000
"""Rows of one table in one file, the newest."""
PATIENT: Final = 30
"""Seconds one statement of it may take."""

_HIDDEN: Final = (
    "project_id", "account_id", "ticket_hash", "nonce", "admin_hash", "digest", "hash", "sealed_urls", "key_id",
    "sealed_secrets", "storage_key", "livekit_job_id", "worker_id", "request_key", "persona_versions", "draft",
)  # fmt: skip
"""Columns that are nobody's personal data, or secrets."""
_THEIRS: Final = {
    "sessions": ("session", "id = any(:sessions)"),
    "lines": (
        "transcript_line",
        "session_id = any(:sessions) or (session_id = any(:shared) and identity = any(:identities))",
    ),
    "turns": ("turn", "session_id = any(:sessions)"),
    "traces": ("session_trace", "session_id = any(:sessions)"),
    "analyses": ("analysis", "session_id = any(:sessions)"),
    "calls": ("call", "id = any(:calls)"),
    "transfers": ("transfer", "call_id = any(:calls)"),
    "consents": ("consent", "number = any(:numbers)"),
    "dial_decisions": ("dial_decision", "destination = any(:numbers) or call_id = any(:calls)"),
    "meetings": ("meeting", "id = any(:meetings)"),
    "attendances": ("attendee", "identity = any(:identities)"),
    "stays": ("participant", "identity = any(:identities)"),
    "end_users": ("end_user", "id = any(:end_users)"),
    "memberships": ("membership", "end_user_id = any(:end_users)"),
    "unanswered_questions": ("knowledge_unanswered", "session_id = any(:sessions)"),
    "recordings": ("recording", "id = any(:recordings)"),
    "transcriptions": (
        "video_transcription",
        "recording_id in (select id from recording where id = any(:recordings) and session_id = any(:sessions))",
    ),
    "places": ("slot", "caller_identity = any(:identities) or session_id = any(:sessions)"),
    "events": (
        "event",
        "data ->> 'session_id' = any(cast(:sessions as text[])) or data ->> 'call_id' = any(cast(:calls as text[]))"
        " or data ->> 'identity' = any(:identities) or exists (select from unnest(cast(:rooms as text[]),"
        " cast(:since as timestamptz[]), cast(:until as timestamptz[])) stay(room, since, until)"
        " where stay.room = t.room_name and t.created_at between stay.since and stay.until)",
    ),
}
"""What is handed out: the names of the file's parts, their tables and conditions. Of conversations with others only
what the person said: the rest is not theirs to have."""
_ROWS: Final = {
    part: text(
        f"select to_jsonb(t) - cast(:hidden as text[]) from {table} t"  # noqa: S608 - our own text
        f" where project_id = :project and ({condition}) order by id desc limit {MOST_ROWS}"
    )
    for part, (table, condition) in _THEIRS.items()
}
_CHAT: Final = text("""
    select line from bot, jsonb_array_elements(chat) line
    where project_id = :project and line ->> 'identity' = any(:identities) limit :most
""")
_INVITATIONS: Final = text("""
    select jsonb_build_object('name', name, 'starts_at', starts_at, 'ends_at', ends_at) from calendar_event
    where project_id = :project and lower(attendees::text || coalesce(organizer_email, '')) like any(:mails)
    limit :most
""")
_END: Final = text("""
    update privacy_request export set expires_at = :now
    where kind = 'export' and storage_key is not null and expires_at > :now and exists (
        select from privacy_request erasure
        where erasure.project_id = export.project_id and erasure.kind = 'erasure' and erasure.status = 'completed'
            and erasure.finished_at >= export.created_at
            and (erasure.person = export.person or exists (
                select from jsonb_array_elements(export.progress -> 'sessions') session
                where erasure.progress -> 'sessions' @> session)
            or exists (
                select from jsonb_array_elements(export.progress -> 'calls') call
                where erasure.progress -> 'calls' @> call)))
""")
"""Files of those who were erased since: by the same names, or by others that led to the same conversations."""
_GIVE_UP: Final = text("""
    update privacy_request set status = 'failed', finished_at = :now, sealed_person = null
    where status = 'pending' and exists (
        select from job where kind in ('privacy.export', 'privacy.erase') and state = 'failed'
            and payload ->> 'request_id' = privacy_request.id::text)
    and not exists (
        select from job where kind in ('privacy.export', 'privacy.erase') and state in ('waiting', 'running')
            and payload ->> 'request_id' = privacy_request.id::text)
""")
"""Requests of either kind whose jobs have all failed."""

log = structlog.get_logger()


class Exporter:
    """Does the job `EXPORT`, and removes what it made when its time is over."""

    def __init__(self, database: Database, clock: Clock, box: SecretBox, store: RecordingStore) -> None:
        self.database, self.clock, self.box, self.store = database, clock, box, store

    async def handle(self, payload: dict[str, Any]) -> None:
        """Make the file of a request, once. What an interrupted try left in the store is written over."""
        project_id, request_id = payload["project_id"], payload["request_id"]
        async with self.database.tenant(project_id) as db:
            request = await lock_request(db, request_id)
            if request is None or request.status != RequestStatus.PENDING:
                return
            # Named before it is written: what is left of a crash is found by its name.
            request.storage_key = request.storage_key or f"{project_id}/exports/{secrets.token_hex(16)}.zip"
            key = request.storage_key
            person, _ = opened(self.box, request)
        async with self.database.tenant(project_id) as db:
            await take_long(db, PATIENT)
            found = await find(db, self.clock, project_id, person)
            parts = await collect(db, project_id, found, found.names(person))
            wanted = (await db.exec(select(Recording).where(col(Recording.id).in_(found.recordings)))).all()
        with tempfile.TemporaryDirectory(prefix="parley-export-") as folder:
            file = Path(folder) / "export.zip"
            await self._write(file, parts, [each for each in wanted if _is_theirs(each, found)])
            size = (await asyncio.to_thread(file.stat)).st_size
            await self.store.write_file(key, file)
        await self._finish(project_id, request_id, await self.store.seal(key), size, found)

    async def _write(self, file: Path, parts: dict[str, Any], recordings: list[Recording]) -> None:
        sound, left_out = 0, list[int]()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, rows in parts.items():
                content = json.dumps(rows, ensure_ascii=False, indent=1)
                await asyncio.to_thread(archive.writestr, f"{name}.json", content)
            for each in recordings:
                size = each.size_bytes or 0
                if not each.storage_key or not size or sound + size > MOST_SOUND:
                    left_out.append(each.id)
                    continue
                sound += size
                # What is recorded is packed already.
                entry = zipfile.ZipInfo(f"recordings/{each.id}.{each.format}")
                with archive.open(entry, "w", force_zip64=True) as part:
                    await self._copy(each, part)  # type: ignore[arg-type]  # it is written to like a file
            about = {"recordings_left_out": left_out, "made_at": self.clock.now().isoformat()}
            await asyncio.to_thread(archive.writestr, "about.json", json.dumps(about, indent=1))

    async def _copy(self, recording: Recording, part: BinaryIO) -> None:
        try:
            async for piece in self.store.read(recording.storage_key or "", 0, recording.size_bytes or 0):
                await asyncio.to_thread(part.write, piece)
        except NotFound:
            log.warning("a recording is not in its export", recording=recording.id)

    async def _finish(self, project_id: int, request_id: int, key: str, size: int, found: Found) -> None:
        now = self.clock.now()
        async with self.database.tenant(project_id) as db:
            request = await lock_request(db, request_id)
            if request is None or request.status != RequestStatus.PENDING:
                return
            request.status, request.finished_at = RequestStatus.COMPLETED, now
            request.storage_key, request.size_bytes, request.expires_at = key, size, now + KEPT
            request.sealed_person, request.progress = None, found.numbers
            target = {"request_id": request.id, "person": request.person, "size_bytes": size}
            entry = AuditEntry(
                project_id=project_id,
                key_id=request.key_id,
                action="person exported",
                target=target,
                status=200,
                at=now,
            )
            db.add(entry)
            await db.flush()
            await end_erased(db, now)

    async def sweep(self) -> None:
        """Remove the files whose time is over, and say of what cannot be done that it failed."""
        now = self.clock.now()
        async with self.database.platform() as db:
            await end_erased(db, now)  # those which were made while the erasure was on its way to its commit
            over = col(PrivacyRequest.expires_at) < now
            failed = PrivacyRequest.status == RequestStatus.FAILED
            kept = select(PrivacyRequest.id, PrivacyRequest.storage_key).where(
                col(PrivacyRequest.storage_key).is_not(None), over | failed
            )
            rows = (await db.exec(kept.limit(100))).all()
            await db.execute(_GIVE_UP, {"now": now})
        for request_id, key in rows:
            try:
                for each in (key or "", (key or "") + SEALED):  # as far as an interrupted try came
                    await self.store.remove(each)
            except PlatformError as error:
                log.warning("export not removed", request=request_id, reason=error.message)
                return
            async with self.database.platform() as db:
                mine = col(PrivacyRequest.id) == request_id
                await db.exec(update(PrivacyRequest).where(mine).values(storage_key=None))


async def end_erased(db: Db, now: datetime) -> None:
    """Have the time of files be over whose person was erased since they were asked for."""
    await db.execute(_END, {"now": now})


async def collect(db: Db, project_id: int, found: Found, names: Names) -> dict[str, Any]:
    """The parts of an export that are rows."""
    spans = [span(stay) for stay in found.stays]
    values: dict[str, Any] = {
        "project": project_id,
        "hidden": list(_HIDDEN),
        "sessions": found.sessions,
        "shared": found.shared,
        "calls": found.calls,
        "meetings": found.meetings,
        "recordings": found.recordings,
        "end_users": found.end_users,
        "identities": list(names.identities),
        "numbers": list(names.numbers),
        "rooms": [room for room, _, _ in spans],
        "since": [since for _, since, _ in spans],
        "until": [until for _, _, until in spans],
        "most": MOST_ROWS,
    }
    parts = {part: list((await db.scalars(query, values)).all()) for part, query in _ROWS.items()}
    parts["chat"] = list((await db.scalars(_CHAT, values)).all())
    mails = [like for like in names.likes() if "@" in like]
    parts["invitations"] = list((await db.scalars(_INVITATIONS, values | {"mails": mails})).all())
    return parts


def _is_theirs(recording: Recording, found: Found) -> bool:
    """Whether nobody else is heard in a recording: others' voices are not handed out."""
    return recording.kind in FILES and recording.deleted_at is None and recording.session_id in found.sessions
