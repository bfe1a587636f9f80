"""What became of a call, in the words of LiveKit's API (`SIPStatus` and its mapping in livekit/protocol)."""

from typing import Final

from livekit.protocol.models import DisconnectReason
from livekit.protocol.sip import SIPStatus, SIPStatusCode

from pocket.psrpc.errors import Code, RpcError
from pocket.sip.message import reason_of

_CODES: Final[dict[Code, tuple[int, ...]]] = {
    "not_found": (301, 302, 404, 410, 481, 604),
    "permission_denied": (401, 402, 403, 433, 470, 603, 607, 608),
    "unauthenticated": (407, 428, 436, 437, 438, 494),
    "deadline_exceeded": (408, 504),
    "failed_precondition": (409, 412, 482, 483),
    "resource_exhausted": (440, 480, 486, 600),
    "out_of_range": (416,),
    "aborted": (487, 491),
}
_BY_STATUS: Final = {status: code for code, statuses in _CODES.items() for status in statuses}
_REJECTED: Final = (401, 403, 407, 486, 488)


class CallFailedError(Exception):
    """A call or transfer that did not come about: what its caller hears, and why its participant leaves."""

    def __init__(self, error: RpcError, reason: int = DisconnectReason.USER_UNAVAILABLE) -> None:
        super().__init__(str(error))
        self.error, self.reason = error, reason


def refused(what: str, status: int, reason: str = "") -> CallFailedError:
    """The far end answered with a final status. Once an INVITE left, no code invites to try again."""
    reason = reason or reason_of(status)
    told = SIPStatus(status=reason)
    if status in SIPStatusCode.values():
        told.code = status  # type: ignore[assignment]
    code = _BY_STATUS.get(status) or ("failed_precondition" if 500 <= status < 600 else "invalid_argument")
    return CallFailedError(RpcError(code, f"{what}: sip status: {status}: {reason}", [told]), _left_for(status))


def _left_for(status: int) -> int:
    if status in _REJECTED or status >= 600:
        return DisconnectReason.USER_REJECTED
    return DisconnectReason.USER_UNAVAILABLE if status < 500 else DisconnectReason.CLIENT_INITIATED


def unanswered() -> CallFailedError:
    """It rang for too long, nobody was there, or the call was taken back: the same words, and no status."""
    return CallFailedError(RpcError("canceled", "sip request timed out"))


def silent() -> CallFailedError:
    """The peer said nothing at all."""
    return CallFailedError(RpcError("canceled", "transaction failed to complete (0 intermediate responses)"))


def broken(why: str, reason: int = DisconnectReason.CLIENT_INITIATED) -> CallFailedError:
    """Something is wrong on our side or on the way. Not `unavailable`: clients would dial again."""
    return CallFailedError(RpcError("failed_precondition", why), reason)
