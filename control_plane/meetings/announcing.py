"""What happens in a meeting goes by the live bus, so that the sockets of every process hear it in the same order."""

from typing import Any, Final, Literal

MEETINGS: Final = "meetings"
"""Live channel: what happens in a meeting."""

Audience = Literal["others", "all", "hosts"]


def announcement(
    room_name: str, event: str, data: dict[str, Any], *, to: Audience = "all", by: str = ""
) -> dict[str, Any]:
    """An event of the socket, for those who are meant; `others` are all but the one it is `by`."""
    return {"room": room_name, "event": event, "data": data, "to": to, "from": by}
