"""What `GET /admin/health` answers."""

from typing import Literal

from pydantic import BaseModel, Field

from agents.figures import OpenModel
from control_plane.wire import Instant


class Part(BaseModel):
    """Whether one part of the installation works.

    `degraded`: it does, and not as it should. `absent`: there is none, which is nothing wrong.
    """

    status: Literal["ok", "degraded", "unavailable", "absent"]
    reason: str | None = None


class DatabaseHealth(Part):
    """PostgreSQL."""

    revision: str | None = None


class RedisHealth(Part):
    """Redis; without it each process keeps rate windows of its own."""

    shared: bool


class ProcessesHealth(Part):
    """Processes of one kind."""

    running: int = 0
    silent: list[str] = Field([], description="Those that went within the last hour without a word.")


class HostRead(BaseModel):
    """A worker or a bot host, by what it told last."""

    id: str
    connected: bool
    places: int = Field(description="Calls or bots that it takes at once.")
    taken: int
    draining: bool = Field(description="It takes nothing any more and ends.")
    spool_reports: int = Field(description="Reports of its calls that are not acknowledged.")
    parked_reports: int = Field(description="Reports that were refused: they wait in its spool for a person to look.")
    disk_free_bytes: int | None = Field(description="Of its spool's disk.")
    knowledge: bool | None = Field(description="Whether its knowledge process answers.")
    open_models: list[OpenModel] = Field(description="Models that it leaves alone because they failed.")


class HostsHealth(Part):
    """Bot hosts, wherever they are connected."""

    connected: int = 0
    places: int = Field(0, description="Bots that they take at once, those that drain left out.")
    taken: int = 0
    draining: int = 0
    open_models: list[OpenModel] = Field([], description="Models that any of them leaves alone.")
    spool_reports: int = Field(0, description="Reports that are not acknowledged, of all of them.")
    parked_reports: int = 0
    disk_free_bytes: int | None = Field(None, description="Of the one that has least.")
    each: list[HostRead] = Field([], description="Those heard of within the last hour, a hundred at most.")


class WorkersHealth(HostsHealth):
    """Workers, wherever they are connected."""

    capacity: int = Field(0, description="Calls that the connected ones take at once.")
    here: int = Field(0, description="Those connected to the process that answers.")


class JobsHealth(ProcessesHealth):
    """What the jobs processes are to do; `unavailable` where there is none, or something due has waited a minute."""

    due: int = 0
    behind_seconds: float = Field(0, description="For which the oldest that is due has waited.")
    failed: int = Field(0, description="Given up within the last week.")
    leaders: dict[str, bool] = Field({}, description="Of each work that one process does, whether one does it.")
    event_lag_seconds: float = Field(0, description="Age of the oldest event without its number.")
    webhooks_waiting: int = Field(0, description="To be sent, for the first time or again.")
    webhooks_behind_seconds: float = Field(0, description="Age of the oldest webhook that was not tried yet.")


class BrokenTrail(BaseModel):
    """An audit trail that is not as it was written."""

    project_id: int
    entry_id: int | None = Field(description="Of the first problem that was found; `GET /audit/verify` has the others.")
    kind: str = Field(description="`changed`, `missing`, `unlinked`, `moved`, `cut` or `unreadable`.")


class AuditHealth(Part):
    """The audit trails of all projects, verified round after round."""

    verified_at: Instant | None = Field(None, description="To its end, of the one that has waited the longest.")
    broken: list[BrokenTrail] = Field([], description="A hundred at most.")


class LivekitHealth(Part):
    """LiveKit's server."""

    rooms: int | None = None


class EgressHealth(Part):
    """Recordings, as LiveKit tells of them."""

    running: int | None = None


class SipHealth(Part):
    """Telephony, as LiveKit tells of it."""

    trunks_and_rules: int | None = None


class HealthParts(BaseModel):
    """Every part."""

    database: DatabaseHealth
    redis: RedisHealth
    livekit: LivekitHealth
    control_planes: ProcessesHealth
    jobs: JobsHealth
    workers: WorkersHealth
    bot_hosts: HostsHealth
    knowledge: Part
    egress: EgressHealth
    sip: SipHealth
    audit: AuditHealth


class HealthRead(BaseModel):
    """`GET /admin/health`: `degraded` where a part is neither ok nor absent."""

    status: Literal["ok", "degraded"]
    version: str
    parts: HealthParts
