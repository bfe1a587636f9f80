"""The stores and processes that the benchmarks stand on: one core for the server, the other for everything else."""

import asyncio
import base64
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psycopg

from parley.stack.database import DatabaseUrls, database_urls, prepare_database
from parley.stack.postgres import EmbeddedPostgres
from parley.stack.secrets import Secrets
from tests.support.ports import free_port

RESULTS = Path(__file__).parent / "results"
SERVER_CORE, LOAD_CORE = "0", "1"
TICKS = os.sysconf("SC_CLK_TCK")
ALL_CORES = f"0-{(os.cpu_count() or 1) - 1}"
KEY = "pk_bench-bench-bench-bench-bench"
SECRET_KEY = base64.b64encode(bytes(32)).decode()


def stores(cleanup: ExitStack, redis_port: int) -> tuple[DatabaseUrls, str]:
    """PostgreSQL with a filled project, and Redis; the addresses of both."""
    folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="parley-bench-")))
    os.sched_setaffinity(0, {int(LOAD_CORE)})  # children inherit it; the servers are moved
    postgres = cleanup.enter_context(EmbeddedPostgres(folder / "pg"))
    secrets = Secrets.generate()
    asyncio.run(prepare_database(postgres.url(), secrets))
    urls = database_urls(postgres.known_port, secrets)
    environment = {**os.environ, "PARLEY_DATABASE_URL": urls.owner}
    subprocess.run([sys.executable, "-m", "control_plane", "migrate"], check=True, env=environment, capture_output=True)
    fill(urls.owner)
    start(cleanup, ["redis-server", "--port", str(redis_port), "--save", "", "--dir", str(folder)], {}, LOAD_CORE)
    return urls, f"redis://127.0.0.1:{redis_port}"


def our_settings(urls: DatabaseUrls, redis_url: str, port: int) -> dict[str, str]:
    """The environment of a control plane."""
    return {
        "PARLEY_ENVIRONMENT": "development",
        "PARLEY_PORT": str(port),
        "PARLEY_DATABASE_URL": urls.app,
        "PARLEY_REDIS_URL": redis_url,
        "PARLEY_LIVEKIT_URL": f"ws://127.0.0.1:{free_port()}",  # nobody is there
        "PARLEY_LIVEKIT_API_KEY": "devkey",
        "PARLEY_LIVEKIT_API_SECRET": "devsecret-devsecret-devsecret-devsecret",
        "PARLEY_SECRET_KEY": SECRET_KEY,
        "PARLEY_WORKER_TOKEN": "bench-worker-token",
        "PARLEY_WEBHOOK_ALLOW": "127.0.0.0/8",
    }


def fill(owner_url: str) -> None:
    """A project that has been in use: 200 agents, 2,000 sessions, 100 open rooms, a worker with places."""
    digest = "sha256(convert_to(%s, 'utf8'))"
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for statement in (
            "create table peer_write (id bigserial primary key, room text, identity text, at timestamptz)",
            "grant all on peer_write to parley_app",
            "create table peer_agent (id bigserial primary key, data jsonb)",
            """insert into peer_agent (data) values ('{"name": "Robin", "instructions": "You are kind."}')""",
            "insert into account (email, name, plan, requests_per_minute)"
            " values ('b@example.org', 'b', 'enterprise', 100000000)",
            "insert into project (account_id, slug, name) select id, 'proj', 'b' from account",
            "insert into worker (id, capacity, connected, seen_at)"
            " values ('w', 100000000, true, now() + interval '1 day')",
            "insert into room (project_id, name, full_name, status, origin, empty_timeout, max_participants, metadata)"
            " select 1, 'room' || n, 'proj_room' || n, 'open', 'api', 300, 0, '' from generate_series(1, 100) n",
            "insert into session (project_id, room_name, status, session_type, message_count, store_transcripts,"
            " epochs, started_at, ended_at, duration, agent_name) select 1, 'proj_x' || n, 'completed', 'voice', 4,"
            " true, 1, now(), now(), 60, 'Robin' from generate_series(1, 2000) n",
        ):
            connection.execute(statement)
        columns = connection.execute(
            "select column_name, data_type from information_schema.columns where table_name = 'persona'"
            " and is_nullable = 'NO' and column_default is null and is_identity = 'NO'"
        ).fetchall()
        values = {
            "bigint": "1",
            "integer": "600",
            "boolean": "true",
            "character varying": "'text'",
            "jsonb": "'{}'",
        }
        names = ", ".join(name for name, _ in columns)
        chosen = ", ".join(
            "'[]'" if name in ("tools", "knowledge_base_ids") else values[kind] for name, kind in columns
        )
        connection.execute(f"insert into persona ({names}) select {chosen} from generate_series(1, 200)")
        connection.execute(
            "insert into api_key (project_id, key_id, label, prefix, hash, sealed_secret, scopes)"
            f" values (1, 'key_bench', 'bench', 'pk_bench', {digest}, '', array['*'])",
            (KEY,),
        )
        connection.execute("vacuum analyze")


def cpu_seconds(pid: int) -> float:
    """CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def wait_for(port: int, within: float = 60) -> None:
    """Until a server answers anything."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            urlopen(Request(f"http://127.0.0.1:{port}/health/live"), timeout=1)
        except OSError as error:
            if getattr(error, "code", None) is None:
                time.sleep(0.1)
                continue
        return
    sys.exit(f"nothing answers on port {port}")


def start(
    cleanup: ExitStack, command: list[str], environment: dict[str, str], core: str, *, folder: Path | None = None
) -> int:
    """Start a process on a core; it ends with the block. Its pid."""
    process = subprocess.Popen(
        ["taskset", "-c", core, *command],
        env={**os.environ, **environment},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr if os.environ.get("BENCH_VERBOSE") else subprocess.DEVNULL,
    )
    cleanup.callback(end, process)
    return process.pid


def end(process: subprocess.Popen[Any], within: float = 30) -> None:
    """Have a process end, by force where it does not by itself."""
    process.terminate()
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
