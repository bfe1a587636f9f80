"""What is looked at before a bot is sent or planned: it would fail later, where nobody is told why."""

from fastapi import Request

from control_plane.auth.callers import Caller
from control_plane.bots.asking import Recogniser
from control_plane.bots.riding import rider_of
from control_plane.db.database import Db
from control_plane.errors import Conflict, InvalidRequest
from control_plane.gate.addresses import check_address
from control_plane.personas.repository import PersonaRepository
from control_plane.settings import Settings


async def check_ask(
    request: Request,
    db: Db,
    caller: Caller,
    *,
    webhook_url: str | None,
    recogniser: Recogniser | None,
    extra: dict[str, object] | None = None,
) -> None:
    """Raise `InvalidRequest` for an address to which nothing is sent from here and for a recogniser that this server
    does not know how to reach; `NotFound`, `Forbidden` or `Conflict` for an agent that cannot ride along."""
    settings: Settings = request.app.state.settings
    await check_address(request.app.state.outbound, "webhook_url", webhook_url)
    if recogniser == "Runpod" and settings.runpod_url is None:
        raise InvalidRequest.field("speech_to_text", "Runpod needs PARLEY_RUNPOD_URL, which is not set on this server")
    rider = rider_of(extra or {})
    if rider is not None:
        serving = await PersonaRepository(db, project_id=caller.project_id).serving(rider)
        if not serving.persona.is_active:
            raise Conflict(f"Agent {rider} is not active")
