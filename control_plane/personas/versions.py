"""Publishing an agent: its row is the draft, calls use the version published last."""

from sqlalchemy import func
from sqlmodel import col, select

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import read_page
from control_plane.errors import Conflict, NotFound
from control_plane.personas.models import Persona, PersonaVersion
from control_plane.personas.repository import PersonaRepository
from control_plane.personas.schemas import VersionList, VersionRead
from control_plane.personas.serving import VERSIONED, differs, settings_of, with_settings
from control_plane.wire import Page


class VersionService:
    """The versions of one caller's agents."""

    def __init__(self, db: Db, caller: Caller, clock: Clock) -> None:
        self.db, self.caller, self.clock = db, caller, clock
        self.personas = PersonaRepository(db, project_id=caller.project_id)

    async def publish(self, persona_id: int, note: str) -> tuple[Persona, PersonaVersion]:
        """Have calls use the draft as it is. Where they do already, a note becomes that of the version they use."""
        persona = await self.personas.get(persona_id, lock=True)
        present = await self.published(persona)
        if present is not None and not differs(persona, present):
            present.note = note or present.note
            return persona, present
        last = await self.db.scalar(select(func.max(PersonaVersion.version)).where(*self._of(persona_id)))
        version = PersonaVersion(
            project_id=persona.project_id,
            persona_id=persona_id,
            version=(last or 0) + 1,
            settings=settings_of(persona),
            note=note,
        )
        persona.published_version = version.version
        self.db.add(version)
        await self.db.flush()
        return persona, version

    async def rollback(self, persona_id: int, wanted: int | None) -> tuple[Persona, PersonaVersion]:
        """Have calls use an earlier version, and make the draft equal to it. Raises `NotFound`, `Conflict`."""
        persona = await self.personas.get(persona_id, lock=True)
        query = select(PersonaVersion).where(*self._of(persona_id))
        if wanted is not None:
            version = (await self.db.exec(query.where(PersonaVersion.version == wanted))).one_or_none()
            if version is None:
                raise NotFound(f"Agent {persona_id} has no version {wanted}")
        else:
            before = query.where(col(PersonaVersion.version) < (persona.published_version or 0))
            version = (await self.db.exec(before.order_by(col(PersonaVersion.version).desc()).limit(1))).one_or_none()
            if version is None:
                raise Conflict(f"Agent {persona_id} has no version before the published one")
        earlier = with_settings(persona, version.settings)
        for name in VERSIONED:
            setattr(persona, name, getattr(earlier, name))
        persona.published_version, persona.updated_at = version.version, self.clock.now()
        return persona, version

    async def page(self, persona_id: int, page: Page) -> VersionList:
        """An agent's versions, newest first."""
        persona = await self.personas.get(persona_id)
        every = select(PersonaVersion).where(*self._of(persona_id)).order_by(col(PersonaVersion.version).desc())
        versions, total = await read_page(self.db, every, page)
        shown = [
            VersionRead(
                version=version.version,
                note=version.note,
                created_at=version.created_at,
                is_published=version.version == persona.published_version,
                settings=version.settings,
            )
            for version in versions
        ]
        return VersionList(versions=shown, published_version=persona.published_version, **page.pages(total))

    async def published(self, persona: Persona) -> PersonaVersion | None:
        """The version of an agent that calls use."""
        if persona.published_version is None:
            return None
        query = select(PersonaVersion).where(*self._of(persona.id))
        return (await self.db.exec(query.where(PersonaVersion.version == persona.published_version))).one()

    def _of(self, persona_id: int) -> tuple[bool, bool]:
        return (PersonaVersion.project_id == self.caller.project_id, PersonaVersion.persona_id == persona_id)
