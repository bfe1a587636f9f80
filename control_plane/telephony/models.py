"""Trunks, numbers and calls of the telephone."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from control_plane.db.rows import big, created_now, id_column, json_list, json_object, json_value, moment, owner


class SipTrunk(SQLModel, table=True):
    """A carrier's line, as LiveKit knows it: a trunk for each direction and the rule that sends calls to rooms."""

    __tablename__ = "sip_trunk"
    __table_args__ = (UniqueConstraint("project_id", "id"),)

    id: int = id_column()
    project_id: int = owner()
    name: str
    phone_number: str
    address: str = ""
    transport: str = "udp"
    username: str = ""
    sealed_password: bytes | None = Field(default=None, sa_type=LargeBinary)
    allowed_addresses: list[str] = json_list()
    inbound_trunk_id: str | None = None
    outbound_trunk_id: str | None = None
    dispatch_rule_id: str | None = None
    calls_per_second: float = Field(
        1.0, sa_column_kwargs={"server_default": "1"}, description="What the carrier takes."
    )
    last_placed_at: datetime | None = moment(nullable=True)
    turn: int = Field(
        default=0,
        sa_type=BigInteger,
        sa_column_kwargs={"server_default": "0"},
        description="Counts the calls that were taken from the queue; whose last is the longest ago is next.",
    )
    synced_at: datetime | None = moment(nullable=True)
    """When LiveKit was last told; null: it has another version, or none."""
    deleted_at: datetime | None = moment(nullable=True)
    """Given up, while LiveKit may still have it."""
    created_at: datetime = created_now()

    @property
    def has_password(self) -> bool:
        """Whether its carrier is given one."""
        return self.sealed_password is not None


class SipConfig(SQLModel, table=True):
    """A number and the agent that answers it. One number belongs to one configuration on the whole server."""

    __tablename__ = "sip_config"
    __table_args__ = (
        ForeignKeyConstraint(["project_id", "agent_config_id"], ["persona.project_id", "persona.id"]),
        UniqueConstraint("project_id", "id"),
    )

    id: int = id_column()
    project_id: int = owner()
    name: str
    phone_number: str = Field(unique=True)
    agent_config_id: int = big()
    dtmf_enabled: bool = True
    max_call_duration: int = Field(1800, description="Seconds.")
    max_concurrent: int | None = Field(None, description="Calls that it answers at once; None: as many as the plan.")
    created_at: datetime = created_now()


class DialPolicy(SQLModel, table=True):
    """Whom a project may call, and how much. A project without a row has the defaults of these columns."""

    __tablename__ = "dial_policy"

    project_id: int = Field(sa_type=BigInteger, foreign_key="project.id", primary_key=True)
    countries: list[str] | None = json_value()
    """ISO 3166 alpha-2; null: those that the line calls as inland."""
    quiet_hours: dict[str, str] | None = json_value()
    limits: dict[str, Any] = json_object()
    do_not_call: list[str] = json_list()
    consent_required: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    opt_out_key: str | None = Field(default=None, description="None: no key says it.")
    updated_at: datetime = moment()


