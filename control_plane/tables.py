"""Every table of the control plane, for migrations and their test."""

from sqlmodel import SQLModel

from control_plane.accounts.models import Account, LedgerEntry, Member, Project, ProviderCredential, SupportKey
from control_plane.analysis.models import Analysis
from control_plane.auth.models import ApiKey, ConsoleSession
from control_plane.bots.models import Bot
from control_plane.calendars.models import Calendar, CalendarEvent, CalendarSeries
from control_plane.dialects.videosdk.models import VideoRoom, VideoTranscription
from control_plane.embeds.models import EmbedKey
from control_plane.events.models import Event, EventCursor
from control_plane.gate.models import AuditCheck, AuditEntry, AuditHead, AuditLink, IdempotentRequest
from control_plane.health.models import ProcessPulse
from control_plane.jobs.models import Job
from control_plane.livekit_hooks.models import LivekitHook
from control_plane.meetings.models import Attendee, EndUser, Meeting, Membership, Scenario
from control_plane.metering.models import BudgetNotice, UsageDay, UsageEntry
from control_plane.monitor.models import MonitorTicket
from control_plane.personas.models import Persona, PersonaVersion
from control_plane.privacy.models import PrivacyRequest
from control_plane.recordings.models import Recording, ToldEgress
from control_plane.replays.models import ReplayShare
from control_plane.rooms.models import Participant, RetiredRoom, Room, Supervision
from control_plane.secrets.models import SigningKey
from control_plane.sessions.models import (
    Session,
    SessionJob,
    SessionTally,
    SessionTrace,
    Slot,
    TranscriptLine,
    Turn,
    Worker,
)
from control_plane.telephony.models import Call, Consent, DialDecision, DialPolicy, SipConfig, SipTrunk, Transfer
from control_plane.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from knowledge.tables import metadata as knowledge_metadata

TENANT_TABLES: tuple[type[SQLModel], ...] = (
    Analysis,
    Attendee,
    AuditCheck,
    AuditEntry,
    AuditHead,
    AuditLink,
    Bot,
    BudgetNotice,
    Calendar,
    CalendarEvent,
    CalendarSeries,
    Call,
    Consent,
    DialDecision,
    DialPolicy,
    EmbedKey,
    EndUser,
    Event,
    IdempotentRequest,
    Meeting,
    Membership,
    Participant,
    Persona,
    PersonaVersion,
    PrivacyRequest,
    ProviderCredential,
    Recording,
    ReplayShare,
    RetiredRoom,
    Room,
    Scenario,
    Session,
    SessionJob,
    SessionTally,
    SessionTrace,
    SipConfig,
    SipTrunk,
    Slot,
    Supervision,
    ToldEgress,
    TranscriptLine,
    Transfer,
    Turn,
    UsageDay,
    UsageEntry,
    VideoRoom,
    VideoTranscription,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
"""Tables behind row-level security."""

PLATFORM_TABLES: tuple[type[SQLModel], ...] = (
    Account,
    ApiKey,
    ConsoleSession,
    EventCursor,
    Job,
    LedgerEntry,
    LivekitHook,
    Member,
    MonitorTicket,
    ProcessPulse,
    Project,
    SigningKey,
    SupportKey,
    Worker,
)
"""Tables that are read before a project is known, or across projects."""

all_metadata = [SQLModel.metadata, knowledge_metadata]
"""What migrations build."""
