"""Questions about what was consumed. The owner is part of every question."""

from datetime import date
from typing import Any, Literal

from sqlalchemy import Row, column, func, table
from sqlmodel import col, select

from control_plane.db.database import Db
from control_plane.metering.models import SUMS, UsageDay, UsageEntry

GroupBy = Literal["day", "model", "agent", "service", "day,model", "day,agent", "day,service"]
"""Kinds of groups; two are told apart together."""

_PERSONA = table("persona", column("id"), column("project_id"), column("name"))
_GROUPS: dict[str, tuple[Any, ...]] = {
    "day": (col(UsageDay.day).label("period"),),
    "model": (UsageDay.model, UsageDay.provider),
    "agent": (_PERSONA.c.name.label("agent"), col(UsageDay.persona_id).label("agent_id")),
    "service": (),
}


def usage_of_session(project_id: int, session_id: int) -> Any:
    """A subquery: `service`, `provider`, `model` and `cost_usd` of a conversation, to be joined to its row."""
    columns = (UsageEntry.service, UsageEntry.provider, UsageEntry.model)
    query: Any = select(*columns, func.sum(UsageEntry.cost_usd).label("cost_usd"))
    query = query.where(UsageEntry.project_id == project_id, UsageEntry.session_id == session_id)
    return query.group_by(*columns).subquery()


class UsageRepository:
    """What one project consumed."""

    def __init__(self, db: Db, project_id: int) -> None:
        self.db, self.project_id = db, project_id

    async def by(self, group: GroupBy, since: date | None) -> list[Row[Any]]:
        """Sums since a day (UTC; None: always) by group and service: the group's own columns, `service`, the sums,
        and `unpriced`, whether some of it had no price."""
        kinds = group.split(",")
        keys = [key for kind in kinds for key in _GROUPS[kind]]
        sums = [func.sum(getattr(UsageDay, name)).label(name) for name in SUMS]
        columns: list[Any] = [*keys, UsageDay.service, *sums, func.bool_or(UsageDay.unpriced).label("unpriced")]
        query: Any = select(*columns)
        if "agent" in kinds:
            named = (_PERSONA.c.id == UsageDay.persona_id) & (_PERSONA.c.project_id == UsageDay.project_id)
            query = query.outerjoin(_PERSONA, named)
        query = query.where(*self._since(since)).group_by(*keys, UsageDay.service).order_by(*keys, UsageDay.service)
        return list((await self.db.execute(query)).all())

    async def unpriced(self, since: date | None) -> list[str]:
        """The models since a day of which some work had no price, as `provider/model`."""
        columns = (UsageDay.provider, UsageDay.model)
        query = select(*columns).where(*self._since(since), col(UsageDay.unpriced)).distinct().order_by(*columns)
        return [f"{provider}/{model}" for provider, model in (await self.db.exec(query)).all()]

    def _since(self, since: date | None) -> list[Any]:
        own = [col(UsageDay.project_id) == self.project_id]
        return own if since is None else [*own, col(UsageDay.day) >= since]
