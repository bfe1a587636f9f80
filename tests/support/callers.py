"""Callers of a project, named in every table that may name one."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from control_plane.privacy.places import PLACES, Fate
from tests.support.estates import FILLINGS, LATER, NOW, Estate, tables
from tests.support.furnishing import row_of

UNREADABLE: Final = ("knowledge_posting", "knowledge_term", "knowledge_vector", "idempotent_request")
"""Tables that hold no words, or sealed ones."""


@dataclass
class Caller(Estate):
    """Somebody whose number, address and identity stand in every text of a row in each table."""

    who: int = 0
    """Which person, where their row is not of the same number."""

    @property
    def person(self) -> int:
        return self.who or self.number

    @property
    def slug(self) -> str:
        return f"{self.tenant.project.slug}c{self.number}"

    @property
    def phone_number(self) -> str:
        return f"+1775123{4000 + self.person}"

    @property
    def email(self) -> str:
        return f"caller.{self.person}@example.org"

    @property
    def identity(self) -> str:
        return f"customer-{8800 + self.person}"

    def canary(self, table: str, column: str) -> str:
        return f"CANARY-{self.slug}-{table}-{column} {self.phone_number} {self.email} {self.identity}"

    @property
    def known_by(self) -> list[str]:
        """What no row may hold any more."""
        return [f"%{each}%" for each in (self.phone_number.lstrip("+"), self.email, self.identity)]

    @property
    def asked(self) -> dict[str, str]:
        """The body of a request about them."""
        return {"phone_number": self.phone_number, "email": self.email, "identity": self.identity}


def plant(url: str, caller: Caller) -> None:
    """A row of theirs in each table of their project; of what a project has one of, the first caller's."""
    for place, table in enumerate(tables()):
        if "id" in table.columns and not isinstance(table.columns["id"].type, sa.String):
            caller.ids[table.name] = 1_000_000 + place * 1000 + caller.number
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        connection.exec_driver_sql("set parley.project = 'all'")
        for table in tables():
            row = row_of(caller, table, FILLINGS[table.name], 0) | _of(caller, table.name)
            values = {name: value for name, value in row.items() if name in table.columns}
            connection.execute(insert(table).values(**values).on_conflict_do_nothing())
    engine.dispose()


def _of(caller: Caller, table: str) -> dict[str, Any]:
    match table:
        case "attendee" | "participant" | "transcript_line":
            return {"identity": caller.identity, "left_at": NOW}
        case "call":
            number = caller.phone_number
            return {"phone_number": number, "identity": f"sip_{number}", "ended_at": NOW, "session_id": None}
        case "consent":
            return {"number": caller.phone_number}
        case "dial_decision":
            return {"destination": caller.phone_number}
        case "session":
            return {"status": "completed", "caller_identity": caller.identity, "started_at": NOW, "ended_at": LATER}
        case "slot":
            return {"caller_identity": caller.identity, "session_id": None}
        case "end_user":
            return {"email": caller.email}
        case "meeting":
            return {"status": "completed", "ended_at": NOW}
        case "recording":
            return {"status": "completed", "ended_at": NOW + timedelta(minutes=1)}
        case "knowledge_unanswered":
            return {"session_id": 0}
    return {}


def left_of(url: str, caller: Caller) -> dict[str, int]:
    """How many rows of each table name them, but of those that stay."""
    return {
        name: count for name, (count, _) in _naming(url, caller).items() if count and PLACES[name] is not Fate.STAYS
    }


def rows_of(url: str, caller: Caller) -> dict[str, tuple[int, str]]:
    """How many rows of each table name them, and a hash of all of these."""
    return _naming(url, caller)


def _naming(url: str, caller: Caller) -> dict[str, tuple[int, str]]:
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    found: dict[str, tuple[int, str]] = {}
    with engine.begin() as connection:
        connection.exec_driver_sql("set parley.project = 'all'")
        for table in tables():
            if table.name in UNREADABLE:
                continue
            query = sa.text(
                f"select count(*), md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {table.name} t"
                " where project_id = :project and t::text ilike any(:known)"
            )
            row = connection.execute(query, {"project": caller.tenant.project.id, "known": caller.known_by}).one()
            found[table.name] = (row[0], row[1])
    engine.dispose()
    return found
