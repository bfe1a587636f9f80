"""What lies in the folder of recordings, beside what the database knows."""

from __future__ import annotations

from pathlib import Path

import psycopg

WITHIN = 5


def compare_recordings(folder: Path, database_url: str) -> tuple[list[str], list[str]]:
    """Files of neither a recording nor an export, and those of complete recordings that are gone. `psycopg.Error`."""
    with psycopg.connect(database_url, connect_timeout=WITHIN, options=f"-c statement_timeout={WITHIN}s") as database:
        rows = database.execute("select storage_key, status, size_bytes from recording").fetchall()
        exports = database.execute("select storage_key from privacy_request where storage_key is not null").fetchall()
    known = {key for key, _, _ in rows if key} | {key for (key,) in exports}
    wanted = {key for key, status, size in rows if status != "recording" and size}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    made = {key + ending for key in known for ending in ("", ".peaks", ".sealed")}
    streams = tuple(key.removesuffix(".m3u8") + "_" for key in known if key.endswith(".m3u8"))
    made |= {path for path in found if path.startswith(streams)}
    return sorted(found - made), sorted(wanted - found)
