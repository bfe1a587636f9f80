"""With how much a call counts against a project's limits, for tests: the product leaves that to the database."""

from control_plane.telephony.policy import AFTERWARDS


def minutes_of(seconds: int, *, afterwards: int = AFTERWARDS) -> int:
    """The minutes with which a call of this longest duration is counted while it goes on: as carriers bill them."""
    return -(-(seconds + afterwards) // 60)
