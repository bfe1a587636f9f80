"""What became of a call, in one word, whatever told of it: a SIP status, an error of LiveKit's API, a departure."""

from dataclasses import dataclass
from typing import Final, Literal

Status = Literal["answered", "busy", "rejected", "no_answer", "failed", "ended"]

_BUSY: Final = (486, 600)
_REJECTED: Final = (401, 403, 603, 607, 608)
_NO_ANSWER: Final = (408, 480, 487)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`sip_status` and `reason` are the far end's own, where it gave any."""

    status: Status
    sip_status: int | None = None
    reason: str | None = None


ANSWERED: Final = Outcome("answered", 200)


def of_status(sip_status: int | None, reason: str) -> Outcome:
    """What a final SIP status means; None where LiveKit names none."""
    if sip_status in _BUSY:
        return Outcome("busy", sip_status, reason)
    if sip_status in _REJECTED:
        return Outcome("rejected", sip_status, reason)
    if sip_status in _NO_ANSWER:
        return Outcome("no_answer", sip_status, reason)
    return Outcome("failed", sip_status, reason)


def of_departure(reason: str, *, rang: bool) -> Outcome:
    """What LiveKit's reason for leaving means of a call that was not answered, where no status is known."""
    if reason == "user_rejected":
        return Outcome("rejected", None, "rejected")
    if reason == "user_unavailable":
        return Outcome("no_answer" if rang else "failed", None, "unavailable")
    if reason in ("participant_removed", "room_deleted"):
        return Outcome("no_answer", None, "hung up before the answer")
    return Outcome("failed", None, "the line failed")
