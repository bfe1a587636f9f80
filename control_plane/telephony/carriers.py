"""Where a trunk leads: one rule for testing it and for calling by it, the same as for every address of a customer."""

from typing import Final

from guard.outbound import BadAddress, NotAnswered, Outbound

ADVICE: Final = "The operator opens networks of his own with PARLEY_WEBHOOK_ALLOW"


class ClosedAddressError(Exception):
    """A trunk's address leads into a network that is not open; the text says which kind, for its customer."""


async def find_carrier(outbound: Outbound, address: str) -> list[str]:
    """The addresses of a trunk's `host[:port]` that may be connected to; none where its name is not found.

    Raises `ClosedAddressError`.
    """
    try:
        return await outbound.find(address.partition(":")[0])
    except NotAnswered:
        return []
    except BadAddress as error:
        raise ClosedAddressError(f"The trunk's address is not connected to: it {error.reason}") from error
