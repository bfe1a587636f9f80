"""SIP peers for tests, played by sipp: what a phone or carrier does that no well-made phone would."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.ports import free_port

SDP: Final = """\
v=0
o=- 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
"""


def receive(method: str, more: str = "") -> str:
    """Wait for a request."""
    return f'<recv request="{method}" timeout="60000" {more}/>'


def answer(status: str, headers: str = "", body: str = "", repeat: bool = False) -> str:
    """Answer the last request; `repeat` until it is acknowledged."""
    typed = f"Content-Type: application/sdp\nContent-Length: [len]\n\n{body}" if body else "Content-Length: 0\n\n"
    return f"""<send {'retrans="500"' if repeat else ""}><![CDATA[
SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:phone@[local_ip]:[local_port]>
{headers}{typed}]]></send>"""


def pause(seconds: float) -> str:
    """Do nothing."""
    return f'<pause milliseconds="{int(seconds * 1000)}"/>'


_CHALLENGE: Final = 'Proxy-Authenticate: Digest realm="carrier", nonce="n0nce", algorithm=MD5, qop="auth"\n'
_BYE: Final = [receive("BYE"), answer("200 OK")]

SCENARIOS: Final[dict[str, Sequence[str]]] = {
    "reject": [receive("INVITE"), answer("180 Ringing"), answer("{status} No", repeat=True), receive("ACK")],
    "ring": [
        receive("INVITE"),
        answer("180 Ringing"),
        receive("CANCEL"),
        answer("200 OK"),
        answer("487 Request Terminated", repeat=True).replace("[last_CSeq:]", "CSeq: 1 INVITE"),
        receive("ACK"),
    ],
    "answer_after_cancel": [
        receive("INVITE"),
        answer("180 Ringing"),
        receive("CANCEL"),
        answer("200 OK", body=SDP, repeat=True).replace("[last_CSeq:]", "CSeq: 1 INVITE"),
        receive("ACK"),
        *_BYE,
    ],
    "challenge": [
        receive("INVITE"),
        answer("407 Proxy Authentication Required", _CHALLENGE),
        receive("ACK"),
        receive("INVITE", "").replace(
            "/>",
            '><action><ereg regexp="username=.tu.*response=" search_in="hdr" '
            'header="Proxy-Authorization:" check_it="true" assign_to="1"/>'
            "</action></recv>",
        ),
        '<Reference variables="1"/>',
        answer("200 OK", body=SDP, repeat=True),
        receive("ACK"),
        *_BYE,
    ],
    "challenge_only": [receive("INVITE"), answer("407 Proxy Authentication Required", _CHALLENGE), receive("ACK")],
    "answer": [
        receive("INVITE"),
        answer("180 Ringing"),
        answer("200 OK", body=SDP, repeat=True),
        receive("ACK"),
        *_BYE,
    ],
}


@dataclass(frozen=True)
class Peer:
    """A scenario that runs once."""

    port: int
    process: asyncio.subprocess.Process
    folder: Path

    async def succeeded(self, within: float = 60) -> None:
        """The scenario went as it was written."""
        async with asyncio.timeout(within):
            status = await self.process.wait()
        assert status == 0, (
            (self.folder / "errors.log").read_text() if (self.folder / "errors.log").exists() else status
        )


def _is_bound(port: int, transport: str) -> bool:
    """Asked of the system: whatever is sent there would be taken for the call."""
    kind, state = ("udp", "07") if transport.startswith("u") else ("tcp", "0A")
    lines = [line.split() for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]]
    return any(line[1].endswith(f":{port:04X}") and line[3] == state for line in lines)


@asynccontextmanager
async def peer(scenario: str, *, status: int = 0, transport: str = "u1") -> AsyncIterator[Peer]:
    """Play a scenario of `SCENARIOS` at a port of the loopback."""
    port, media = free_port(), free_port() // 2 * 2
    with tempfile.TemporaryDirectory(prefix="sipp-") as name:
        folder = Path(name)
        steps = "\n".join(SCENARIOS[scenario]).replace("{status}", str(status))
        (folder / "scenario.xml").write_text(
            f'<?xml version="1.0"?>\n<scenario name="{scenario}">\n{steps}\n</scenario>'
        )
        options = ["-i", "127.0.0.1", "-p", str(port), "-mp", str(media), "-m", "1", "-t", transport, "-nostdin"]
        errors = ["-trace_err", "-error_file", str(folder / "errors.log")]
        process = await asyncio.create_subprocess_exec(
            "sipp", "-sf", str(folder / "scenario.xml"), *options, *errors, cwd=folder,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(60):
                while not _is_bound(port, transport):
                    assert process.returncode is None, "sipp has ended"
                    await asyncio.sleep(0.02)
            yield Peer(port, process, folder)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
