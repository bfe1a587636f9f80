"""Brings a whole file to where it was asked for, and tries again what could not be brought."""

import asyncio
import contextlib
import json
import posixpath
from pathlib import Path
from typing import Any

import structlog

from pocket.recorder import states, storage
from pocket.recorder.journal import Entry
from pocket.recorder.plan import Plan
from pocket.recorder.segments import Pieces
from pocket.recorder.settings import Settings
from pocket.recorder.states import Ending
from pocket.recorder.storage import StorageError

log = structlog.get_logger()


async def deliver(settings: Settings, entry: Entry, plan: Plan, local: Path) -> Ending | None:
    """Store a file and its manifest, and write into the info where they are; None when all went well.

    A file that cannot be stored stays on this machine: in the backup folder where there is one, and then the recording
    counts as complete. `entry.kept` says where it is, or is empty when it has been stored.
    """
    if plan.segment:
        return await _deliver_pieces(settings, entry, plan)
    info, result = entry.info, entry.info.file_results[0]
    try:
        result.size = (await asyncio.to_thread(local.stat)).st_size
        result.location = await _store(settings, entry, plan, local, result.filename)
    except (StorageError, OSError) as error:
        log.warning("a recording could not be stored", egress=info.egress_id)
        result.location = entry.kept = await _keep(settings, entry, local)
        why = str(error) if isinstance(error, StorageError) else "local storage failed"
        return None if info.backup_storage_used else Ending(states.FAILURE, why, "invalid_argument")
    entry.kept = ""
    files = [{"filename": result.filename, "location": result.location}]
    await _describe(settings, entry, plan, {"files": files})
    return None


async def _deliver_pieces(settings: Settings, entry: Entry, plan: Plan) -> Ending | None:
    """The same for HLS; what cannot be stored stays where it is."""
    pieces = Pieces(settings, entry, plan)
    try:
        names = await pieces.end()
    except (StorageError, OSError) as error:
        log.warning("pieces of a recording could not be stored", egress=entry.info.egress_id)
        pieces.result.playlist_location = entry.kept
        why = str(error) if isinstance(error, StorageError) else "local storage failed"
        return Ending(states.FAILURE, why, "invalid_argument")
    entry.kept = ""
    location = pieces.result.playlist_location
    folder = location.rpartition("/")[0]
    parts = [posixpath.basename(name) for name in names]
    segments = [{"filename": name, "location": f"{folder}/{name}"} for name in parts]
    await _describe(settings, entry, plan, {"playlists": [{"location": location, "segments": segments}]})
    return None


async def _store(settings: Settings, entry: Entry, plan: Plan, local: Path, name: str) -> str:
    if plan.upload is not None:
        return await storage.upload(local, name, plan.upload, settings.upload_within)
    put = storage.put_locally
    return str(await asyncio.to_thread(put, local, settings.root.absolute(), name, instead=entry.info.egress_id))


async def _keep(settings: Settings, entry: Entry, local: Path) -> str:
    """Where a file stays that could not be stored."""
    egress_id = entry.info.egress_id
    if settings.backup is None or not local.is_relative_to(entry.folder):
        return str(local)
    name = posixpath.join(egress_id, posixpath.basename(entry.info.file_results[0].filename))
    place = storage.put_locally
    try:
        kept = await asyncio.to_thread(place, local, settings.backup.absolute(), name, instead=egress_id)
    except StorageError:
        return str(local)
    entry.info.backup_storage_used = True
    return str(kept)


def forget_backup(entry: Entry, kept: Path) -> None:
    """Remove a file from the backup folder that has been stored; what is in the entry's own folder goes with it."""
    if not kept.is_relative_to(entry.folder):
        kept.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            kept.parent.rmdir()


async def _describe(settings: Settings, entry: Entry, plan: Plan, stored: dict[str, Any]) -> None:
    """The manifest; a recording is not worse for the lack of it."""
    info = entry.info
    if not plan.manifest:
        return
    result = states.result_of(info)
    said: dict[str, Any] = {
        "egress_id": info.egress_id,
        "room_id": info.room_id,
        "room_name": info.room_name,
        "started_at": result.started_at,
        "ended_at": result.ended_at,
        "publisher_identity": plan.source.identity,
        "track_id": plan.source.track if plan.asked == "track" else "",
        "audio_track_id": plan.source.track if plan.asked == "track_composite" else "",
        **stored,
    }
    text = json.dumps({name: value for name, value in said.items() if value}) + "\n"
    local = entry.folder / "manifest.json"
    try:
        await asyncio.to_thread(local.write_text, text)
        name = posixpath.join(posixpath.dirname(states.name_of(info)), f"{info.egress_id}.json")
        info.manifest_location = await _store(settings, entry, plan, local, name)
    except (StorageError, OSError):
        log.warning("a manifest could not be stored", egress=info.egress_id)
