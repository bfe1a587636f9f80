"""Telephones for tests: baresip without a screen, its microphone a tone, what it hears in a file."""

import asyncio
import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.ports import free_port

RATE = 8000
RTP_PORTS = 40

_CONFIGURATION = """\
sip_listen 127.0.0.1:{port}
net_interface 127.0.0.1
call_local_timeout 120
call_max_calls 20
audio_player aubridge,nowhere
audio_source aufile,{folder}/voice.wav
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_alert aufile,/dev/null
ausrc_format s16
auplay_format s16
rtp_ports {rtp}-{rtp_last}
jitter_buffer_delay 1-5
rtp_timeout 60
snd_path {folder}
module_path /usr/lib/baresip/modules
module g711.so
module g722.so
module srtp.so
module aufile.so
module aubridge.so
module sndfile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""


class Telephone:
    """A baresip process. Commands go in by its control socket, events come out of it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.events: list[dict[str, Any]] = []
        self._changed = asyncio.Condition()

    async def command(self, command: str, parameters: str | None = None) -> None:
        """Give a command, such as `dial`, `hangup`, `accept`."""
        message = {"command": command} | ({} if parameters is None else {"params": parameters})
        text = json.dumps(message).encode()
        self._writer.write(b"%d:%s," % (len(text), text))
        await self._writer.drain()

    async def until(self, kind: str, *, count: int = 1, within: float = 60) -> dict[str, Any]:
        """The event of a type, such as `CALL_ESTABLISHED`, that was the `count`-th of its kind."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.events if event.get("type") == kind]

        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(lambda: len(found()) >= count), within)
            except TimeoutError:
                raise AssertionError(f"no {kind}; there were {[e.get('type') for e in self.events]}") from None
        return found()[count - 1]

    def heard(self) -> tuple[np.ndarray, int]:
        """What the phone has played in its last call, and samples per second; whole once the call is closed."""
        return _samples(max(self.folder.glob("*-dec.wav"), key=lambda path: path.stat().st_mtime))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            size = await reader.readuntil(b":")
            message = json.loads(await reader.readexactly(int(size[:-1])))
            await reader.readexactly(1)
            if message.get("event"):
                async with self._changed:
                    self.events.append(message)
                    self._changed.notify_all()


@asynccontextmanager
async def telephone(
    folder: Path,
    *,
    user: str = "phone",
    account: str = "",
    voice: np.ndarray | None = None,
    certificate: Path | None = None,
) -> AsyncIterator[Telephone]:
    """A phone at `sip:user@127.0.0.1:port`.

    `account` is appended to its account, such as `;answermode=auto`; `voice` is what it says, at `RATE`: a tone of
    400 Hz where nothing is given. The phone hangs up at its end. With a `certificate` it takes TLS at its port + 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port(4 + RTP_PORTS)  # SIP, and TLS beside it
    control, rtp = port + 2, port + 4
    _write(folder / "voice.wav", tone(400, 90) if voice is None else voice)
    (folder / "accounts").write_text(f"<sip:{user}@127.0.0.1:{port}>;regint=0{account}\n")
    settings = {"port": port, "control": control, "rtp": rtp, "rtp_last": rtp + RTP_PORTS, "folder": folder}
    tls = f"sip_certificate {certificate}\nsip_cafile {certificate}\n" if certificate else ""
    (folder / "config").write_text(_CONFIGURATION.format(**settings) + tls)
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "baresip", "-4", "-f", str(folder), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
        )
    phone = Telephone(folder, port)
    reading = None
    try:
        reader, phone._writer = await _connect(control)
        reading = asyncio.create_task(phone._read(reader))
        yield phone
    finally:
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            phone._writer.close()
        process.terminate()
        await process.wait()


def tone(hertz: float, seconds: float) -> np.ndarray:
    """A sine at `RATE`."""
    return (np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE) * 9000).astype(np.int16)


def _write(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(60):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)


def _samples(path: Path) -> tuple[np.ndarray, int]:
    # By the file's size: its header says how much there is a moment after the phone says that the call is closed.
    content = path.read_bytes()
    begin = content.index(b"data") + 8
    whole = (len(content) - begin) // 2 * 2
    return np.frombuffer(content[begin : begin + whole], np.int16), int.from_bytes(content[24:28], "little")


def loudness_of(samples: np.ndarray, hertz: float, rate: int) -> float:
    """How much of a sound is one tone, 0 to 1."""
    moments = np.arange(len(samples)) / rate
    sound = samples.astype(float)
    part = abs(np.dot(sound, np.exp(-2j * np.pi * hertz * moments))) * np.sqrt(2 / max(1, len(sound)))
    return float(part / max(1e-9, np.linalg.norm(sound)))
