"""Trying a trunk: what is wrong with a carrier's server, told in words. The servers are written out by hand."""

import asyncio
import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import text

from sip.probe import Finding, Target, TransportName, probe
from tests.support.platform import Platform, Tenant, free_port

pytestmark = pytest.mark.anyio

LINE, USER, PASSWORD, REALM = "+18001234567", "tuesday", "hunter2hunter2", "carrier"
HEADER = 'Digest realm="carrier", nonce="n0nce", opaque="0paque", algorithm={}, qop="auth"'

Reply = tuple[int, dict[str, str]] | bytes | None
Answerer = Callable[[str], Reply]


def header(message: str, name: str) -> str:
    found = re.search(rf"(?im)^{name}:[ \t]*(.*?)\r$", message)
    return found[1] if found else ""


def encode(asked: str, reply: Reply) -> bytes:
    if reply is None or isinstance(reply, bytes):
        return reply or b""
    status, more = reply
    same = [f"{name}: {header(asked, name)}" for name in ("Via", "From", "Call-ID", "CSeq")]
    lines = [f"SIP/2.0 {status} Words", *same, f"To: {header(asked, 'To')};tag=x"]
    lines += [f"{name}: {value}" for name, value in more.items()]
    return "\r\n".join([*lines, "Content-Length: 0", "", ""]).encode()


@asynccontextmanager
async def server(
    answer: Answerer, transport: TransportName = "udp", context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A SIP server of the loopback; its port."""
    if transport == "udp":

        class Datagrams(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: Any) -> None:
                if reply := encode(data.decode(), answer(data.decode())):
                    self.transport.sendto(reply, addr)

        loop = asyncio.get_running_loop()
        datagrams, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
        try:
            yield datagrams.get_extra_info("sockname")[1]
        finally:
            datagrams.close()
        return

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = (await reader.readuntil(b"\r\n\r\n")).decode()
                reply = answer(asked)
                writer.write(encode(asked, reply))
                if reply == b"":
                    return
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


class Guarded:
    """Wants a password; computes what it must hear by the RFC's own words."""

    def __init__(self, password: str = PASSWORD, *, status: int = 401, algorithm: str = "MD5", stale: int = 0) -> None:
        self.password, self.status, self.algorithm, self.stale = password, status, algorithm, stale
        self.asked: list[str] = []

    def __call__(self, message: str) -> Reply:
        self.asked.append(message)
        asks, says = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}[
            self.status
        ]
        said = dict(re.findall(r'(\w+)="?([^",]+)', header(message, says)))
        challenge = {asks: HEADER.format(self.algorithm)}
        if said and self.stale:
            self.stale -= 1
            return self.status, {asks: HEADER.format(self.algorithm) + ", stale=true"}
        return (200, {}) if said and said["response"] == self._expected(said) else (self.status, challenge)

    def _expected(self, said: dict[str, str]) -> str:
        def digest(text: str) -> str:
            return hashlib.new({"MD5": "md5", "SHA-256": "sha256"}[self.algorithm], text.encode()).hexdigest()

        who, what = digest(f"{USER}:{REALM}:{self.password}"), digest(f"OPTIONS:{said['uri']}")
        return digest(f"{who}:n0nce:{said['nc']}:{said['cnonce']}:auth:{what}")


@pytest.fixture
async def tenant(platform: Platform) -> Tenant:
    return await platform.tenant()


async def make_trunk(tenant: Tenant, address: str, **more: object) -> int:
    body = {"name": "Main", "phone_number": LINE, "address": address} | more
    made = await tenant.http.post("/sip/trunks", json=body)
    assert made.status_code == 201, made.text
    return int(made.json()["trunk"]["id"])


async def run(tenant: Tenant, address: str, **more: object) -> dict[str, Any]:
    answer = await tenant.http.post(f"/sip/trunks/{await make_trunk(tenant, address, **more)}/test")
    assert answer.status_code == 200, answer.text
    assert PASSWORD not in answer.text
    assert USER not in answer.text
    assert list(answer.json()) == ["test"]
    return dict(answer.json()["test"])


CREDENTIALS = {"username": USER, "password": PASSWORD}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_server_that_answers_is_fine(tenant: Tenant, transport: TransportName) -> None:
    asked: list[str] = []

    def answer(message: str) -> Reply:
        asked.append(message)
        return 200, {}

    async with server(answer, transport) as port:
        found = await run(tenant, f"127.0.0.1:{port}", transport=transport)
    latency = found.pop("latency_ms")
    assert 0 < latency < 4000
    assert found == {"ok": True, "sip_status": 200, "problem": None, "advice": None}
    (message,) = asked
    assert message.startswith(f"OPTIONS sip:127.0.0.1:{port}")
    assert LINE in header(message, "From")


