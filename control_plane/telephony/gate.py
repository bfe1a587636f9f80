"""The right-to-call gate: a project's policy, and what its calls out have used, asked under a lock. What it decides is
kept, with why."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

import structlog
from sqlalchemy import text
from sqlmodel import col, select

from control_plane.db.database import Db
from control_plane.errors import Forbidden
from control_plane.metering.prices import PriceBook, price_book
from control_plane.plans.catalogue import plans
from control_plane.telephony.models import Call, Consent, DialDecision, DialPolicy
from control_plane.telephony.policy import (
    AFTERWARDS,
    SHORTEST,
    Asked,
    Decision,
    Limits,
    Policy,
    QuietHours,
    Spent,
    Used,
    canonical,
    decide,
    home_countries,
    start_of_day,
)

Kind = Literal["dial", "transfer", "warm", "bot", "placing"]

_CALL: Final = "telephony"
"""The service whose prices are a call's."""

ASKED_FOR: Final = timedelta(seconds=60)
"""How long a transfer may be under way; then it is over, whatever became of it."""

_LOCKED = text("select lock_dialling(:project, :key, :destination, :replaced, :now, :day, :recent)")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wish:
    """A call that somebody wants to be made, by a project's line."""

    project_id: int
    kind: Kind
    number: str | None
    """In E.164 form; None: somebody at the project's own carrier, or in a meeting, for whom the limits alone hold."""
    calling_from: str
    """The number of the line."""
    carrier: str
    """The address of its trunk, by which it has a price; empty where it is not known."""
    longest: int
    """Seconds that it would last at most."""
    address: str = ""
    """Whom it reaches where that is no number."""
    shortest: int = SHORTEST
    afterwards: int = AFTERWARDS
    key_id: str | None = None
    call_id: int | None = None
    replaced: int | None = None
    """The id of a call that would give its place to this one, and is counted as if it had ended now."""

    @property
    def destination(self) -> str:
        """Whom it reaches, in the one spelling by which calls to the same are counted."""
        return canonical(self.number) if self.number else self.address


async def demand_right_to_call(db: Db, wish: Wish, *, now: datetime) -> DialDecision:
    """Let a call be made, for as long as the decision says, or refuse what the project's policy forbids.

    The decision is written in this transaction, which holds the project's lock until its commit: what is written with
    it is counted by whoever asks next, so that no number of calls at once passes a limit. A refusal is committed at
    once, so that nothing may have been written before. Raises `Forbidden` with the decision in its details.
    """
    row = await judge_call(db, wish, now=now)
    if not row.allowed:
        await db.flush()
        await db.commit()
        said = row.steps[-1]["said"]
        raise Forbidden(said, details={"rule": row.rule, "decision_id": row.id, "steps": row.steps})
    return row


async def judge_call(db: Db, wish: Wish, *, now: datetime) -> DialDecision:
    """The same for whoever tells of a refusal in another way: the decision, which may be one, is written with whatever
    else this transaction writes. Days are those of UTC."""
    day = start_of_day(now)
    known = await db.scalar(
        _LOCKED,
        {
            "project": wish.project_id,
            "key": wish.key_id,
            "destination": wish.destination,
            "replaced": wish.replaced,
            "now": now,
            "day": day,
            "recent": now - ASKED_FOR,
        },
    )
    policy = policy_from(known["policy"], lines=[wish.calling_from], plan=known["plan"])
    if known["listed"]:
        policy = dataclasses.replace(policy, do_not_call=frozenset([wish.destination]))
    book = price_book()
    asked = Asked(
        number=wish.number,
        at=now,
        longest=wish.longest,
        shortest=wish.shortest,
        afterwards=wish.afterwards,
        usd_per_minute=_rate(book, wish.carrier, day),
        consent=known["consent"],
    )
    return _keep(db, wish, decide(policy, asked, _used(known["used"], book, day)), now=now)


async def judge_again(db: Db, call: Call, number: str, *, now: datetime) -> DialDecision | None:
    """Why a call that was let through, and has waited since, may not be made any more; None where it may. The limits
    have counted it already."""
    row = await db.get(DialPolicy, call.project_id)
    said = select(Consent.given).where(
        Consent.project_id == call.project_id, Consent.number == canonical(number), Consent.kind == "calls"
    )
    consent = (await db.exec(said.order_by(col(Consent.id).desc()).limit(1))).first()
    line = call.caller_id or ""
    policy = policy_from(row.model_dump() if row else None, lines=[line], plan=None)
    if row is not None:
        policy = dataclasses.replace(policy, do_not_call=frozenset(row.do_not_call))
    policy = dataclasses.replace(policy, limits=Limits())
    decision = decide(policy, Asked(number, now, consent=consent), Used())
    if decision.allowed:
        return None
    wish = Wish(call.project_id, "placing", number, line, "", longest=0, key_id=call.key_id, call_id=call.id)
    return _keep(db, wish, decision, now=now)


def policy_from(row: Mapping[str, Any] | None, *, lines: Iterable[str], plan: str | None) -> Policy:
    """A project's policy as its row has it, but for its numbers; without a row, what its plan allows, to the countries
    of its lines."""
    if row is None:
        return Policy(home_countries(lines), limits=Limits(**plans()[plan].dialling) if plan else Limits())
    quiet = row["quiet_hours"]
    return Policy(
        countries=home_countries(lines) if row["countries"] is None else frozenset(row["countries"]),
        quiet_hours=QuietHours(*(time.fromisoformat(quiet[end]) for end in ("start", "end"))) if quiet else None,
        limits=Limits(**row["limits"]),
        consent_required=row["consent_required"],
    )


def _keep(db: Db, wish: Wish, decision: Decision, *, now: datetime) -> DialDecision:
    row = DialDecision(
        project_id=wish.project_id,
        at=now,
        kind=wish.kind,
        destination=wish.destination,
        key_id=wish.key_id,
        call_id=wish.call_id,
        allowed=decision.allowed,
        rule=decision.rule,
        steps=[dataclasses.asdict(step) for step in decision.steps],
        longest_seconds=decision.longest,
    )
    db.add(row)
    if not decision.allowed:
        log.info("a call was not allowed", project=wish.project_id, kind=wish.kind, rule=decision.rule)
    return row


def _rate(book: PriceBook, carrier: str, day: datetime) -> Decimal | None:
    price = book.find(_CALL, book.provider(carrier), "outbound", on=day.date())
    return price.minutes if price is not None else None


def _used(rows: list[dict[str, Any]], book: PriceBook, day: datetime) -> Used:
    rates = [_rate(book, row["address"], day) for row in rows]

    def spent(scope: str) -> Spent:
        usd: Decimal | None = Decimal(0)
        for row, rate in zip(rows, rates, strict=True):
            if row[f"{scope}minutes"]:
                usd = usd + row[f"{scope}minutes"] * rate if usd is not None and rate is not None else None
        calls, minutes = (sum(row[f"{scope}{unit}"] for row in rows) for unit in ("calls", "minutes"))
        return Spent(calls, minutes, usd)

    return Used(sum(row["concurrent"] for row in rows), spent(""), spent("key_"), spent("destination_"))
