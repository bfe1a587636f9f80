"""What a call over the bus may fail with."""

from collections.abc import Sequence
from typing import Final, Literal, get_args

from google.protobuf.message import Message

Code = Literal[
    "aborted",
    "already_exists",
    "canceled",
    "data_loss",
    "deadline_exceeded",
    "failed_precondition",
    "internal",
    "invalid_argument",
    "malformed_request",
    "malformed_result",
    "not_acceptable",
    "not_found",
    "out_of_range",
    "permission_denied",
    "resource_exhausted",
    "unauthenticated",
    "unavailable",
    "unimplemented",
    "unknown",
    "unprocessable_entity",
    "upstream_client_error",
    "upstream_server_error",
]
"""psrpc's words (errors.go); livekit-server makes Twirp codes and HTTP statuses of them."""

CODES: Final[frozenset[str]] = frozenset(get_args(Code))


class RpcError(Exception):
    """A call that failed: raised by handlers to say how, and by `Client.request` for what the other side said.

    `details` are messages that go along, such as a `livekit.SIPStatus`; received ones are `google.protobuf.Any`.
    """

    def __init__(self, code: Code, message: str, details: Sequence[Message] = ()) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message
        self.details = list(details)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
