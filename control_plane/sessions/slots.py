"""Places for conversations, and the tickets that open them. A ticket is a secret: only its fingerprint is kept."""

import secrets
from dataclasses import dataclass
from typing import Final, Literal

from agents.calling import DispatchMetadata
from agents.contract import PERSONA_PREFIX
from control_plane.ids import random_secret, read_number
from control_plane.secrets.box import SecretKeys, all_of
from control_plane.secrets.macs import Macs

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


def persona_identity(persona_id: int) -> str:
    """The fixed identity of a persona in a room: LiveKit itself rules out two of the same."""
    return f"{PERSONA_PREFIX}{persona_id}"


def dispatch_of(ticket: Ticket, name: str) -> DispatchMetadata:
    """What LiveKit hands the worker that is to bring the persona of a ticket."""
    return DispatchMetadata(ticket=str(ticket), identity=persona_identity(ticket.persona_id), name=name)


class TicketSigner:
    """Secrets of slots that a token holds: derived, so that the next token for the room brings the same ticket."""

    def __init__(self, secret_keys: SecretKeys) -> None:
        # By a key's own name: a slot that waits keeps its secret when another key becomes the first.
        derived = [Macs(key, "parley slot ticket v1") for key in all_of(secret_keys)]
        self._macs = {macs.sign(b"name")[:8]: macs for macs in derived}
        self._first = next(iter(self._macs))

    def new_nonce(self) -> str:
        """What the secret of a new slot is derived from, and by which key."""
        return f"{self._first}.{secrets.token_urlsafe(24)}"

    def secret(self, nonce: str) -> str:
        """The secret of a slot's nonce."""
        macs = self._macs.get(nonce.partition(".")[0]) or self._macs[self._first]
        return "tk_" + macs.sign(nonce.encode())


class StandingSigner:
    """Tickets that are held for ever: by a telephone number or a meeting, as LiveKit hands one to a worker whenever
    somebody calls or comes; and by a slot, for whose people a persona is dispatched again."""

    def __init__(self, secret_keys: SecretKeys, holder: Literal["number", "meeting", "slot"]) -> None:
        self._macs = Macs(secret_keys, f"parley {holder} ticket v1")
        self._prefix = _STANDING[holder]

    def sign(self, holder_id: int, persona_id: int) -> Ticket:
        """The ticket of a number's configuration, of a meeting or of a slot."""
        return Ticket(f"{self._prefix}{holder_id}-{self._macs.sign(str(holder_id).encode())}", persona_id)

    def holder_of(self, ticket: Ticket) -> int | None:
        """Whose ticket it is; None for any other one."""
        holder, _, mac = ticket.secret.removeprefix(self._prefix).partition("-")
        holder_id = read_number(holder)
        if not ticket.secret.startswith(self._prefix) or holder_id is None:
            return None
        return holder_id if self._macs.verify(str(holder_id).encode(), mac) else None