@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_a_password_is_proved_and_never_said(tenant: Tenant, status: int, algorithm: str) -> None:
    guarded = Guarded(status=status, algorithm=algorithm)
    async with server(guarded) as port:
        found = await run(tenant, f"127.0.0.1:{port}", **CREDENTIALS)
    assert (found["ok"], found["sip_status"], found["problem"], found["advice"]) == (True, 200, None, None)
    assert len(guarded.asked) == 2
    assert all(PASSWORD not in message for message in guarded.asked)


async def test_a_wrong_password_is_told_apart_from_a_missing_one(tenant: Tenant) -> None:
    guarded = Guarded("another password")
    async with server(guarded) as port:
        wrong = await run(tenant, f"127.0.0.1:{port}", **CREDENTIALS)
        assert len(guarded.asked) == 2  # no third try: carriers lock those out who guess
        missing = await run(tenant, f"127.0.0.1:{port}", phone_number="+18001234568")
    assert (wrong["ok"], wrong["sip_status"]) == (False, 401)
    assert "does not take" in wrong["problem"]
    assert (missing["ok"], missing["sip_status"]) == (False, 401)
    assert "the trunk has none" in missing["problem"]


async def test_a_proof_that_came_too_late_is_given_once_more(tenant: Tenant) -> None:
    guarded = Guarded(stale=1)
    async with server(guarded, "tcp") as port:
        found = await run(tenant, f"127.0.0.1:{port}", transport="tcp", **CREDENTIALS)
    assert found["ok"]
    assert len(guarded.asked) == 3


async def test_a_server_that_asks_for_what_nobody_knows_is_told(tenant: Tenant) -> None:
    async with server(lambda _: (401, {"WWW-Authenticate": "Bearer realm=x"})) as port:
        found = await run(tenant, f"127.0.0.1:{port}", **CREDENTIALS)
    assert (found["ok"], found["sip_status"]) == (False, 401)
    assert "Digest" in found["advice"]


@pytest.mark.parametrize("status", [403, 404, 405, 501, 603])
async def test_a_server_that_dislikes_the_question_can_be_reached(tenant: Tenant, status: int) -> None:
    async with server(lambda _: (status, {})) as port:
        found = await run(tenant, f"127.0.0.1:{port}")
    assert (found["ok"], found["sip_status"], found["problem"]) == (True, status, None)
    assert str(status) in found["advice"]


@pytest.mark.parametrize("status", [500, 503])
async def test_a_server_that_cannot_serve_is_told(tenant: Tenant, status: int) -> None:
    async with server(lambda _: (status, {})) as port:
        found = await run(tenant, f"127.0.0.1:{port}")
    assert (found["ok"], found["sip_status"]) == (False, status)
    assert "cannot serve" in found["problem"]


async def test_an_open_server_leaves_the_password_untested_and_says_so(tenant: Tenant) -> None:
    async with server(lambda _: (200, {})) as port:
        found = await run(tenant, f"127.0.0.1:{port}", **CREDENTIALS)
    assert found["ok"]
    assert "did not ask for the password" in found["advice"]


async def test_silence_is_told_after_asking_again_while_nothing_is_held(platform: Platform, tenant: Tenant) -> None:
    asked: list[str] = []
    heard = asyncio.Event()

    def answer(message: str) -> Reply:
        asked.append(message)
        heard.set()
        return None

    async with server(answer) as port:
        began = asyncio.get_running_loop().time()
        running = asyncio.create_task(run(tenant, f"127.0.0.1:{port}"))
        await heard.wait()
        async with platform.database.platform() as db:
            busy = await db.scalar(
                text(
                    "select count(*) from pg_stat_activity where datname = current_database()"
                    " and state like 'idle in transaction%' and pid <> pg_backend_pid()"
                )
            )
        assert busy == 0
        found = await running
    assert 4.5 < asyncio.get_running_loop().time() - began < 6
    assert len(set(asked)) == 1
    assert len(asked) >= 3
    assert found["problem"] == f"Nothing answers at port {port} over UDP"
    assert (found["ok"], found["sip_status"], found["latency_ms"]) == (False, None, None)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_port_where_nobody_listens_is_told(tenant: Tenant, transport: str) -> None:
    found = await run(tenant, f"127.0.0.1:{free_port()}", transport=transport)
    assert not found["ok"]
    assert "was refused" in found["problem"]


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("sip.nobody.invalid", "was not found"),
        ("nobody", "was not found"),
        ("10.1.2.3:5060", "private"),
        ("169.254.169.254", "link-local"),
        ("2130706433", "four numbers"),
    ],
)
async def test_an_address_that_leads_nowhere_or_inside_is_told(tenant: Tenant, address: str, problem: str) -> None:
    found = await run(tenant, address)
    assert not found["ok"]
    assert problem in found["problem"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "not SIP"),
        (b"", "closes the connection"),
    ],
)
async def test_a_server_of_something_else_is_told(tenant: Tenant, said: bytes, problem: str) -> None:
    async with server(lambda _: said, "tcp") as port:
        found = await run(tenant, f"127.0.0.1:{port}", transport="tcp")
        assert problem in found["problem"]


