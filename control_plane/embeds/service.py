"""Embed keys of a project."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import func
from sqlmodel import col, select

from control_plane.db.database import Db
from control_plane.db.rows import refuse_missing
from control_plane.embeds.models import EmbedKey
from control_plane.embeds.schemas import EmbedKeyCreate, EmbedKeyUpdate
from control_plane.errors import Conflict
from control_plane.gate.embed import PREFIX
from control_plane.ids import random_secret
from control_plane.personas.repository import PersonaRepository

MOST: Final = 100
"""Embed keys of a project."""


class EmbedKeys:
    """The embed keys of one project. What names one raises `NotFound`, or `Forbidden` where it is another's."""

    def __init__(self, db: Db, *, project_id: int) -> None:
        self.db, self.project_id = db, project_id

    async def all(self) -> Sequence[EmbedKey]:
        """All keys, newest first."""
        query = select(EmbedKey).where(EmbedKey.project_id == self.project_id).order_by(col(EmbedKey.id).desc())
        return (await self.db.exec(query)).all()

    async def get(self, number: int, *, lock: bool = False) -> EmbedKey:
        """One key, locked until the commit where that is asked for."""
        query = select(EmbedKey).where(EmbedKey.project_id == self.project_id, EmbedKey.id == number)
        found: EmbedKey | None = (await self.db.exec(query.with_for_update() if lock else query)).one_or_none()
        return found or await refuse_missing(self.db, "embed_key", number, "embed key")

    async def create(self, body: EmbedKeyCreate) -> EmbedKey:
        """A new key for one of the project's agents; `NotFound`, `Forbidden` for others, `Conflict` beyond `MOST`."""
        persona = await PersonaRepository(self.db, project_id=self.project_id).get(body.agent_id, lock=True)
        query = select(func.count()).select_from(EmbedKey).where(EmbedKey.project_id == self.project_id)
        if (await self.db.exec(query)).one() >= MOST:
            raise Conflict(f"A project has at most {MOST} embed keys; delete one first")
        made = EmbedKey(
            project_id=self.project_id,
            persona_id=persona.id,
            key=random_secret(PREFIX),
            **body.model_dump(exclude={"agent_id"}),
        )
        self.db.add(made)
        await self.db.flush()
        await self.db.refresh(made)
        return made

    async def update(self, number: int, body: EmbedKeyUpdate) -> EmbedKey:
        """Change the fields that were sent; true for the next visitor."""
        key = await self.get(number, lock=True)
        key.sqlmodel_update(body.changes())
        await self.db.flush()
        return key

    async def delete(self, number: int) -> None:
        """Forget a key; calls that it began go on."""
        await self.db.delete(await self.get(number, lock=True))
        await self.db.flush()
