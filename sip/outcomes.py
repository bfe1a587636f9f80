"""What became of a call, in one word, whatever told of it: a SIP status, or an error of LiveKit's API."""

from dataclasses import dataclass, field
from typing import Final, Literal

Status = Literal["answered", "busy", "rejected", "no_answer", "failed", "ended"]

_BUSY: Final = (486, 600)
_REJECTED: Final = (401, 403, 603, 607, 608)
_NO_ANSWER: Final = (408, 480, 487)
_NOT_TAKEN: Final = (401, 403, 407, *range(500, 600))
"""What a carrier says that takes no calls of ours, or none now."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`sip_status` and `reason` are the far end's own, where it gave any.

    `left`: somebody may have been rung. Not where nothing was sent, nor where the carrier would not take it.
    """

    status: Status
    sip_status: int | None = None
    reason: str | None = None
    left: bool = field(default=True, compare=False)


ANSWERED: Final = Outcome("answered", 200)


def of_status(sip_status: int | None, reason: str) -> Outcome:
    """What a final SIP status means; None where LiveKit names none."""
    if sip_status in _BUSY:
        return Outcome("busy", sip_status, reason)
    if sip_status in _REJECTED:
        return Outcome("rejected", sip_status, reason, left=sip_status not in _NOT_TAKEN)
    if sip_status in _NO_ANSWER:
        return Outcome("no_answer", sip_status, reason)
    return Outcome("failed", sip_status, reason, left=sip_status not in _NOT_TAKEN)
