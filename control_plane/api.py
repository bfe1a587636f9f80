"""Which routes are served where."""

from fastapi import APIRouter, FastAPI

from control_plane.accounts.routes import router as accounts
from control_plane.health.routes import router as health
from control_plane.knowledge_bases.routes import router as knowledge_bases
from control_plane.livekit_hooks.routes import router as livekit_hooks
from control_plane.monitor.routes import router as monitor
from control_plane.personas.routes import router as personas
from control_plane.rooms.routes import router as rooms
from control_plane.sessions.routes import router as sessions
from control_plane.tokens.routes import router as tokens
from control_plane.uplink.routes import router as uplink

PRIMARY = (tokens, rooms, personas, sessions, knowledge_bases, accounts)
"""The primary surface, below `/api/v1`."""


def install(app: FastAPI) -> None:
    """Add every router."""
    primary = APIRouter(prefix="/api/v1")
    for router in PRIMARY:
        primary.include_router(router)
    for router in (primary, health, livekit_hooks, monitor, uplink):
        app.include_router(router)
