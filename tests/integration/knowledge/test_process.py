import asyncio
import json
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from knowledge.capability import derive_key, sign
from knowledge.client import KnowledgeClient, KnowledgeRefused, KnowledgeUnavailable
from knowledge.embedders import Embedders
from knowledge.process import KnowledgeServer
from knowledge.reader import KnowledgeReader

pytestmark = pytest.mark.anyio

TOKEN = "worker-token-of-this-test"
KEY = derive_key(TOKEN)
OWNER, STRANGER = 1, 2
WITHIN = 30.0
"""Seconds for an answer on a busy machine; calls have one."""
HOURS = "Our business hours are nine to five on weekdays."


def capability(*bases: int, project_id: int = OWNER, lasts: timedelta = timedelta(hours=1)) -> str:
    return sign(KEY, project_id=project_id, base_ids=bases, session_id=42, expires_at=datetime.now(UTC) + lasts)


@pytest.fixture
async def base_id(library, connection: AsyncConnection) -> int:
    base = await library.base(HOURS, "Dogs are welcome on a leash.")
    await connection.commit()
    return base.id


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "knowledge.sock"


@pytest.fixture
async def serving(clone, embedder, socket_path: Path) -> AsyncIterator[Callable]:
    """Starts the server in this process, as its read-only role; leaving the block stops it."""

    @asynccontextmanager
    async def serve(**options):
        stop = asyncio.Event()
        async with KnowledgeReader(clone.knowledge, pool=2) as reader, asyncio.TaskGroup() as tasks:
            tasks.create_task(KnowledgeServer(Embedders(embedder), reader, KEY, **options).serve(socket_path, stop))
            while not socket_path.exists():
                await asyncio.sleep(0)
            try:
                yield
            finally:
                stop.set()

    return serve


async def exchange(path: Path, *lines: bytes) -> list[dict]:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"\n".join(lines) + b"\n")
    writer.write_eof()
    answers = [json.loads(line) async for line in reader]
    writer.close()
    return answers


async def test_a_call_finds_what_its_project_knows(serving, socket_path, base_id):
    async with serving(), KnowledgeClient(socket_path) as client:
        answer = await client.ask(capability(base_id), "When do you open?", top_k=1, timeout=WITHIN)
    assert [hit.content for hit in answer.hits] == [HOURS]
    assert 0 < answer.search_ms < answer.took_ms


async def test_the_socket_is_open_to_its_user_alone_and_gone_afterwards(serving, socket_path):
    async with serving():
        assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600
    assert not socket_path.exists()


async def test_a_capability_opens_the_bases_and_the_project_it_names_and_no_others(serving, socket_path, base_id):
    async with serving(), KnowledgeClient(socket_path) as client:
        assert await client.search(capability(base_id + 1), "hours", timeout=WITHIN) == []
        assert await client.search(capability(base_id, project_id=STRANGER), "hours", timeout=WITHIN) == []
        assert await client.search(capability(), "hours", timeout=WITHIN) == []
        assert len(await client.search(capability(base_id), "hours", timeout=WITHIN)) == 2


async def test_searches_of_two_projects_side_by_side_see_each_their_own(serving, socket_path, base_id):
    async with serving(), KnowledgeClient(socket_path) as client:
        owners = [client.search(capability(base_id), f"hours {n}", timeout=WITHIN) for n in range(12)]
        strangers = [
            client.search(capability(base_id, project_id=STRANGER), f"hours {n}", timeout=WITHIN) for n in range(12)
        ]
        found = await asyncio.gather(*owners, *strangers)
    assert [len(hits) for hits in found] == [2] * 12 + [0] * 12


@pytest.mark.parametrize("token", ["", "k1.x.y", "nonsense"])
async def test_a_forged_capability_is_refused(serving, socket_path, token):
    async with serving(), KnowledgeClient(socket_path) as client:
        with pytest.raises(KnowledgeRefused):
            await client.search(token, "hours", timeout=WITHIN)


async def test_an_expired_capability_is_refused(serving, socket_path, base_id):
    async with serving(), KnowledgeClient(socket_path) as client:
        with pytest.raises(KnowledgeRefused, match="expired"):
            await client.search(capability(base_id, lasts=timedelta(seconds=-1)), "hours", timeout=WITHIN)


async def test_unreadable_requests_are_answered_with_what_is_wrong_and_harm_no_others(serving, socket_path, base_id):
    good = json.dumps({"id": 9, "capability": capability(base_id), "query": "hours"}).encode()
    async with serving():
        answers = await exchange(
            socket_path,
            b"nonsense",
            b"",
            b'{"id": 1}',
            b'{"id": 2, "capability": "", "query": "x", "top_k": 0}',
            json.dumps({"id": 3, "capability": capability(base_id), "query": " \x00 "}).encode(),
            b'{"id": 4, "capability": "", "query": "\\ud800"}',
            good,
        )
    assert sorted((answer.get("id") or 0, answer.get("error")) for answer in answers if answer.get("id") != 9) == [
        (0, "bad_request"),
        (0, "bad_request"),
        (0, "bad_request"),
        (1, "bad_request"),
        (2, "bad_request"),
        (3, "bad_request"),
    ]
    assert [len(answer["hits"]) for answer in answers if answer.get("id") == 9] == [2]