async def test_a_server_without_tls_is_told(tenant: Tenant) -> None:
    async with server(lambda _: (200, {}), "tcp") as port:  # waits for the end of what is no SIP
        found = await run(tenant, f"127.0.0.1:{port}", transport="tls")
    assert found["problem"] == "The server takes the connection, but does not answer in TLS"

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        found = await run(tenant, f"127.0.0.1:{port}", transport="tls", phone_number="+18001234568")
    assert "does not speak TLS" in found["problem"]


async def test_only_the_trunks_own_project_tests_it(platform: Platform, tenant: Tenant) -> None:
    trunk = await make_trunk(tenant, "127.0.0.1:9")
    other = await platform.tenant("other")
    assert (await other.http.post(f"/sip/trunks/{trunk}/test")).status_code == 403
    assert (await tenant.http.post("/sip/trunks/999999/test")).status_code == 404


# Certificates, on the test's own authority.


class Authority:
    """Signs certificates of the loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority")])
        self.certificate = self._sign(self.name, self.key, -30, 30, x509.BasicConstraints(ca=True, path_length=0))
        self.trust = ssl.create_default_context(cadata=_pem(self.certificate).decode())

    def _sign(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, begins: int, ends: int, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=begins))
            .not_valid_after(now + timedelta(days=ends))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        )
        return builder.sign(self.key, hashes.SHA256())

    def server(self, host: str = "127.0.0.1", *, begins: int = -10, ends: int = 10) -> ssl.SSLContext:
        """What a server of a host needs, valid for some days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A server")])
        named = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
        certificate = self._sign(name, key, begins, ends, x509.SubjectAlternativeName([named]))
        path = self.folder / "server.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(private + _pem(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def probe_tls(context: ssl.SSLContext, trust: ssl.SSLContext, host: str = "127.0.0.1") -> Finding:
    async with server(lambda _: (200, {}), "tls", context) as port:
        return await probe(Target("127.0.0.1", host, port, "tls", LINE), within=5, tls=trust)


async def test_a_certificate_is_taken_by_the_name_of_the_trunk(authority: Authority) -> None:
    found = await probe_tls(authority.server("sip.example.org"), authority.trust, "sip.example.org")
    assert (found.ok, found.sip_status) == (True, 200)


async def test_what_is_wrong_with_a_certificate_is_told(authority: Authority) -> None:
    for context, problem in (
        (authority.server(begins=-20, ends=-1), "has expired"),
        (authority.server(begins=5), "not valid yet"),
        (authority.server("192.0.2.1"), "not one of 127.0.0.1"),
        (authority.server("sip.example.org"), "not one of 127.0.0.1"),
    ):
        found = await probe_tls(context, authority.trust)
        assert not found.ok
        assert problem in str(found.problem)


async def test_a_certificate_of_an_unknown_authority_is_told(tenant: Tenant, authority: Authority) -> None:
    async with server(lambda _: (200, {}), "tls", authority.server()) as port:
        found = await run(tenant, f"127.0.0.1:{port}", transport="tls")
    assert not found["ok"]
    assert "authority" in found["problem"]


async def test_a_server_that_takes_the_connection_and_says_nothing_is_told() -> None:
    async with server(lambda _: None, "tcp") as port:
        found = await probe(Target("127.0.0.1", "127.0.0.1", port, "tcp", LINE), within=0.3)
    assert "does not answer" in str(found.problem)


async def test_answers_of_strangers_are_not_taken() -> None:
    def answer(message: str) -> Reply:
        return encode(re.sub(r"branch=\w+", "branch=z9hG4bKother", message), (200, {})) + b""

    async with server(answer) as port:
        found = await probe(Target("127.0.0.1", "127.0.0.1", port, "udp", LINE), within=0.3)
    assert not found.ok
    async with server(lambda _: b"\x00\xff garbage") as port:
        found = await probe(Target("127.0.0.1", "127.0.0.1", port, "udp", LINE), within=0.3)
    assert "Nothing answers" in str(found.problem)
