"""Places for conversations, and the tickets that open them. A ticket is a secret: only its fingerprint is kept."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final, Literal

from agents.calling import DispatchMetadata
from agents.contract import PERSONA_PREFIX
from control_plane.ids import random_secret, read_number

_STANDING: Final = {"number": "num-", "meeting": "mtg-", "slot": "slt-"}


@dataclass(frozen=True)
class Ticket:
    """What a dispatch carries: a slot's secret and which persona is meant."""

    secret: str
    persona_id: int

    def __str__(self) -> str:
        return f"{self.secret}.{self.persona_id}"

    @classmethod
    def parse(cls, text: str) -> "Ticket | None":
        """Read a ticket; None where it cannot be one."""
        secret, _, persona = text.rpartition(".")
        persona_id = read_number(persona)
        return cls(secret, persona_id) if secret and persona_id is not None else None


def new_secret() -> str:
    """The secret of a slot that no token repeats."""
    return random_secret("tk_")


def new_nonce() -> str:
    """What the secret of a new slot is derived from."""
    return random_secret("")


def persona_identity(persona_id: int) -> str:
    """The fixed identity of a persona in a room: LiveKit itself rules out two of the same."""
    return f"{PERSONA_PREFIX}{persona_id}"


def dispatch_of(ticket: Ticket, name: str) -> DispatchMetadata:
    """What LiveKit hands the worker that is to bring the persona of a ticket."""
    return DispatchMetadata(ticket=str(ticket), identity=persona_identity(ticket.persona_id), name=name)


class TicketSigner:
    """Secrets of slots that a token holds: derived, so that the next token for the room brings the same ticket."""

    def __init__(self, secret_key: str) -> None:
        self._key = hmac.digest(secret_key.encode(), b"parley slot ticket v1", hashlib.sha256)

    def secret(self, nonce: str) -> str:
        """The secret of a slot's nonce."""
        return "tk_" + hmac.digest(self._key, nonce.encode(), hashlib.sha256).hex()


class StandingSigner:
    """Tickets that are held for ever: by a telephone number or a meeting, as LiveKit hands one to a worker whenever
    somebody calls or comes; and by a slot, for whose people a persona is dispatched again."""

    def __init__(self, secret_key: str, holder: Literal["number", "meeting", "slot"]) -> None:
        self._key = hmac.digest(secret_key.encode(), f"parley {holder} ticket v1".encode(), hashlib.sha256)
        self._prefix = _STANDING[holder]

    def sign(self, holder_id: int, persona_id: int) -> Ticket:
        """The ticket of a number's configuration, of a meeting or of a slot."""
        return Ticket(f"{self._prefix}{holder_id}-{self._mac(holder_id)}", persona_id)

    def holder_of(self, ticket: Ticket) -> int | None:
        """Whose ticket it is; None for any other one."""
        holder, _, mac = ticket.secret.removeprefix(self._prefix).partition("-")
        holder_id = read_number(holder)
        if not ticket.secret.startswith(self._prefix) or holder_id is None:
            return None
        return holder_id if hmac.compare_digest(mac.encode(), self._mac(holder_id).encode()) else None

    def _mac(self, holder_id: int) -> str:
        return hmac.new(self._key, str(holder_id).encode(), hashlib.sha256).hexdigest()
