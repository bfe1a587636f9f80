"""The test of a trunk whose server speaks TLS: whose certificate is taken, and what is said of one that is not."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sip.probe import Finding, Target, probe
from tests.support.carriers import LINE, run, server
from tests.support.platform import Tenant

pytestmark = pytest.mark.anyio


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
        return await probe(Target("127.0.0.1", host, port, "tls", LINE), within=30, tls=trust)


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
