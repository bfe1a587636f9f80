"""The demo project: what a first start puts into an empty database. Idempotent; prints what it made as one JSON object.

Ids are fixed where the documents' snippets name them (project 1, agent 1, knowledge base 1, session 42); sequences go
on above.
"""

import asyncio
import json
import secrets
import sys
import tomllib
from datetime import timedelta
from importlib import resources
from typing import Any

import structlog
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import text
from sqlmodel import select

from control_plane.accounts.keys import seal_key
from control_plane.accounts.models import Account, Member, Project
from control_plane.auth.models import ApiKey
from control_plane.auth.passwords import hash_password
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Unavailable
from control_plane.ids import fingerprint
from control_plane.jobs.queue import enqueue
from control_plane.personas.models import Persona
from control_plane.recordings.models import Recording, RecordingStatus
from control_plane.recordings.peaks import PEAKS
from control_plane.recordings.storage import build_store
from control_plane.secrets.box import SecretBox
from control_plane.sessions.models import Session, SessionStatus, TranscriptLine
from control_plane.settings import Settings
from control_plane.telephony.models import DialPolicy, SipConfig, SipTrunk
from knowledge.embedders import build_embedder
from knowledge.ingest import cut_file, embed_document
from knowledge.store import KnowledgeStore
from parley.demo.recording import speak_conversation
from parley.offline.flite import FliteMissing

log = structlog.get_logger()

_DRAW = text("""
    select max(nextval(pg_get_serial_sequence(:table, 'id')))
    from generate_series(nextval(pg_get_serial_sequence(:table, 'id')) + 1, :last)
""")

DEMO = resources.files("parley") / "demo"
FIXED_TABLES = ("account", "project", "persona", "knowledge_base", "session", "recording", "sip_trunk", "sip_config")
LINE = "+18001234567"
SAID = (("user", "Hello, I need help", 0), ("agent", "Hi! How can I help you today?", 1200))
SESSION_SECONDS, RECORDED_SECONDS = 185, 5
DEMO_RATE = 6000
"""Requests per minute of the demo's key: pages and scripts ask often while one tries things."""
FIRST_FREE = 1000
"""Sequences of the tables with fixed ids begin here after the seed."""


class SeedSettings(BaseSettings):
    """The credentials that the demo project gets."""

    model_config = SettingsConfigDict(env_prefix="PARLEY_SEED_", frozen=True, hide_input_in_errors=True)

    api_key: SecretStr
    api_secret: SecretStr
    account_email: str = Field("demo@parley.invalid")
    account_password: SecretStr
    carrier: str = Field("127.0.0.1:5070", description="Where the demo's line sends its calls.")


async def seed(settings: Settings, wanted: SeedSettings) -> dict[str, Any]:
    """Put the demo data in, or find it; what `--ready` tells of it."""
    database = Database(settings.sqlalchemy_url, pool=4)
    try:
        async with database.platform() as db:
            project = (await db.exec(select(Project).where(Project.slug == "proj"))).one_or_none()
            if project is None:
                project = await _fill(db, settings, wanted)
            key = await _key(db, settings, wanted, project)
            return {
                "project": {"id": project.id, "slug": project.slug},
                "agent_id": 1,
                "knowledge_base_id": 1,
                "api_key_id": key.key_id,
            }
    finally:
        await database.close()


async def _fill(db: Db, settings: Settings, wanted: SeedSettings) -> Project:
    persona = tomllib.loads((DEMO / "persona.toml").read_text())
    account = Account(
        id=1,
        email=wanted.account_email,
        name="Demo",
        plan="professional",
        requests_per_minute=DEMO_RATE,
        password_hash=await hash_password(wanted.account_password.get_secret_value()),
    )
    db.add(account)
    await db.flush()
    db.add(Member(account_id=1, email=account.email, name=account.name, role="owner"))
    project = Project(id=1, account_id=1, slug="proj", name="Demo project")
    db.add(project)
    await db.flush()
    await _knowledge(db, settings)
    db.add(Persona(id=1, project_id=1, knowledge_base_ids=[1], **persona))
    await db.flush()
    await _session(db, persona["name"])
    await _recording(db, settings)
    await _line(db, wanted.carrier)
    for table in FIXED_TABLES:
        # Drawing numbers is what the role may; setting a sequence is the owner's.
        await db.execute(_DRAW, {"table": table, "last": FIRST_FREE - 1})
    return project


