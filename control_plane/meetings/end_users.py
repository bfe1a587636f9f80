"""People whom a project holds meetings with."""

import secrets

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select

from control_plane.db.database import Db
from control_plane.db.rows import read_excerpt, refuse_missing
from control_plane.errors import Conflict
from control_plane.meetings.models import EndUser, Membership
from control_plane.wire import MAX_ID, Excerpt


class EndUsers:
    """The end users of one project."""

    def __init__(self, db: Db, project_id: int) -> None:
        self.db, self.project_id = db, project_id

    async def create(self, name: str, email: str | None) -> EndUser:
        """A new end user; `Conflict` where the project has one of that address."""
        made = await self._insert(name, email)
        if made is None:
            raise Conflict("There is an end user with this e-mail address")
        return made

    async def meet(self, name: str, email: str | None) -> EndUser:
        """The end user of an e-mail address, made where there is none; without an address a new, anonymous one."""
        made = await self._insert(name, email)
        if made is not None:
            return made
        query = select(EndUser).where(EndUser.project_id == self.project_id, EndUser.email == email)
        return (await self.db.exec(query)).one()

    async def get(self, end_user_id: int) -> EndUser:
        """One end user; `NotFound` or `Forbidden`."""
        query = select(EndUser).where(EndUser.project_id == self.project_id, EndUser.id == end_user_id)
        found = (await self.db.exec(query)).one_or_none()
        return found or await refuse_missing(self.db, "end_user", end_user_id, "end user")

    async def page(self, excerpt: Excerpt, email: str | None) -> tuple[list[EndUser], int]:
        """End users, newest first, of one address or of any; and how many there are."""
        query = select(EndUser).where(EndUser.project_id == self.project_id)
        if email is not None:
            query = query.where(EndUser.email == email.lower())
        rows, total = await read_excerpt(self.db, query, col(EndUser.id), excerpt)
        return [row[0] for row in rows], total

    async def delete(self, end_user_id: int) -> None:
        """Forget an end user. Meetings stay, without them."""
        await self.get(end_user_id)
        await self.db.exec(
            delete(EndUser).where(col(EndUser.project_id) == self.project_id, col(EndUser.id) == end_user_id)
        )

    async def membership(self, end_user_id: int, scenario_id: int) -> int:
        """The id of the pair, made where there is none. It opens the scenario's page, so nobody must guess it."""
        pair = {"project_id": self.project_id, "end_user_id": end_user_id, "scenario_id": scenario_id}
        made = insert(Membership).values(pair | {"id": 1 + secrets.randbelow(MAX_ID)})
        await self.db.execute(made.on_conflict_do_nothing(index_elements=["end_user_id", "scenario_id"]))
        query = select(Membership.id).filter_by(**pair)
        return (await self.db.exec(query)).one()

    async def _insert(self, name: str, email: str | None) -> EndUser | None:
        row = {"project_id": self.project_id, "name": name, "email": email}
        statement = insert(EndUser).values(row).on_conflict_do_nothing(index_elements=["project_id", "email"])
        return (await self.db.scalars(statement.returning(EndUser))).one_or_none()