async def test_an_endless_line_is_cut_off(serving, socket_path):
    async with serving():
        assert [answer["error"] for answer in await exchange(socket_path, b"x" * 200_000)] == ["bad_request"]


async def test_odd_questions_are_searched_all_the_same(serving, socket_path, base_id):
    async with serving(), KnowledgeClient(socket_path) as client:
        for query in ("hours \x00 \ud800?", "' or 1=1 --", "a & b | !c <-> :*", "%s %(query)s", "word " * 5_000):
            assert await client.search(capability(base_id), query, timeout=WITHIN)


async def test_a_connection_lost_to_postgresql_costs_no_search(serving, socket_path, base_id, clone):
    async with serving(), KnowledgeClient(socket_path) as client:
        for _ in range(3):
            assert await client.search(capability(base_id), "hours", timeout=WITHIN)
            with psycopg.connect(clone.superuser, autocommit=True) as connection:
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where usename = 'parley_knowledge' and datname = current_database()"
                )
            assert await client.search(capability(base_id), "hours", timeout=WITHIN)


async def test_a_client_says_that_nobody_is_there_and_finds_the_next_server(serving, socket_path, base_id):
    async with KnowledgeClient(socket_path) as client:
        with pytest.raises(KnowledgeUnavailable):
            await client.search(capability(base_id), "hours", timeout=WITHIN)
        for _ in range(2):
            async with serving():
                assert await client.search(capability(base_id), "hours", timeout=WITHIN)
        with pytest.raises(KnowledgeUnavailable):
            await client.search(capability(base_id), "hours", timeout=WITHIN)


async def test_a_late_answer_is_given_up_and_does_not_disturb_the_next(serving, socket_path, base_id):
    async with serving(), KnowledgeClient(socket_path) as client:
        with pytest.raises(KnowledgeUnavailable, match="within"):
            await client.search(capability(base_id), "hours", timeout=0.0001)
        assert len(await client.search(capability(base_id), "hours", top_k=1, timeout=WITHIN)) == 1


async def test_closing_a_client_ends_its_waiting_searches(socket_path):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(socket_path))
        silent.listen()
        client = KnowledgeClient(socket_path)
        waiting = asyncio.create_task(client.search("", "hours", timeout=WITHIN))
        while not client._waiting:
            await asyncio.sleep(0)
        await client.close()
        async with asyncio.timeout(20):
            with pytest.raises(KnowledgeUnavailable):
                await waiting


@pytest.fixture
async def process(clone, socket_path: Path) -> AsyncIterator[Callable]:
    """Starts `python -m knowledge serve`; resolves with it once it says that it is ready or has ended."""
    started: list[asyncio.subprocess.Process] = []
    environment = {
        "PATH": os.environ["PATH"],
        "PARLEY_KNOWLEDGE_DATABASE_URL": clone.knowledge,
        "PARLEY_KNOWLEDGE_SOCKET": str(socket_path),
        "PARLEY_WORKER_TOKEN": TOKEN,
    }

    async def start(**changes: str) -> tuple[asyncio.subprocess.Process, str]:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "knowledge",
            "serve",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: value for name, value in (environment | changes).items() if value},
            cwd=Path(__file__).parents[3],
        )
        started.append(child)
        said = (await child.stdout.readline()).decode()
        return child, said or (await child.stderr.read()).decode()

    yield start
    for child in started:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def test_the_process_serves_until_it_is_told_to_stop(process, socket_path, base_id):
    child, said = await process()
    assert json.loads(said)["event"] == "knowledge ready"
    async with KnowledgeClient(socket_path) as client:
        assert await client.search(capability(base_id), "hours", timeout=WITHIN)
        child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await child.wait() == 0
    assert not socket_path.exists()


async def test_what_a_killed_process_left_is_taken_over_and_a_living_one_is_not(process, socket_path):
    child, _ = await process()
    child.kill()
    await child.wait()
    assert socket_path.exists()
    _, said = await process()
    assert "knowledge ready" in said
    third, said = await process()
    assert "answers at" in said
    assert await third.wait() == 1


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("PARLEY_WORKER_TOKEN", "", "PARLEY_WORKER_TOKEN"),
        ("PARLEY_WORKER_TOKEN", "changeme", "production"),
        ("PARLEY_KNOWLEDGE_EMBEDDER", "word2vec", "There is no embedder"),
        ("PARLEY_KNOWLEDGE_SOCKET", "/nowhere/knowledge.sock", "Is its folder there"),
        ("PARLEY_KNOWLEDGE_SOCKET", "/tmp/" + "x" * 120, "shorter folder"),
    ],
)
async def test_a_wrong_setting_ends_it_with_a_line_that_says_so(process, name, value, problem):
    child, said = await process(**{name: value})
    assert problem in said
    assert "Traceback" not in said
    assert await child.wait() != 0