async def _knowledge(db: Db, settings: Settings) -> None:
    embedder = build_embedder(
        settings.knowledge_embedder,
        base_url=settings.models_url,
        api_key=settings.models_api_key.get_secret_value(),
    )
    store = KnowledgeStore(db)
    base = await store.create_base(
        project_id=1,
        name="Company",
        description="About the demo company",
        chunk_size=500,
        chunk_overlap=50,
        embedding_model=embedder.model,
        dimensions=embedder.dimensions,
    )
    document = await cut_file((DEMO / "company.md").read_bytes(), "company.md", base)
    await store.replace_document(base.id, await embed_document(document, base, embedder), project_id=1)
    await embedder.close()


async def _session(db: Db, agent_name: str) -> None:
    now = Clock().now()
    began = now - timedelta(minutes=10)
    db.add(
        Session(
            id=42,
            project_id=1,
            room_name="proj_my-room",
            persona_id=1,
            agent_name=agent_name,
            status=SessionStatus.COMPLETED,
            outcome="ok",
            end_reason="caller_left",
            message_count=2,
            started_at=began,
            announced_at=began,
            ended_at=began + timedelta(seconds=SESSION_SECONDS),
            duration=SESSION_SECONDS,
        )
    )
    await db.flush()
    for sequence, (speaker, words, milliseconds) in enumerate(SAID, start=1):
        db.add(
            TranscriptLine(
                project_id=1,
                session_id=42,
                sequence=sequence,
                speaker=speaker,
                content=words,
                timestamp_ms=milliseconds,
                created_at=began,
            )
        )


async def _recording(db: Db, settings: Settings) -> None:
    """The first words of that session; without a voice on this machine, or a store that takes them, there are none."""
    try:
        content = await asyncio.to_thread(speak_conversation, SAID, seconds=RECORDED_SECONDS)
    except FliteMissing:
        return
    session = (await db.exec(select(Session).where(Session.id == 42))).one()
    key = f"1/demo/{secrets.token_hex(16)}.ogg"
    try:
        await build_store(settings).write(key, content)
    except Unavailable as error:
        log.warning("the demo has no recording", reason=error.message)
        return
    recording = Recording(
        id=7,
        project_id=1,
        room_name=session.room_name,
        session_id=session.id,
        egress_id="EG_abc123",
        channels="dual",
        status=RecordingStatus.COMPLETED,
        storage_key=key,
        duration=RECORDED_SECONDS,
        size_bytes=len(content),
        started_at=session.started_at,
        ordered_at=session.started_at,
        heard_at=session.started_at,
        zero_at=session.started_at,
        speech_at=session.started_at,
        ended_at=session.started_at + timedelta(seconds=RECORDED_SECONDS),
    )
    db.add(recording)
    await enqueue(db, PEAKS, "7", run_at=Clock().now(), recording_id=7)
    await db.flush()


async def _line(db: Db, carrier: str) -> None:
    """A line that calls what is inland to it. LiveKit is told by the jobs process, as of all that it does not have."""
    began = Clock().now() - timedelta(minutes=10)
    line: dict[str, Any] = {"id": 1, "project_id": 1, "phone_number": LINE, "created_at": began}
    db.add(SipTrunk(name="Main Trunk", address=carrier, calls_per_second=5, **line))
    db.add(SipConfig(name="Inbound Line", agent_config_id=1, **line))
    db.add(DialPolicy(project_id=1, countries=["US", "CA"], updated_at=began))
    await db.flush()


async def _key(db: Db, settings: Settings, wanted: SeedSettings, project: Project) -> ApiKey:
    key = wanted.api_key.get_secret_value()
    found = (await db.exec(select(ApiKey).where(ApiKey.hash == fingerprint(key)))).one_or_none()
    if found is not None:
        return found
    row = seal_key(
        SecretBox(settings.secret_keys),
        project_id=project.id,
        label="Demo",
        key=key,
        secret=wanted.api_secret.get_secret_value(),
        scopes=["*"],
    )
    db.add(row)
    await db.flush()
    return row


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(seed(Settings(), SeedSettings()))) + "\n")
