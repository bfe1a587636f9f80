"""Every table of the control plane, for migrations and their test."""

from sqlmodel import SQLModel

from control_plane.accounts.models import Account, Project
from control_plane.auth.models import ApiKey
from control_plane.events.models import Event
from control_plane.jobs.models import Job
from control_plane.livekit_hooks.models import LivekitHook
from control_plane.personas.models import Persona
from control_plane.rooms.models import Participant, Room
from control_plane.sessions.models import Session, SessionJob, Slot, TranscriptLine, Turn, UsageEntry, Worker
from knowledge.tables import metadata as knowledge_metadata

TENANT_TABLES: tuple[type[SQLModel], ...] = (
    Event,
    Participant,
    Persona,
    Room,
    Session,
    SessionJob,
    Slot,
    TranscriptLine,
    Turn,
    UsageEntry,
)
"""Tables behind row-level security."""

PLATFORM_TABLES: tuple[type[SQLModel], ...] = (Account, ApiKey, Job, LivekitHook, Project, Worker)
"""Tables that are read before a project is known, or across projects."""

all_metadata = [SQLModel.metadata, knowledge_metadata]
"""What migrations build."""