class Call(SQLModel, table=True):
    """A telephone call, from its dialling to its end."""

    __table_args__ = (
        UniqueConstraint("project_id", "id"),
        Index("call_by_project", "project_id", "id"),
        Index("call_queued", "trunk_id", "id", postgresql_where=text("status = 'queued'")),
        Index("call_by_room", "room_name"),
        Index("call_open", "room_name", postgresql_where=text("ended_at is null")),
        Index("call_out_by_day", "project_id", "started_at", postgresql_where=text("direction = 'outbound'")),
    )

    id: int = id_column()
    project_id: int = owner()
    session_id: int | None = Field(default=None, sa_type=BigInteger, index=True)
    room_name: str = Field(description="LiveKit's name.")
    phone_number: str
    caller_id: str | None = None
    direction: str = Field(default="outbound", description="`outbound` or `inbound`.")
    status: str = "dialing"
    sip_status: int | None = None
    reason: str | None = None
    details: dict[str, Any] = json_object()
    trunk_id: int | None = Field(default=None, sa_type=BigInteger)
    identity: str = Field("", sa_column_kwargs={"server_default": ""}, description="The phone's, in the room.")
    placed_at: datetime | None = moment(nullable=True)
    """When it was decided to send it out: from then on it is never sent again."""
    watched_until: datetime | None = moment(nullable=True)
    """Until when the process that placed it answers for its outcome."""
    started_at: datetime = moment()
    answered_at: datetime | None = moment(nullable=True)
    ended_at: datetime | None = moment(nullable=True)
    longest_seconds: int | None = Field(default=None, description="From the answer on; None: not known.")
    key_id: str | None = Field(default=None, description="Of the key that had it placed, or whose call it came of.")
    destination: str | None = Field(default=None, description="Of a call out: whom it reaches, in the one spelling.")
    counts: bool = Field(
        default=True,
        sa_column_kwargs={"server_default": text("true")},
        description="Against the limits of its day: not where nobody can have been rung.",
    )


class Transfer(SQLModel, table=True):
    """A phone that its carrier was asked to connect with somebody else: written before the carrier is asked.

    asked ──it calls them──▶ done · ──it does not──▶ refused · ──nothing is heard, or we died──▶ asked for ever
    """

    __table_args__ = (
        ForeignKeyConstraint(["project_id", "call_id"], ["call.project_id", "call.id"], ondelete="CASCADE"),
        Index("transfer_by_day", "project_id", "at"),
        Index("transfer_of_call", "call_id"),
    )

    id: int = id_column()
    project_id: int = owner()
    call_id: int = big()
    trunk_id: int | None = big(nullable=True)
    address: str = Field(description="As the carrier was given it.")
    asked_by: str = Field(description="`api`, `agent`, or `platform`, to the agent's fallback number.")
    status: str = "asked"
    sip_status: int | None = None
    longest_seconds: int = Field(description="What was left of its call. Nobody tells how long they talk: it counts.")
    key_id: str | None = Field(default=None, description="As its call has it.")
    at: datetime = moment()


class DialDecision(SQLModel, table=True):
    """Whether somebody might be called, and why: written in the transaction of what it allows, or by itself."""

    __tablename__ = "dial_decision"
    __table_args__ = (Index("dial_decision_by_project", "project_id", "id"),)

    id: int = id_column()
    project_id: int = owner()
    at: datetime = moment()
    kind: str = Field(description="`dial`, `transfer`, `warm`, `bot`; `placing`: of what had waited in the queue.")
    destination: str = Field(description="The number in E.164 form, or an address that is none.")
    key_id: str | None = None
    call_id: int | None = big(nullable=True)
    allowed: bool
    rule: str | None = Field(default=None, description="The rule that was broken.")
    steps: list[dict[str, Any]] = json_list()
    """Each rule that was asked, in order: `rule`, `held`, `said`."""
    longest_seconds: int = Field(description="How long it might last; 0 where it was not allowed.")


class Consent(SQLModel, table=True):
    """What somebody with a number has said about being called, or recorded. Rows are only added: the newest holds."""

    __table_args__ = (
        Index("consent_by_project", "project_id", "id"),
        Index("consent_of_number", "project_id", "number", "kind", "id"),
        UniqueConstraint("project_id", "session_id"),
    )

    id: int = id_column()
    project_id: int = owner()
    number: str = Field(description="In E.164 form, in its one spelling.")
    kind: str = Field(description="`calls` or `recording`.")
    given: bool = Field(description="False: withdrawn, or refused.")
    evidence: str = Field(description="How that is known.")
    session_id: int | None = Field(
        default=None, sa_type=BigInteger, description="Of the conversation in which it was said, where it was."
    )
    at: datetime = moment()
