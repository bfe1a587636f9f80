"""Between a worker's main process and its halls: one pair of sockets each, JSON lines.

main → hall   {"start": job id, "info": base64 of the job} · {"end": job id, "reason": why} · {"evict": job id}
              and the end of the line: leave all rooms, and end
hall → main   {"ready": true} · {"failed": why} · {"over": job id, "failed": whether}
              {"pulse": seconds by which the loop is behind}
"""

import json
from asyncio import StreamReader, StreamWriter
from typing import Any, Final

LINE: Final = 2**20
"""Bytes of one message at most."""
PULSE: Final = 0.5
"""Seconds between signs of life."""


async def hear(reader: StreamReader) -> dict[str, Any] | None:
    """The next message; None where the other end is no more."""
    try:
        line = await reader.readline()
    except (ConnectionError, ValueError):
        return None
    if not line.endswith(b"\n"):
        return None
    message: dict[str, Any] = json.loads(line)
    return message


def say(writer: StreamWriter, **message: Any) -> None:
    """Send a message, if somebody is there."""
    if not writer.is_closing():
        writer.write(encode(**message))


def encode(**message: Any) -> bytes:
    """A message as it is sent."""
    return json.dumps(message).encode() + b"\n"
