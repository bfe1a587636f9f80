"""Trying a trunk: what is wrong with a carrier's server, told in words. The servers are written out by hand."""

import asyncio
import re

import pytest
from sqlalchemy import text

from sip.probe import Target, TransportName, probe
from tests.support.carriers import LINE, PASSWORD, USER, Guarded, Reply, encode, header, make_trunk, run, server
from tests.support.platform import Platform, Tenant
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio


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


async def held(platform: Platform) -> int:
    """How many transactions are open."""
    query = text(
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and state like 'idle in transaction%' and pid <> pg_backend_pid()"
    )
    async with platform.database.platform() as db:
        return int(await db.scalar(query) or 0)


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
        while await held(platform):  # by whatever else the platform does at this moment
            assert not running.done(), "a transaction is held for as long as nobody answers"
            await asyncio.sleep(0.05)
        found = await running
    assert 4.5 < asyncio.get_running_loop().time() - began < 20
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
