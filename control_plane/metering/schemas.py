"""Usage on the wire. Amounts are exact sums of what the ledger holds, so that every grouping adds up to the same."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import Row

from control_plane.metering.repository import GroupBy

Period = Literal["today", "7d", "30d", "month", "all"]
SECONDS = 60


class UsageTotals(BaseModel):
    """All of it. Tokens are those of language models; minutes of sound are those that were recognised."""

    cost_usd: float
    input_tokens: int
    output_tokens: int
    audio_minutes: float
    tts_characters: int
    api_calls: int = Field(description="Calls of providers, not requests of this API.")


class UsageRow(BaseModel):
    """One group: its `period`, `model`, `agent` or `service`, or two of them, as was asked for, and what it cost."""

    period: date | None = Field(None, description="With `day` in `group_by`: the day (UTC).")
    model: str | None = Field(None, description="With `model` in `group_by`.")
    provider: str | None = Field(None, description="With `model` in `group_by`.")
    agent: str | None = Field(None, description="With `agent` in `group_by`: its name; null: what no agent did.")
    agent_id: int | None = Field(None, description="With `agent` in `group_by`.")
    service: str | None = Field(None, description="With `service` in `group_by`.")
    cost: float = Field(description="US dollars: the sum of the five below.")
    llm_cost: float
    stt_cost: float
    tts_cost: float
    telephony_cost: float
    recording_cost: float
    calls: int
    input_tokens: int
    output_tokens: int
    audio_minutes: float
    tts_characters: int


class Usage(BaseModel):
    """`GET /usage`."""

    period: Period
    group_by: GroupBy
    totals: UsageTotals
    breakdown: list[UsageRow]
    unpriced: list[str] = Field(description="Models, as `provider/model`, without a price for some of their work.")


class _Sums:
    """One group, or all of it, as it is added up."""

    def __init__(self) -> None:
        self.costs = dict.fromkeys(("llm", "stt", "tts", "telephony", "recording"), Decimal(0))
        self.input_tokens = self.output_tokens = self.characters = self.calls = 0
        self.heard_seconds = 0.0

    def add(self, row: Row[Any]) -> None:
        self.costs[row.service] += row.cost_usd
        self.calls += row.requests
        match row.service:
            case "llm":
                self.input_tokens += int(row.input_tokens)
                self.output_tokens += int(row.output_tokens)
            case "stt":
                self.heard_seconds += row.audio_seconds
            case "tts":
                self.characters += int(row.characters)

    def cost(self) -> float:
        return float(sum(self.costs.values()))

    def amounts(self) -> dict[str, Any]:
        """What rows and totals have alike."""
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "audio_minutes": round(self.heard_seconds / SECONDS, 4),
            "tts_characters": self.characters,
        }


def show_usage(period: Period, group_by: GroupBy, rows: Iterable[Row[Any]], unpriced: list[str]) -> Usage:
    """The answer, from sums by group and service in the order in which groups are to be shown."""
    groups: dict[tuple[tuple[str, Any], ...], _Sums] = {}
    total = _Sums()
    for row in rows:
        groups.setdefault(tuple(_key(group_by, row).items()), _Sums()).add(row)
        total.add(row)
    return Usage(
        period=period,
        group_by=group_by,
        totals=UsageTotals(cost_usd=total.cost(), api_calls=total.calls, **total.amounts()),
        breakdown=[
            UsageRow(
                **dict(key),
                cost=sums.cost(),
                **{f"{service}_cost": float(cost) for service, cost in sums.costs.items()},
                calls=sums.calls,
                **sums.amounts(),
            )
            for key, sums in groups.items()
        ],
        unpriced=unpriced,
    )


def _key(group_by: GroupBy, row: Row[Any]) -> dict[str, Any]:
    key: dict[str, Any] = {}
    for kind in group_by.split(","):
        match kind:
            case "day":
                key |= {"period": row.period}
            case "model":
                key |= {"model": row.model, "provider": row.provider}
            case "agent":
                key |= {"agent": row.agent, "agent_id": row.agent_id or None}
            case "service":
                key |= {"service": row.service}
    return key


class Costs(BaseModel):
    """US dollars of a conversation by service; `total` is their sum."""

    total: float = 0.0
    llm: float = 0.0
    stt: float = 0.0
    tts: float = 0.0
    telephony: float = 0.0
    recording: float = 0.0


def show_costs(rows: Iterable[Row[Any]]) -> Costs:
    """The costs of a conversation."""
    sums = _Sums()
    for row in rows:
        sums.costs[row.service] += row.cost_usd
    return Costs(total=sums.cost(), **{service: float(cost) for service, cost in sums.costs.items()})
