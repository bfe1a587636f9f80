"""A job's start in the database: one statement, which finds what a ticket opens and writes the job."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import bindparam, inspect, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

from agents.calling import Redaction
from agents.contract import Exchange
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Conflict, NotFound, PlatformError, Unavailable
from control_plane.ids import fingerprint
from control_plane.personas.models import Persona, PersonaVersion
from control_plane.personas.serving import scribe_of, served, with_settings
from control_plane.sessions.models import Session, SessionJob, Slot
from control_plane.sessions.slots import Ticket, persona_identity

REFUSALS: Final[dict[str, tuple[type[PlatformError], str]]] = {
    "over": (NotFound, "this job has ended"),
    "foreign": (NotFound, "this ticket opens nothing"),
    "gone": (NotFound, "this ticket opens nothing"),
    "expired": (NotFound, "this ticket has expired"),
    "elsewhere": (Conflict, "this ticket is for another room"),
    "unserved": (NotFound, "the agent of this ticket is not in service"),
    "present": (Conflict, "this agent is in the room already"),
    "ending": (Unavailable, "the room's last session is just ending"),
}
"""What `open_job` says of tickets that open nothing, and what their workers are told."""
ABOUT: Final = ("status", "redact", "redact_names", "announces", "is_resumed", "is_meeting", "missed")
"""What the statement gives first."""
ROWS: Final[dict[str, type[SQLModel]]] = {
    "place": Slot,
    "talk": Session,
    "job": SessionJob,
    "who": Persona,
    "used": PersonaVersion,
}
"""Of these it then gives a whole row each, in this order."""

Model = TypeVar("Model", bound=SQLModel)


@dataclass(frozen=True, slots=True)
class Opened:
    """A job that is written, with all that it is told of: rows as they are now, of no transaction."""

    job: SessionJob
    session: Session
    slot: Slot
    persona: Persona
    """As its session has used it from its first job on, whatever was published since."""
    redaction: Redaction | None
    """How its project wants personal data taken out; None: not at all."""
    announces: bool
    """Whether its project wants people told before anything is recorded."""
    is_fresh: bool
    """Whether it was written now, and not before."""
    is_resumed: bool
    """Whether it goes on with what another job, which was lost, has begun."""
    is_meeting: bool
    """Whether its room is that of a meeting."""
    missed: int | None
    """The last job of its persona, where nobody had noticed before that it was lost."""


def _columns(model: type[SQLModel]) -> list[str]:
    return [column.key for column in inspect(model).columns]


_GIVEN: Final = ", ".join(
    f"(opened.{name}).{column} as {name}_{column}" for name, model in ROWS.items() for column in _columns(model)
)
_OPEN: Final = text(
    f"""
    select {", ".join(ABOUT)}, {_GIVEN}
    from open_job(
        :livekit_job, :wanted, :called, :room, :hash, :standing, :is_made, :worker, :now, :leased_until, :scribe
    ) as opened
    """  # noqa: S608 - names of our own columns
).bindparams(bindparam("scribe", type_=JSONB))


async def open_job(
    db: Db,
    clock: Clock,
    request: Exchange,
    ticket: Ticket,
    *,
    worker_id: str,
    lease: timedelta,
    slot_id: int | None,
    is_made: bool = False,
) -> Opened | None:
    """The job that a ticket opens, or its LiveKit job has opened before; None where no slot has the ticket.

    `slot_id` is the slot of a ticket that does not tell it by its secret; one that `is_made` was just made for this
    job, or found to be. Session and slot are locked until the commit. Raises `NotFound`, `Conflict`, `Unavailable`.
    """
    now = clock.now()
    values = {
        "livekit_job": request.job_id,
        "wanted": ticket.persona_id,
        "called": persona_identity(ticket.persona_id),
        "room": request.room_name,
        "hash": fingerprint(ticket.secret),
        "standing": slot_id,
        "is_made": is_made,
        "worker": worker_id,
        "now": now,
        "leased_until": now + lease,
        "scribe": scribe_of(0).model_dump(include={"name", "llm_provider", "llm_model", "store_transcripts"}),
    }
    found = (await db.execute(_OPEN, values)).one()
    if found.status == "unknown":
        return None
    if found.status in REFUSALS:
        refused, why = REFUSALS[found.status]
        raise refused(why)
    rest = iter(found[len(ABOUT) :])
    slot, session, job = _read(Slot, rest), _read(Session, rest), _read(SessionJob, rest)
    persona, version = _read(Persona, rest), _read(PersonaVersion, rest)
    return Opened(
        job=job,
        session=session,
        slot=slot,
        persona=_persona(persona, version, slot, session),
        redaction=Redaction(names=found.redact_names) if found.redact else None,
        announces=found.announces,
        is_fresh=found.status == "opened",
        is_resumed=found.is_resumed,
        is_meeting=found.is_meeting,
        missed=found.missed,
    )


def _read(model: type[Model], values: Iterator[Any]) -> Model:
    """The next row of a model; one that is not there has nothing in its columns."""
    return model(**{column: next(values) for column in _columns(model)})


def _persona(persona: Persona, version: PersonaVersion, slot: Slot, session: Session) -> Persona:
    if persona.id is None:
        return scribe_of(slot.project_id)
    is_tried = slot.draft is not None and session.persona_versions.get(str(persona.id)) is None
    if is_tried:
        return with_settings(persona, slot.draft or {})
    return served(persona, version if version.id is not None else None).persona
