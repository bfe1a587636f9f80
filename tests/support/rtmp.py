"""An RTMP server that takes one stream and keeps it: FFmpeg's own, in a process, because it cannot be interrupted."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from tests.support.ports import free_port

_PROGRAM: Final = """
import sys, av
url, path = sys.argv[1:]
with av.open(url, format="flv", options={"listen": "1"}) as source, av.open(path, "w") as target:
    kept = {each.index: target.add_stream_from_template(each) for each in source.streams}
    try:
        for packet in source.demux():
            if packet.size:
                packet.stream = kept[packet.stream.index]
                target.mux(packet)
    except av.FFmpegError:
        pass
"""
_LISTENING: Final = "0A"


class RtmpServer:
    """Listens when it is made; what came is in `path` when it has ended."""

    def __init__(self, folder: Path, key: str, port: int = 0) -> None:
        self.port, self.path = port or free_port(), folder / f"{key}-{time.monotonic_ns()}.mkv"
        self.url = f"rtmp://127.0.0.1:{self.port}/live/{key}"
        command = [sys.executable, "-c", _PROGRAM, self.url, str(self.path)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not self._is_listening():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def wait(self) -> Path:
        """Until the stream is over; what came."""
        self._process.wait(15)
        return self.path

    def kill(self) -> None:
        """No last words."""
        self._process.kill()
        self._process.wait()

    def _is_listening(self) -> bool:
        """Asked of the system: whoever connects would be taken for the stream."""
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return any(line[1].endswith(f":{self.port:04X}") and line[3] == _LISTENING for line in lines)
