"""Places for conversations, and the tickets that open them. A ticket is a secret: only its hash is kept."""

from dataclasses import dataclass

from control_plane.ids import fingerprint, random_secret


@dataclass(frozen=True)
class Ticket:
    """What a dispatch carries: a slot's secret and which persona is meant."""

    secret: str
    persona_id: int

    def __str__(self) -> str:
        return f"{self.secret}.{self.persona_id}"

    @property
    def hash(self) -> bytes:
        """What the slot keeps of it."""
        return fingerprint(self.secret)

    @classmethod
    def parse(cls, text: str) -> "Ticket | None":
        """Read a ticket; None where it cannot be one."""
        secret, _, persona = text.rpartition(".")
        if not secret or not persona.isascii() or not persona.isdigit() or len(persona) > 18:
            return None
        return cls(secret, int(persona))


def new_secret() -> str:
    """The secret of a new slot."""
    return random_secret("tk_")


def persona_identity(persona_id: int) -> str:
    """The fixed identity of a persona in a room: LiveKit itself rules out two of the same."""
    return f"agent-{persona_id}"
