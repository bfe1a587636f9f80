"""Whether and how a project's personal data is taken out of what is kept, shown and told."""

import time
from typing import Final

from sqlmodel import select

from agents.calling import Redaction
from control_plane.accounts.models import Project
from control_plane.db.database import Database, Db
from guard.redaction import Redactor, build

KNOWN_FOR: Final = 3.0
"""Seconds for which a project's wish is remembered, of lines that are only shown."""
MOST_KNOWN: Final = 1000


async def redaction_of(db: Db, project_id: int) -> Redaction | None:
    """How a project wants personal data taken out; None: not at all, as where it is gone."""
    wanted = select(Project.redact, Project.redact_names).where(Project.id == project_id)
    redact, names = (await db.exec(wanted)).one_or_none() or (False, [])
    return Redaction(names=names) if redact else None


async def redactor_of(db: Db, project_id: int) -> Redactor | None:
    """What takes the personal data out of a project's texts; None where it wants none taken out."""
    wanted = await redaction_of(db, project_id)
    return build(wanted.names) if wanted is not None else None


class Redactions:
    """The same for what goes by without a transaction, remembered for seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, tuple[float, Redactor | None]] = {}

    async def find(self, project_id: int) -> Redactor | None:
        """What takes the personal data out of a project's texts. Raises `Unavailable`."""
        known = self._known.get(project_id)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        async with self._database.platform() as db:
            redactor = await redactor_of(db, project_id)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[project_id] = time.monotonic() + KNOWN_FOR, redactor
        return redactor
