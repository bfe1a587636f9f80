"""Addresses that a body names: whether anything would be sent there."""

from control_plane.errors import InvalidRequest
from guard.outbound import HTTP, BadAddress, Outbound


async def check_address(outbound: Outbound, field: str, url: str | None, schemes: tuple[str, ...] = HTTP) -> None:
    """Raise `InvalidRequest` for an address to which nothing is sent from here; none is fine."""
    try:
        if url is not None:
            await outbound.check(url, schemes)
    except BadAddress as error:
        raise InvalidRequest.field(field, error.reason) from error
