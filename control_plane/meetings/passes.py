"""LiveKit tokens of a meeting: what its controls allow, and the ticket of its persona."""

from datetime import timedelta
from typing import Any, Final

from sqlmodel import select

from agents.attendance import HOST_PREFIX
from agents.calling import DispatchMetadata
from control_plane.db.database import Db
from control_plane.meetings.models import Meeting
from control_plane.personas.models import Persona
from control_plane.personas.serving import SCRIBE, SCRIBES_NAME
from control_plane.sessions.slots import StandingSigner, dispatch_of
from control_plane.tokens.signer import Grants, Pass, TokenSigner

LIFETIME: Final = timedelta(hours=24)
"""How long a token of a meeting opens it."""
OF_NOBODY: Final = "unknown"
"""The source of the track on which a bot says nothing (`agents.bots.silence`)."""
NOTHING: Final = Grants(can_publish=False, can_subscribe=False, can_publish_data=False, can_publish_sources=())


class Passes:
    """Signs them."""

    def __init__(self, signer: TokenSigner, standing: StandingSigner, livekit_url: str) -> None:
        self.signer, self.standing, self.livekit_url = signer, standing, livekit_url

    @staticmethod
    async def persona_of(db: Db, meeting: Meeting) -> str | None:
        """The name of a meeting's persona, or of who writes in one of people; None where nobody comes by itself."""
        if meeting.persona_id is None:
            return SCRIBES_NAME if meeting.controls["enable_transcription"] else None
        query = select(Persona.name).where(Persona.project_id == meeting.project_id, Persona.id == meeting.persona_id)
        return (await db.exec(query)).one_or_none()

    def admission(self, meeting: Meeting, identity: str, name: str, persona: str | None) -> str:
        """Into the meeting, with its persona where the room begins with this token."""
        dispatches: tuple[DispatchMetadata, ...] = ()
        if persona is not None:
            dispatches = (dispatch_of(self.standing.sign(meeting.id, meeting.persona_id or SCRIBE), persona),)
        return self.signer.sign(
            Pass(
                identity=identity,
                room=meeting.room_name,
                ttl=LIFETIME,
                grants=grants_of(meeting.controls, is_bot=identity.startswith(HOST_PREFIX)),
                name=name,
                dispatches=dispatches,
                max_participants=meeting.controls["max_participants"] or 0,
            )
        )

    def waiting(self, room: str, identity: str, name: str) -> str:
        """Into a waiting room, where there is nothing to be done."""
        return self.signer.sign(Pass(identity=identity, room=room, ttl=LIFETIME, grants=NOTHING, name=name))


def grants_of(controls: dict[str, Any], *, is_bot: bool = False) -> Grants:
    """What somebody in the meeting may do, for LiveKit to enforce; a bot may be silent there as well."""
    allowed = {
        "microphone": controls["enable_audio"],
        "camera": controls["enable_video"],
        "screen_share": controls["enable_screen_sharing"],
        "screen_share_audio": controls["enable_screen_sharing"],
        OF_NOBODY: is_bot,
    }
    sources = tuple(source for source, may in allowed.items() if may)
    return Grants(can_publish=bool(sources), can_publish_data=controls["enable_chat"], can_publish_sources=sources)
