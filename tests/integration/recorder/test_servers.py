"""One livestream and its server: encrypted, slow to answer, or away for good."""

import asyncio
import datetime
import ssl
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from livekit.protocol import egress

from pocket.networks import read_networks
from pocket.recorder import livestream
from pocket.recorder.encoding import Writer
from pocket.recorder.flv import Cutter, Tag
from pocket.recorder.livestream import Livestream
from tests.support.ports import free_port
from tests.support.rtmp import RtmpServer
from tests.support.studio import eventually
from tests.support.takes import seconds

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

FAILED, FINISHED = egress.StreamInfo.FAILED, egress.StreamInfo.FINISHED
CLOSED = "10.0.0.0/8,127.0.0.0/8,::1/128"


@pytest.fixture(scope="module")
def tags() -> list[Tag]:
    """Two seconds of silence."""
    cut: list[Tag] = []
    writer = Writer(Cutter(cut.append), "flv", stereo=False)  # type: ignore[arg-type]
    writer.write(np.zeros(96_000, np.int16))
    writer.close()
    return cut


class Told:
    """Counts what there was to tell."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


async def test_sound_is_cut_into_tags_of_which_the_first_say_how_to_read_the_rest(tags: list[Tag]) -> None:
    opening = [tag for tag in tags if tag.opens]
    assert opening == tags[: len(opening)]
    assert len(opening) == 2
    assert all(tag.is_whole and not tag.is_picture for tag in tags[2:])
    assert tags[-1].moment == pytest.approx(2000, abs=50)
    assert int.from_bytes(tags[-1].since(tags[-2].moment)[4:7]) == tags[-1].moment - tags[-2].moment
    long = Tag(b"\x08" + bytes(3) + b"\x34\x56\x78\x12" + bytes(10))
    assert long.moment == 0x12345678
    assert long.since(0) == long.data


async def test_a_stream_is_sent_to_its_end(tmp_path: Path, tags: list[Tag]) -> None:
    server = RtmpServer(tmp_path, "key")
    info, told = egress.StreamInfo(), Told()
    stream = Livestream(server.url, info, lambda: tags, told)
    running = asyncio.create_task(stream.run())
    await eventually(lambda: stream.taking)
    stream.close()
    await running
    assert seconds(await asyncio.to_thread(server.wait)) == pytest.approx(2.0, abs=0.1)
    assert (info.status, info.error, told.times) == (FINISHED, "", 2)


async def test_nothing_is_streamed_into_a_closed_network(tmp_path: Path, tags: list[Tag]) -> None:
    server = RtmpServer(tmp_path, "key")
    info = egress.StreamInfo()
    stream = Livestream(server.url.replace("127.0.0.1", "localhost"), info, lambda: tags, Told(), read_networks(CLOSED))
    async with asyncio.timeout(30):
        await stream.run()
    assert (info.status, info.error, info.started_at) == (FAILED, "its address is in a closed network", 0)
    server.kill()


async def test_a_server_that_stays_away_is_tried_for_a_while_and_then_given_up(
    tmp_path: Path, tags: list[Tag], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(livestream, "AGAIN_FOR", 2.0)
    server = RtmpServer(tmp_path, "key")
    info = egress.StreamInfo()
    stream = Livestream(server.url, info, lambda: tags, Told())
    running = asyncio.create_task(stream.run())
    await eventually(lambda: stream.taking)
    server.kill()
    while not running.done():
        stream.put(tags[-1])
        await asyncio.sleep(0.02)
    assert info.status == FAILED
    assert info.error == "Connection refused"
    assert info.retries >= 2
    assert info.started_at < info.last_retry_at < info.ended_at


def certificate(folder: Path) -> tuple[Path, Path]:
    """One for `localhost`, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(made.public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    return folder / "certificate.pem", folder / "key.pem"


async def test_an_encrypted_stream_is_sent_to_whom_its_certificate_names_and_nobody_else(
    tmp_path: Path, tags: list[Tag], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*paths)
    server = RtmpServer(tmp_path, "key")

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.read(4096)
        except OSError:
            first = b""
        if not first:  # it did not trust us
            writer.close()
            return
        inner, outer = await asyncio.open_connection("127.0.0.1", server.port)

        outer.write(first)

        async def pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            try:
                while data := await source.read(4096):
                    target.write(data)
                    await target.drain()
            except OSError:
                pass
            finally:
                target.close()

        await asyncio.gather(pipe(reader, outer), pipe(inner, writer))

    port = free_port()
    front = await asyncio.start_server(forward, "127.0.0.1", port, ssl=context)

    async def outcome(host: str) -> egress.StreamInfo:
        info = egress.StreamInfo()
        stream = Livestream(f"rtmps://{host}:{port}/live/key", info, lambda: tags, Told())
        running = asyncio.create_task(stream.run())
        await eventually(lambda: stream.taking or running.done())
        stream.close()
        await running
        return info

    unknown = await outcome("localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(paths[0]))
    misnamed, known = await outcome("127.0.0.1"), await outcome("localhost")
    came = await asyncio.to_thread(server.wait)
    front.close()
    await front.wait_closed()
    assert (unknown.status, misnamed.status, known.status) == (FAILED, FAILED, FINISHED)
    assert seconds(came) == pytest.approx(2.0, abs=0.1)
