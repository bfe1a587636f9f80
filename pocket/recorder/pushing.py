"""Sends FLV to a server. A process of its own: FFmpeg keeps the interpreter while it connects, and cannot be ended.

The first line of the input is the request, in JSON; after it comes FLV until the end of the stream. Says `live` when
the server takes it, and else why not. The address is nowhere else: it holds the stream's key.
"""

import json
import re
import sys
from typing import Any, Final, TypedDict

import av

LIVE: Final = "live"
AT_ONCE: Final = 1 << 16
"""Bytes that are read at once."""


class Request(TypedDict):
    """Where to."""

    url: str
    authorities: str
    """A file: by whom servers are trusted; empty for those of the system."""
    timeout: int
    """Microseconds that the server may keep us waiting."""


def address(request: Request) -> str:
    """The server, for FFmpeg's `tee`: the one way by which options of a connection can be named."""
    options: dict[str, Any] = {"f": "data", "flush_packets": 1, "rw_timeout": request["timeout"]}
    if request["url"].startswith("rtmps:"):
        options |= {"tls_verify": 1} | ({"ca_file": request["authorities"]} if request["authorities"] else {})
    named = ":".join(f"{name}={_escaped(str(value), ':]')}" for name, value in options.items())
    return _escaped(f"[{named}]{request['url']}", "|")


def _escaped(text: str, ends: str) -> str:
    return re.sub(f"([\\\\'{re.escape(ends)}])", r"\\\1", text)


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main() -> int:
    """Send until the input ends; not 0 when the server did not take all."""
    source: Any = sys.stdin.buffer
    request: Request = json.loads(source.readline())
    try:
        with av.open(address(request), "w", format="tee") as target:
            stream = target.add_data_stream()
            target.start_encoding()
            _say(LIVE)
            sent = 0
            while data := source.read1(AT_ONCE):
                packet = av.Packet(data)
                packet.stream, packet.pts, packet.dts = stream, sent, sent
                target.mux(packet)
                sent += 1
    except (av.FFmpegError, OSError) as error:
        _say(error.strerror or "the stream broke")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
