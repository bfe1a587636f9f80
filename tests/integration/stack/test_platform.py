"""Real PostgreSQL, Redis and livekit-server under one roof: side by side, killed, stopped, refused."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from parley.stack import probes, processes
from parley.stack.errors import DirectoryUnusable, ProgramMissing
from parley.stack.platform import Stack, StackOptions

pytestmark = pytest.mark.anyio

SERVERS = ("postgres", "database", "redis", "livekit")
RUN = """
import asyncio, sys
from pathlib import Path
from parley.stack.foreground import run_in_foreground
from parley.stack.platform import Stack, StackOptions
folder = Path(sys.argv[1])
options = StackOptions(folder, ready_file=folder / "ready.json", only=("postgres", "database", "redis", "livekit"))
sys.exit(asyncio.run(run_in_foreground(Stack(options))))
"""


def options(folder: Path, **more: Any) -> StackOptions:
    return StackOptions(folder, ready_file=folder / "ready.json", only=SERVERS, **more)


def quiet(_: str) -> None:
    return


async def everything_answers(stack: Stack) -> bool:
    ports, secrets = stack.services.ports, stack.services.secrets
    with psycopg.connect(stack.services.database.owner, connect_timeout=30) as connection:
        connection.execute("select '[1]'::vector")
    async with asyncio.timeout(30):  # a probe waits a second, which a busy machine may take for itself
        while not await probes.redis_answers(ports["redis"], secrets.redis_password):
            await asyncio.sleep(0.05)
        while await probes.http_status(ports["livekit"], "/") != 200:
            await asyncio.sleep(0.05)
    return True


def wait_for_file(path: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, "it ended before it was ready"
        assert time.monotonic() < deadline, "it never got ready"
        time.sleep(0.05)
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def is_bound(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    process = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)])
    try:
        yield process, wait_for_file(tmp_path / "ready.json", process)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


async def test_two_platforms_run_side_by_side_and_each_starts_again_with_its_ports_and_data(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folders = (tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two"))  # paths of sockets have to be short
    async with Stack(options(folders[0]), quiet) as one, Stack(options(folders[1]), quiet) as two:
        assert await everything_answers(one)
        assert await everything_answers(two)
        assert not set(one.services.ports.values()) & set(two.services.ports.values())
        with psycopg.connect(one.services.database.owner) as connection:
            connection.execute("create table kept ()")
        ports, secrets = one.services.ports, one.services.secrets
    async with Stack(options(folders[0]), quiet) as again:
        assert again.services.ports == ports
        assert again.services.secrets == secrets
        with psycopg.connect(again.services.database.owner) as connection:
            connection.execute("select * from kept")


async def test_each_killed_server_answers_again_and_the_ready_file_tells_its_pid(tmp_path: Path) -> None:
    said: list[str] = []
    async with Stack(options(tmp_path), said.append) as stack:
        before = dict(stack.pids)
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            while sum(" is back after " in sentence for sentence in said) < len(before):
                await asyncio.sleep(0.05)
        assert await everything_answers(stack)
        assert not set(before.values()) & set(stack.pids.values())
        pids = json.loads((tmp_path / "ready.json").read_text())["pids"]
        assert {name: pid for name, pid in pids.items() if pid} == stack.pids
    assert not (tmp_path / "ready.json").exists()


async def test_a_second_platform_on_the_directory_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async with Stack(options(tmp_path), quiet) as first:
        with pytest.raises(DirectoryUnusable, match=f"pid {os.getpid()}"):
            await Stack(options(tmp_path), quiet).start()
        assert (tmp_path / "ready.json").exists()
        assert await everything_answers(first)
        assert json.loads((tmp_path / "run" / "processes.json").read_text())["children"]


async def test_a_missing_program_is_named_and_nothing_stays_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("PATH", "/nowhere")
    stack = Stack(options(tmp_path / "data"), quiet)
    with pytest.raises(ProgramMissing, match=r"livekit-server is missing.*make setup"):
        await stack.start()
    assert stack.pids == {}
    assert not (tmp_path / "data" / "ready.json").exists()


async def test_a_ready_file_that_cannot_be_written_is_told_before_anything_starts(tmp_path: Path) -> None:
    stack = Stack(StackOptions(tmp_path, ready_file=tmp_path / "none" / "ready.json", only=SERVERS), quiet)
    with pytest.raises(DirectoryUnusable, match="none"):
        await stack.start()
    assert not (tmp_path / "postgres").exists()


async def test_a_server_that_cannot_start_stops_the_others(tmp_path: Path) -> None:
    async with Stack(options(tmp_path), quiet):
        pass
    (tmp_path / "postgres" / "PG_VERSION").write_text("17\n")
    stack = Stack(options(tmp_path), quiet)
    with pytest.raises(DirectoryUnusable, match="belongs to PostgreSQL 17"):
        await stack.start()
    assert stack.pids == {}
    assert not is_bound(stack.services.ports["redis"])


def test_sigterm_stops_everything_in_time_and_leaves_no_process_and_no_port(
    started: tuple[subprocess.Popen[bytes], dict[str, Any]],
) -> None:
    process, ready = started
    port = int(ready["livekit_url"].rsplit(":", 1)[1])
    process.terminate()
    assert process.wait(60) == 0
    assert not any(processes.describe(pid) for pid in ready["pids"].values() if pid)
    assert not is_bound(port)


def test_a_killed_supervisor_leaves_nothing_and_the_next_start_works(
    tmp_path: Path, started: tuple[subprocess.Popen[bytes], dict[str, Any]]
) -> None:
    process, ready = started
    process.kill()
    process.wait(60)
    assert processes.wait_until_gone([pid for pid in ready["pids"].values() if pid], timeout=30)
    (tmp_path / "ready.json").unlink()
    again = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)])
    try:
        assert wait_for_file(tmp_path / "ready.json", again)["api_key"] == ready["api_key"]
    finally:
        again.terminate()
        again.wait(60)


def test_a_signal_in_the_middle_of_the_start_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)])
    record = tmp_path / "run" / "processes.json"
    deadline = time.monotonic() + 60
    while not record.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert not record.exists()
    assert processes.working_in(tmp_path / "postgres") == []
    assert not (tmp_path / "ready.json").exists()
