"""What was consumed and what it cost. Entries are never changed; the roll-up is written beside them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import BigInteger, Index, Numeric
from sqlmodel import Field, SQLModel

from control_plane.db.rows import id_column, moment, owner

COST = Numeric(20, 10)
"""US dollars, exact far below the cent."""


class UsageEntry(SQLModel, table=True):
    """One piece of work. `source` is its key, so that a repeated report counts once.

    The table is in parts by the month of `at` (decision 0034), and (project, source) is unique in each: so `at` is the
    same whenever the same work is told.
    """

    __tablename__ = "usage_entry"
    __table_args__ = (
        Index("usage_entry_by_session", "project_id", "session_id"),
        Index("usage_entry_by_time", "project_id", "at", postgresql_include=["cost_usd"]),
    )

    id: int = id_column()
    project_id: int = owner()
    source: str = Field(
        description="`report:<session>:<epoch>:<sequence>`, `call:<id>`, `recording:<id>`, `analysis:<id>:<when>`."
    )
    session_id: int | None = Field(default=None, sa_type=BigInteger)
    persona_id: int | None = Field(default=None, sa_type=BigInteger)
    service: str = Field(description="`llm`, `stt`, `tts`, `telephony` or `recording`.")
    provider: str
    model: str
    input_tokens: int = Field(default=0, sa_type=BigInteger)
    output_tokens: int = Field(default=0, sa_type=BigInteger)
    audio_seconds: float = 0
    characters: int = Field(default=0, sa_type=BigInteger)
    requests: int = 0
    cost_usd: Decimal = Field(default=Decimal(0), sa_type=COST)
    unpriced: bool = Field(default=False, description="Nobody had put a price on this work.")
    at: datetime = moment()


SUMS: Final = ("cost_usd", "input_tokens", "output_tokens", "audio_seconds", "characters", "requests")
"""What is summed up of entries."""


class UsageDay(SQLModel, table=True):
    """The sum of a day's entries of one kind."""

    __tablename__ = "usage_day"

    project_id: int = Field(foreign_key="project.id", primary_key=True)
    day: date = Field(primary_key=True)
    persona_id: int = Field(primary_key=True, sa_type=BigInteger, description="0 for none.")
    service: str = Field(primary_key=True)
    provider: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    input_tokens: int = Field(default=0, sa_type=BigInteger)
    output_tokens: int = Field(default=0, sa_type=BigInteger)
    audio_seconds: float = 0
    characters: int = Field(default=0, sa_type=BigInteger)
    requests: int = 0
    cost_usd: Decimal = Field(default=Decimal(0), sa_type=COST)
    unpriced: bool = Field(default=False, description="Some of it had no price.")


class BudgetNotice(SQLModel, table=True):
    """That a budget's warning, or its end, was told: once in a month and for each amount."""

    __tablename__ = "budget_notice"

    project_id: int = Field(foreign_key="project.id", primary_key=True)
    persona_id: int = Field(primary_key=True, sa_type=BigInteger, description="0 for the project's own budget.")
    month: date = Field(primary_key=True, description="Its first day.")
    fact: str = Field(primary_key=True)
    threshold_usd: Decimal = Field(primary_key=True, sa_type=COST)
