"""Both sides of the bus on a real Redis, which the tests may kill."""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Protocol

import pytest
from google.protobuf.wrappers_pb2 import BytesValue, StringValue
from livekit.protocol.sip import SIPStatus, SIPStatusCode
from redis.asyncio import Redis

from pocket.psrpc import Bus, Client, RpcError, Server
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio
WITHIN = 30.0


class RedisServer:
    """A Redis to kill and start again. On a socket file: a port could be taken by another in between."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/redis.sock"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", "0", "--unixsocket", f"{self.folder}/redis.sock", "--save", "", "--dir", self.folder]
        self.process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(60)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="parley-test-") as folder:
        server = RedisServer(folder)
        server.start()
        yield server
        server.kill()


class Connect(Protocol):
    """Opens a bus that is closed after the test."""

    async def __call__(self, url: str = ...) -> Bus: ...


@pytest.fixture
async def connect(redis_url: str) -> AsyncIterator[Connect]:
    buses: list[Bus] = []

    async def open_bus(url: str = redis_url) -> Bus:
        bus = Bus(url)
        buses.append(bus)
        await bus.start()
        return bus

    yield open_bus
    for bus in buses:
        await bus.close()


async def echo(request: StringValue) -> StringValue:
    return StringValue(value=f"heard {request.value}")


async def say(client: Client, text: str, *, method: str = "Say", topic: str = "", affinity: bool = False) -> str:
    answer = await client.request(
        method, StringValue(value=text), StringValue, topic=topic, timeout=WITHIN, affinity=affinity
    )
    return answer.value


async def test_two_processes_serve_each_other(connect: Connect) -> None:
    one, other = await connect(), await connect()
    for here, there in ((one, other), (other, one)):
        server, client = Server(here, "Echo"), Client(there, "Echo")
        await server.serve("Say", echo, StringValue)
        assert await say(client, "hello") == "heard hello"
        assert await asyncio.gather(*(say(client, str(n)) for n in range(50))) == [f"heard {n}" for n in range(50)]
        await server.close()
        await client.close()


async def test_an_error_arrives_with_its_code_text_and_details(connect: Connect) -> None:
    async def busy(request: StringValue) -> StringValue:
        status = SIPStatus(code=SIPStatusCode.SIP_STATUS_BUSY_HERE, status="Busy Here")
        raise RpcError("resource_exhausted", "they are on the phone", [status])

    bus = await connect()
    server, client = Server(bus, "Echo"), Client(bus, "Echo")
    await server.serve("Say", busy, StringValue)

    with pytest.raises(RpcError) as caught:
        await say(client, "hello")

    assert (caught.value.code, caught.value.message) == ("resource_exhausted", "they are on the phone")
    status = SIPStatus()
    (detail,) = caught.value.details
    assert detail.Unpack(status)
    assert (status.code, status.status) == (486, "Busy Here")
    await server.close()


async def test_of_an_unexpected_exception_the_caller_learns_nothing(connect: Connect) -> None:
    async def broken(request: StringValue) -> StringValue:
        raise OSError("the password is hunter2")

    bus = await connect()
    server, client = Server(bus, "Echo"), Client(bus, "Echo")
    await server.serve("Say", broken, StringValue)
    with pytest.raises(RpcError) as caught:
        await say(client, "hello")
    assert str(caught.value) == "internal: internal error"
    await server.close()


async def test_without_a_server_a_request_is_unavailable(connect: Connect) -> None:
    client = Client(await connect(), "Echo")
    with pytest.raises(RpcError) as caught:
        await say(client, "hello")
    assert str(caught.value) == "unavailable: no response from servers"


@pytest.mark.parametrize("queue", [True, False])
async def test_exactly_one_of_two_servers_runs_a_request(connect: Connect, queue: bool) -> None:
    ran: list[str] = []

    def handler(name: str) -> Callable[[StringValue], Awaitable[StringValue]]:
        async def run(request: StringValue) -> StringValue:
            ran.append(request.value)
            return StringValue(value=name)

        return run

    servers = [Server(await connect(), "Echo") for _ in range(2)]
    for number, server in enumerate(servers):
        await server.serve("Say", handler(str(number)), StringValue, queue=queue)
    client = Client(await connect(), "Echo")

    for n in range(20):
        assert await say(client, str(n)) in {"0", "1"}

    assert ran == [str(n) for n in range(20)]
    for server in servers:
        await server.close()


async def test_a_queued_request_is_locked_for_five_seconds(connect: Connect, redis_url: str) -> None:
    one, other = await connect(), await connect()
    began = time.monotonic()
    assert await one.lock(b"hello")
    assert not await other.lock(b"hello")
    async with Redis.from_url(redis_url) as stranger:
        left = await stranger.pttl("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=")
        passed = 1000 * (time.monotonic() - began)
        assert 5000 - passed - 10 <= left <= 5000


async def test_the_best_suited_server_runs_a_request_and_the_unsuited_is_silent(connect: Connect) -> None:
    servers = []
    for affinity in (0.3, 0.9, -1.0):

        async def run(request: StringValue, affinity: float = affinity) -> StringValue:
            return StringValue(value=str(affinity))

        server = Server(await connect(), "Echo")
        await server.serve("Say", run, StringValue, affinity=lambda request, affinity=affinity: affinity)
        servers.append(server)
    client = Client(await connect(), "Echo")
    assert await say(client, "hello", affinity=True) == "0.9"

    await servers[1].withdraw("Say")
    assert await say(client, "hello", affinity=True) == "0.3"

    await servers[0].withdraw("Say")
    with pytest.raises(RpcError, match="unavailable"):
        await say(client, "hello", affinity=True)
    for server in servers:
        await server.close()


async def test_a_topic_reaches_only_those_who_serve_it(connect: Connect) -> None:
    bus = await connect()
    server, client = Server(bus, "Echo"), Client(bus, "Echo")
    await server.serve("Say", echo, StringValue, topic="SCL_1-a")
    assert await say(client, "hello", topic="SCL_1-a") == "heard hello"
    with pytest.raises(ValueError, match="served already"):
        await server.serve("Say", echo, StringValue, topic="SCL_1-a")

    await server.withdraw("Say", "SCL_1-a")

    with pytest.raises(RpcError, match="unavailable"):
        await say(client, "hello", topic="SCL_1-a")


async def test_a_question_to_all_is_answered_by_all(connect: Connect) -> None:
    servers = [Server(await connect(), "Echo") for _ in range(3)]
    for server in servers:
        await server.serve("All", echo, StringValue, queue=False, claim=False)
    client = Client(await connect(), "Echo")
    answers = await client.request_all("All", StringValue(value="hello"), StringValue, timeout=4.0)
    assert [answer.value for answer in answers] == ["heard hello"] * 3
    for server in servers:
        await server.close()


async def test_a_handler_that_is_withdrawn_while_it_runs_still_answers(connect: Connect) -> None:
    bus = await connect()
    server, client = Server(bus, "Echo"), Client(bus, "Echo")

    async def hang_up(request: StringValue) -> StringValue:
        await server.withdraw("Say")
        return await echo(request)

    await server.serve("Say", hang_up, StringValue)
    assert await say(client, "bye") == "heard bye"


async def test_who_waits_for_a_closing_server_is_told(connect: Connect) -> None:
    bus = await connect()
    server, client = Server(bus, "Echo"), Client(bus, "Echo")
    running = asyncio.Event()

    async def forever(request: StringValue) -> StringValue:
        running.set()
        return await asyncio.get_running_loop().create_future()

    await server.serve("Say", forever, StringValue)
    waiting = asyncio.create_task(say(client, "hello"))
    await running.wait()
    await server.close()
    with pytest.raises(RpcError, match="canceled: the service ends"):
        await waiting


async def test_a_handler_may_take_longer_than_its_caller_waits(connect: Connect) -> None:
    bus = await connect()
    server, client = Server(bus, "Echo"), Client(bus, "Echo")
    go_on, done = asyncio.Event(), asyncio.Event()

    async def slow(request: StringValue) -> StringValue:
        await go_on.wait()
        done.set()
        return StringValue()

    await server.serve("Say", slow, StringValue)
    with pytest.raises(RpcError, match="deadline_exceeded: request timed out"):
        await client.request("Say", StringValue(), StringValue, timeout=0.3)
    go_on.set()
    async with asyncio.timeout(WITHIN):
        await done.wait()
    await server.close()


async def test_what_cannot_be_read_is_answered_or_ignored(connect: Connect, redis_url: str) -> None:
    bus = await connect()
    server, client = Server(bus, "Echo"), Client(bus, "Echo")
    await server.serve("Say", echo, StringValue)
    async with Redis.from_url(redis_url) as stranger:
        for garbage in (b"", b"\xff\xff\xff", b"\x0a\x03abc"):
            assert await stranger.publish("Echo|Say|REQ", garbage) == 1
            assert await stranger.publish("Echo|Say|RCLAIM", garbage) == 1
    with pytest.raises(RpcError, match="malformed_request"):
        await client.request("Say", BytesValue(value=b"\xff"), StringValue)
    assert await say(client, "hello") == "heard hello"
    await server.close()


async def test_after_a_restart_of_redis_the_next_request_is_served(connect: Connect, redis_server: RedisServer) -> None:
    here, there = await connect(redis_server.url), await connect(redis_server.url)
    server, client = Server(here, "Echo"), Client(there, "Echo")
    await server.serve("Say", echo, StringValue)
    assert await say(client, "before") == "heard before"

    redis_server.kill()
    with pytest.raises(RpcError, match="unavailable"):
        await client.request("Say", StringValue(), StringValue, timeout=0.5)
    assert not there.connected
    await server.serve("Say", echo, StringValue, topic="while away")
    redis_server.start()

    assert await say(client, "after") == "heard after"
    assert await say(client, "after", topic="while away") == "heard after"
    assert here.connected
    assert there.connected
    await server.close()


async def test_an_answer_survives_a_restart_of_redis(connect: Connect, redis_server: RedisServer) -> None:
    server, client = Server(await connect(redis_server.url), "Echo"), Client(await connect(redis_server.url), "Echo")
    running, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: StringValue) -> StringValue:
        running.set()
        await go_on.wait()
        return await echo(request)

    await server.serve("Say", slow, StringValue)
    waiting = asyncio.create_task(say(client, "hello"))
    await running.wait()
    redis_server.kill()
    go_on.set()
    redis_server.start()
    assert await waiting == "heard hello"
    await server.close()


async def test_a_bus_without_redis_does_not_start() -> None:
    with pytest.raises(RpcError, match="unavailable: Redis cannot be reached"):
        await Bus(f"redis://127.0.0.1:{free_port()}").start(within=0.2)
