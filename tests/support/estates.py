"""Everything a tenant may own, a row in each table, with words in it that nobody else may ever read."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

import sqlalchemy as sa
from sqlmodel import SQLModel

from control_plane.ids import fingerprint
from control_plane.meetings.schemas import Controls
from control_plane.secrets.box import SecretBox
from control_plane.tables import TENANT_TABLES
from control_plane.telephony.trunks import sealed_for
from control_plane.webhooks.service import sealed_as
from knowledge.tables import metadata as knowledge_metadata
from tests.support.platform import SECRET_KEY, Tenant

NOW: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
LATER: Final = datetime.now(UTC) + timedelta(days=30)
"""Of what would be over otherwise."""
HALL, GUEST = "hall", "guest-1"
NUMBER: Final = "+17751234567"
"""Whom they call, as others do."""
SHARE: Final = "rpl_of-{slug}-0123456789abcdef0123456789abcdef"
EMBED: Final = "ek_of-{slug}-0123456789abcdef0123456789"
BOX: Final = SecretBox(SECRET_KEY)
Filling = Mapping[str, Any]
Filler = Callable[["Estate", int], Filling]


def _plain(**values: Any) -> Filler:
    return lambda _estate, _id: values


FILLINGS: Final[dict[str, Filler]] = {
    "analysis": _plain(status="ready", figures={}, findings={}, finished_at=NOW),
    "attendee": _plain(identity=GUEST, state="waiting", seen_at=LATER, since=NOW),
    "audit_check": _plain(found=None, broken=None),
    "audit_entry": _plain(status=200),
    "audit_head": _plain(seq=1),
    "audit_link": _plain(seq=1),
    "bot": lambda e, _: {
        "extra": {},
        "asked": {"canary": e.canary("bot", "asked")},
        "state": "scheduled",
        "told": "",
        "chat": [{"identity": GUEST, "message": e.canary("bot", "chat")}],
        "room_name": f"{e.slug}_bot-1",
        "meeting_room": f"{e.slug}_{HALL}",
        "meeting_url": f"https://meet.example.org/{e.canary('bot', 'meeting_url')}",
        "error_message": None,
        "webhook_url": None,
        "due_at": LATER,
    },
    "budget_notice": _plain(month=date(2026, 1, 1), threshold_usd=1, fact="budget.reached"),
    "calendar": _plain(platform="ICS", status="active", status_reason=None, next_sync_at=LATER, sync_token=None),
    "calendar_event": lambda e, _: {
        "starts_at": LATER,
        "ends_at": LATER + timedelta(hours=1),
        "attendees": [],
        "raw": {"canary": e.canary("calendar_event", "raw")},
        "bot": None,
        "dial_in": None,
        "series_id": "series-1",
    },
    "calendar_series": _plain(series_id="series-1", bot={}),
    "call": _plain(
        room_name="{slug}_hall",
        phone_number=NUMBER,
        caller_id="+18001234567",
        direction="outbound",
        status="answered",
        identity=f"sip_{NUMBER}",
    ),
    "consent": _plain(number=NUMBER, kind="calls", given=True),
    "dial_decision": _plain(kind="dial", destination=NUMBER, allowed=True, rule=None, steps=[]),
    "dial_policy": _plain(countries=None, quiet_hours=None, limits={}, do_not_call=[]),
    "egress": _plain(id="EG_of{slug}", room_name="{slug}_hall"),
    "embed_key": lambda e, _: {
        "key": EMBED.format(slug=e.slug),
        "mode": "both",
        "theme": "auto",
        "accent": None,
        "origins": [f"https://{e.slug}.example.org"],
        "longest_call": 600,
        "calls_at_once": 10,
        "visitor_calls_per_hour": 10,
        "address_calls_per_hour": 60,
    },
    "end_user": lambda e, _: {"email": f"{e.canary('end_user', 'email')}@example.org".lower()},
    "event": lambda e, i: {
        "seq": e.number,
        "type": "room.created",
        "room_name": f"{e.slug}_{HALL}",
        "data": {"name": e.canary("event", "data")},
    },
    "idempotent_request": _plain(status=None, sealed_body=None, lease_until=NOW),
    "meeting": lambda e, _: {
        "code": f"code-of-{e.slug}",
        "room_name": f"{e.slug}_{HALL}",
        "variables": {"canary": e.canary("meeting", "variables")},
        "controls": Controls(enable_waiting_room=True, enable_chat=True).model_dump(),
        "status": "active",
        "meeting_type": "end-user",
        "language": "en",
        "voice_provider": "default",
        "voice_provider_used": "default",
        "started_at": NOW,
    },
    "membership": _plain(),
    "participant": _plain(identity=GUEST, kind="standard", tracks=[], past_tracks=[], left_at=None),
    "persona": lambda e, _: {
        "agent_type": "general",
        "language": "en",
        "llm_provider": "openai",
        "stt_provider": "openai",
        "tts_provider": "openai",
        "fallbacks": {},
        "knowledge_base_ids": [e.ids["knowledge_base"]],
        "tools": [],
        "turn_taking": {},
        "voicemail": {},
        "transfer_numbers": [],
        "fallback_number": None,
        "budget": {"limit_usd": 1_000_000, "soft_at": 0.8},
        "published_version": None,
    },
    "persona_version": lambda e, _: {
        "version": 1,
        "settings": {"name": f"{e.slug} agent", "knowledge_base_ids": [e.ids["knowledge_base"]]},
    },
    "privacy_request": _plain(kind="erasure", status="pending", sealed_person=None, storage_key=None, receipt=None),
    "provider_credential": _plain(provider="elevenlabs", region=None),
    "recording": lambda e, _: {
        "room_name": f"{e.slug}_{HALL}",
        "origin": "api",
        "kind": "room",
        "details": {},
        "sealed_urls": None,
        "format": "mp4",
        "channels": "mixed",
        "status": "recording",
        "egress_id": f"EG_of{e.slug}",
        "storage_key": None,
        "ended_at": None,
    },
    "replay_share": lambda e, _: {"hash": fingerprint(SHARE.format(slug=e.slug)), "expires_at": LATER},
    "retired_room": lambda e, _: {"full_name": f"{e.slug}_old"},
    "room": lambda e, _: {
        "name": HALL,
        "full_name": f"{e.slug}_{HALL}",
        "status": "open",
        "origin": "api",
        "sid": f"RM_{e.slug}",
        "started_at": NOW,
    },
    "scenario": lambda e, _: {
        "objectives": [e.canary("scenario", "objectives")],
        "criteria": [{"name": e.canary("scenario", "criteria"), "description": ""}],
        "controls": {},
    },
    "session": lambda e, _: {
        "room_name": f"{e.slug}_{HALL}",
        "status": "active",
        "outcome": None,
        "end_reason": None,
        "giving_up": None,
        "session_type": "voice",
        "details": {"canary": e.canary("session", "details")},
        "persona_versions": {},
        "ended_at": None,
    },
    "session_tally": _plain(sessions=0),
    "session_job": lambda e, _: {
        "identity": f"agent-{e.ids['persona']}",
        "livekit_job_id": f"AJ_{e.slug}",
        "worker_id": "w-of-nobody",
        "epoch": 1,
        "lease_until": LATER,
        "ended_at": None,
        "lost_at": None,
        "wind_up_at": None,
        "begun": None,
    },
    "session_trace": lambda e, _: {
        "epoch": 1,
        "sequence": 1,
        "kind": "fault",
        "content": {
            "service": "llm",
            "source": "main",
            "reason": e.canary("session_trace", "content"),
            "recovered": True,
        },
    },
    "sip_config": lambda e, _: {"phone_number": f"+1800555{e.number:04}"},
    "sip_trunk": lambda e, i: {
        "phone_number": f"+1800555{e.number:04}",
        "address": "sip.example.org:5060",
        "transport": "udp",
        "allowed_addresses": [],
        "sealed_password": BOX.seal(e.canary("sip_trunk", "password"), row=sealed_for(i)),
    },
    "slot": lambda e, _: {
        "account_id": 0,
        "persona_ids": [e.ids["persona"]],
        "room_name": f"{e.slug}_{HALL}",
        "caller_identity": GUEST,
        "draft": None,
        "expires_at": LATER,
    },
    "supervision": _plain(mode="listen", ended_at=None),
    "transcript_line": _plain(epoch=1, sequence=1, speaker="user", identity=GUEST, words=None, timestamp_ms=1),
    "transfer": _plain(address=NUMBER, asked_by="persona", status="asked"),
    "turn": _plain(epoch=1, sequence=1, parts={}, chunks=[], speech_ended_at=NOW, audio_started_at=NOW),
    "usage_day": _plain(day=date(2026, 1, 5), service="llm"),
    "usage_entry": _plain(service="llm"),
    "video_room": lambda e, _: {
        "room_id": f"{e.slug}-aaaa-bbbb",
        "full_name": f"{e.slug}_{e.slug}-aaaa-bbbb",
        "custom_room_id": f"standup-of-{e.slug}",
        "geo_fence": None,
        "webhook": None,
        "auto_close": None,
        "auto_start": None,
        "multi_composition": None,
    },
    "video_transcription": _plain(status="completed", lines=[], room_name="{slug}_hall"),
    "webhook_attempt": _plain(number=1, status=200, response_headers={}),
    "webhook_delivery": lambda e, _: {
        "body": json.dumps({"canary": e.canary("webhook_delivery", "body")}),
        "event_type": "room.created",
        "event_seq": e.number,
        "room_name": f"{e.slug}_{HALL}",
        "state": "failed",
        "attempts": 1,
        "next_at": LATER,
    },
    "webhook_endpoint": lambda e, i: {
        "url": f"https://hooks.example.org/{e.canary('webhook_endpoint', 'url')}",
        "events": None,
        "dialect": "",
        "room_name": None,
        "sealed_secret": BOX.seal(e.canary("webhook_endpoint", "secret"), row=sealed_as(i)),
        "sealed_previous": None,
        "previous_until": None,
        "sealed_headers": None,
        "failing_since": None,
    },
    "knowledge_base": _plain(
        chunk_size=500, chunk_overlap=50, dimensions=4, indexing_status="ready", embedding_model="m", indexed_model="m"
    ),
    "knowledge_chunk": _plain(chunk_index=0),
    "knowledge_document": _plain(),
    "knowledge_golden": _plain(),
    "knowledge_posting": _plain(frequency=1),
    "knowledge_term": _plain(),
    "knowledge_unanswered": _plain(),
    "knowledge_upload": _plain(is_file=False, lease_until=LATER),
    "knowledge_vector": _plain(model="m", embedding=[0.1, 0.2, 0.3, 0.4]),
}
"""What the rows of each table hold besides words that are its own; every table of a tenant has an entry."""
FURTHER: Final[dict[str, Filler]] = {
    "bot": lambda e, i: (
        FILLINGS["bot"](e, i)
        | {
            "room_name": f"{e.slug}_bot-2",
            "session_id": None,
            "recording_id": None,
            "attendee_id": None,
            "event_uuid": uuid5(NAMESPACE_URL, f"{e.slug}/calendar_event"),
            "wanted_at": LATER,
        }
    ),
    "call": lambda e, i: (
        FILLINGS["call"](e, i)
        | {"room_name": f"{e.slug}_queued", "status": "queued", "session_id": None, "destination": None}
    ),
    "consent": lambda e, i: FILLINGS["consent"](e, i) | {"given": False, "session_id": None},
    "meeting": lambda e, i: (
        FILLINGS["meeting"](e, i)
        | {"code": e.names()["code of people"], "room_name": f"{e.slug}_people", "meeting_type": "people"}
        | dict.fromkeys(("session_id", "persona_id", "scenario_id", "end_user_id", "membership_id"))
    ),
    "privacy_request": lambda e, i: (
        FILLINGS["privacy_request"](e, i)
        | {
            "kind": "export",
            "status": "completed",
            "storage_key": e.canary("privacy_request", "storage_key"),
            "expires_at": LATER,
        }
    ),
    "sip_trunk": lambda e, i: FILLINGS["sip_trunk"](e, i) | {"deleted_at": NOW},
    "slot": lambda e, i: (
        FILLINGS["slot"](e, i)
        | {
            "room_name": e.names()["waiting_room"],
            "session_id": None,
            "caller_identity": None,
            "ticket_hash": fingerprint(f"further {e.slug}"),
        }
    ),
    "supervision": _plain(mode="listen", ended_at=NOW),
    "room": lambda e, _: {
        "name": f"{e.slug}-aaaa-bbbb",
        "full_name": e.names()["video_full"],
        "status": "open",
        "origin": "api",
        "sid": f"RM_video_{e.slug}",
        "started_at": NOW,
    },
    "recording": lambda e, i: (
        FILLINGS["recording"](e, i)
        | {
            "room_name": e.names()["video_full"],
            "details": {"room_id": e.further("room")},
            "egress_id": f"EG_video_{e.slug}",
        }
    ),
}
"""A second row of some tables, in another state: what waits, what is over, the session of a room of `/v2`."""


def tables() -> list[sa.Table]:
    """The tables of tenants, each after those it points at."""
    own = {table.__tablename__ for table in TENANT_TABLES}
    walled = [table for table in SQLModel.metadata.sorted_tables if table.name in own]
    # Personas name knowledge bases in JSON, which no foreign key shows.
    return [*knowledge_metadata.sorted_tables, *walled]


@dataclass
class Estate:
    """What one tenant owns."""

    tenant: Tenant
    number: int
    ids: dict[str, int] = field(default_factory=dict)
    """Of the row in each table: its number."""
    uuids: dict[str, UUID] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        return self.tenant.project.slug

    def canary(self, table: str, column: str) -> str:
        """Words that are this tenant's alone, and tell where they stood."""
        return f"CANARY-{self.slug}-{table}-{column}"

    @property
    def mark(self) -> str:
        """What all of them begin with."""
        return f"canary-{self.slug}-"

    def further(self, table: str) -> int:
        """The number of the second row of a table."""
        return self.ids[table] + 500

    def names(self) -> dict[str, str]:
        """What is known by a name: kinds and names."""
        return {
            "room_name": f"{self.slug}_{HALL}",
            "video_room": f"{self.slug}-aaaa-bbbb",
            "video_full": f"{self.slug}_{self.slug}-aaaa-bbbb",
            "custom_room": f"standup-of-{self.slug}",
            "code": f"code-of-{self.slug}",
            "code of people": f"people-of-{self.slug}",
            "identity": f"agent-{self.ids['persona']}",
            "egress": f"EG_of{self.slug}",
            "job": f"AJ_{self.slug}",
            "share": SHARE.format(slug=self.slug),
            "embed": EMBED.format(slug=self.slug),
            "supervisor": f"supervisor-{self.ids['supervision']}",
            "bot_room": f"{self.slug}_bot-1",
            "waiting_room": f"{self.slug}_waiting",
        }

    def foreign(self) -> dict[str, str]:
        """Every id that somebody else may try: kinds and ids, as they are written in paths."""
        numbers = {name: str(number) for name, number in self.ids.items()}
        hexes = {f"{name} as an object": f"{int(number):024x}" for name, number in numbers.items()}
        video = ("session", "recording", "room", "video_transcription", "participant")
        kept = {f"{name} as an object": hexes[f"{name} as an object"] for name in video}
        further = {"session": "room", "recording": "recording"}
        kept |= {f"{name} of a video room": f"{self.further(table):024x}" for name, table in further.items()}
        uuids = {f"{name} as uuid": str(value) for name, value in self.uuids.items()}
        return numbers | kept | uuids | self.names() | {"project": str(self.tenant.project.id)}
