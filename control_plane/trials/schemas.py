"""`POST /agents/{id}/try` on the wire."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from control_plane.personas.schemas import DraftUpdate
from control_plane.wire import Exactly, Storable


class Trial(Exactly):
    """How an agent is tried before it is published."""

    mode: Literal["voice", "text"] = Field(description="`text`: lines are typed, and answered in writing.")
    settings: DraftUpdate | None = Field(
        None, description="Changes of the agent for this call alone, as `PATCH /agents/{id}` takes them; none is kept."
    )
    variables: Annotated[dict[str, Any], Field(max_length=100), Storable] = Field(default_factory=dict)


class TrialAnswer(BaseModel):
    """A token for a room where nobody is but who tries the agent."""

    token: str
    room: str = Field(description="Full name of the room.")
    wsUrl: str = Field(description="The address to connect to with the token.")
