"""`make check-api`: the API against its own description, on a running platform with two control planes.

newman runs /postman.json against the second control plane, schemathesis all its checks against the first: with the key
of one tenant, and among its values the ids of another (tests/api/neighbours.py), of whom no answer may hold a word.
Without `--ready` a platform of its own is started, in a folder that is removed afterwards. `--part 2/6` searches a part
of the operations, those of some resources, so that a slow machine does it in several runs. Prints how many requests
were sent, and notes it as a line of `make check-security`. Status 0 only if nothing was found.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jwt
import psycopg
import redis

from control_plane.accounts.models import Project
from control_plane.reference.document import operations
from tests.support.attempts import kind_of
from tests.support.furnishing import furnish
from tests.support.platform import Tenant
from tests.support.tried import tried

TREE = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
NEWMAN = TREE / "tools" / "newman"
CONFIG = TREE / "tests" / "api" / "schemathesis.toml"
HOOKS = TREE / "tests" / "api" / "neighbours.py"
START_WITHIN, STOP_WITHIN = 180.0, 30.0
RATE = 1_000_000
LASTS = 12 * 3600
"""Seconds for which a token is good."""
ALONE = "examples,coverage,fuzzing"
PHASES = f"{ALONE},stateful"
LINE = "schemathesis: cases, two tenants"
LAST = ("revoke_key", "update_key", "update_account")
"""Operations that could take away the very key or rate of the search; they are searched last, without the others."""


def main() -> int:
    """Check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--ready", type=Path, help="ready file of a running platform; its demo data is changed")
    parser.add_argument("--examples", type=int, default=25, help="requests tried for each operation and phase")
    parser.add_argument("--seed", type=int, default=1, help="seed of the search")
    parser.add_argument("--only", help="search this operation only (its operationId)")
    parser.add_argument("--part", default="1/1", metavar="N/OF", help="search a part of the operations")
    parser.add_argument("--search-only", action="store_true", help="without newman")
    arguments = parser.parse_args()
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # whoever cuts it short leaves no platform behind
    with contextlib.ExitStack() as stack:
        ready_file = arguments.ready or stack.enter_context(platform())
        ready: dict[str, Any] = json.loads(ready_file.read_text())
        second = stack.enter_context(second_control_plane(ready))
        lift_limits(ready["database_url"])
        stack.enter_context(strangers_forgotten(environment_of(ready)["PARLEY_REDIS_URL"]))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-neighbour-")))
        document = read_document(ready)
        neighbour, counted = add_neighbour(ready, document, folder / "neighbour.json"), folder / "counted.jsonl"
        environment = {"PARLEY_CHECK_NEIGHBOUR": str(neighbour), "PARLEY_CHECK_COUNT": str(counted)}
        number, of = map(int, arguments.part.split("/"))
        chosen = part_of(document, number, of)

        def search(names: tuple[str, ...], phases: str) -> int:
            return schemathesis(ready, arguments, names, phases, environment) if names else 0

        checks: dict[str, Callable[[], int]] = {
            "newman": lambda: 0 if arguments.search_only or number > 1 else newman(second, ready),
            "schemathesis": lambda: search(tuple(name for name in chosen if name not in LAST), PHASES),
            "schemathesis of keys": lambda: search(tuple(name for name in chosen if name in LAST), ALONE),
        }
        if arguments.only:
            checks = {"schemathesis": lambda: search((arguments.only,), ALONE)}
        failed = [name for name, check in checks.items() if check() != 0]
        said = count(counted)
    wrong = said["server errors"] + said["foreign words"]
    tried(LINE, said["cases"], max(wrong, len(failed)))
    what = ", ".join(
        f"{said[name]:,} {name}" for name in ("cases", "with foreign ids", "server errors", "foreign words")
    )
    print(f"check-api: {what}; part {arguments.part}, {time.monotonic() - began:,.0f} s")
    print(f"check-api: {'found by ' + ', '.join(failed) if failed else 'nothing found'}", flush=True)
    return 1 if failed or wrong else 0


def read_document(ready: Mapping[str, Any]) -> dict[str, Any]:
    """The API's description of itself."""
    with urllib.request.urlopen(f"{ready['api_url']}/openapi.json", timeout=60) as response:
        document: dict[str, Any] = json.load(response)
    return document


def part_of(document: dict[str, Any], number: int, of: int) -> tuple[str, ...]:
    """The names of a part of the operations: what belongs to one resource stays together."""
    resources: dict[str, list[str]] = {}
    for path, _, operation in operations(document):
        words = [word for word in path.split("/") if word not in ("", "api", "v1", "v2")]
        resources.setdefault(words[0] if words else "", []).append(operation["operationId"])
    parts: list[list[str]] = [[] for _ in range(of)]
    for names in sorted(resources.values(), key=len, reverse=True):
        min(parts, key=len).extend(names)
    return tuple(parts[number - 1])


def add_neighbour(ready: Mapping[str, Any], document: dict[str, Any], file: Path) -> Path:
    """A second tenant, with a row in each table: its ids, where each kind belongs, and the mark of its words."""
    slug = f"neighbour-{int(time.time())}"
    with psycopg.connect(ready["database_url"], options="-c parley.project=all") as connection:
        made = "insert into account (email, name, plan) values (%s, %s, 'enterprise') returning id"
        account = connection.execute(made, (f"{slug}@example.org", slug)).fetchone()
        assert account is not None
        made = "insert into project (account_id, slug, name) values (%s, %s, %s) returning id"
        project = connection.execute(made, (account[0], slug, slug)).fetchone()
        assert project is not None
    tenant = Tenant(Project(id=project[0], account_id=account[0], slug=slug, name=slug), "", "", None)  # type: ignore[arg-type]
    estate = furnish(ready["database_url"], tenant, 3, again=False)
    ids = estate.foreign()
    natural: dict[str, str] = {}
    for path, method, operation in operations(document):
        called = {each["name"]: each.get("x-called", each["name"]) for each in operation.get("parameters", ())}
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        for name in {**called, **dict.fromkeys(body if isinstance(body, dict) else ())}:
            kind = kind_of(called.get(name, name), path)
            if kind in ids:
                natural[f"{method.upper()} {path} {name}"] = kind
    file.write_text(json.dumps({"ids": ids, "natural": natural, "mark": estate.mark}))
    return file


def count(file: Path) -> Counter[str]:
    """What the searches have counted together."""
    said = Counter[str]()
    for line in file.read_text().splitlines() if file.exists() else ():
        said.update(json.loads(line))
    return said


@contextlib.contextmanager
def platform() -> Iterator[Path]:
    """`parley up` in a folder of its own; gives its ready file."""
    with tempfile.TemporaryDirectory(prefix="parley-check-") as folder:
        os.chmod(folder, 0o755)  # PostgreSQL's own user passes through it
        ready = Path(folder) / "ready.json"
        command = [sys.executable, "-m", "parley", "up", "--data", f"{folder}/data", "--ready", str(ready)]
        with (Path(folder) / "up.log").open("wb") as log, child([*command, "--port", "18850"], log=log) as process:
            wait_for(ready.exists, process, Path(folder) / "up.log")
            yield ready


@contextlib.contextmanager
def second_control_plane(ready: Mapping[str, Any]) -> Iterator[str]:
    """Another `parley serve` with the settings of the first; gives its address."""
    environment = environment_of(ready)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment |= {"PARLEY_PORT": str(port), "PARLEY_PUBLIC_URL": url}
    command = [sys.executable, "-m", "control_plane", "serve"]
    with (
        tempfile.NamedTemporaryFile(prefix="parley-second-", suffix=".log") as log,
        child(command, log=log, environment=environment) as process,
    ):
        wait_for(lambda: answers(f"{url}/health/ready"), process, Path(log.name))
        yield url


def environment_of(ready: Mapping[str, Any]) -> dict[str, str]:
    """What the platform's control plane was started with."""
    told = Path(f"/proc/{ready['pids']['control_plane']}/environ").read_text()
    return dict(line.split("=", 1) for line in told.split("\0") if "=" in line)


@contextlib.contextmanager
def strangers_forgotten(redis_url: str) -> Iterator[None]:
    """Let an address ask as often as it wants without a key, as the search does: its window is emptied all the time."""
    over = threading.Event()

    def forget() -> None:
        with redis.Redis.from_url(redis_url) as store:
            while not over.wait(0.5):
                for window in store.scan_iter("*address:127.0.0.1"):
                    store.delete(window)

    thread = threading.Thread(target=forget)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def child(
    command: list[str], *, log: Any, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is stopped at the end."""
    process = subprocess.Popen(command, cwd=TREE, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until something is true; raise with the log's end when the process dies or takes too long."""
    deadline = time.monotonic() + START_WITHIN
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("check-api: could not start:\n" + "\n".join(log.read_text().splitlines()[-20:]))
        time.sleep(0.2)


def answers(url: str) -> bool:
    """Whether an address answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def lift_limits(database_url: str) -> None:
    """Let the demo account ask as often and make as much as the search wants."""
    with psycopg.connect(database_url) as connection:
        connection.execute("update account set plan = 'enterprise', requests_per_minute = %s where id = 1", (RATE,))


def signed(key: str, secret: str) -> str:
    """A token of a project's server, which opens `/v2`."""
    until = int(time.time()) + LASTS
    return jwt.encode({"apikey": key, "permissions": ["allow_join"], "exp": until}, secret, algorithm="HS256")


def newman(url: str, ready: Mapping[str, Any]) -> int:
    """Run the collection as a customer would."""
    program = NEWMAN / "node_modules" / ".bin" / "newman"
    if not program.exists():
        subprocess.run([shutil.which("npm") or "npm", "ci"], cwd=NEWMAN, check=True)
    with tempfile.TemporaryDirectory(prefix="parley-newman-") as folder:
        (Path(folder) / "faq.md").write_text("# Opening hours\n\nWe are open from nine to five on weekdays.\n")
        environment = Path(folder) / "environment.json"
        # A file: other users of the machine can read a command line.
        given = {"apiKey": ready["api_key"], "token": signed(ready["api_key"], ready["api_secret"])}
        values = [{"key": name, "value": value, "enabled": True} for name, value in given.items()]
        environment.write_text(json.dumps({"values": values}))
        command = [str(program), "run", f"{url}/postman.json", "--environment", str(environment)]
        options = ["--working-dir", folder, "--timeout-request", "20000", "--color", "off", "--reporters", "cli"]
        return subprocess.run([*command, *options, "--reporter-cli-no-banner"], cwd=folder).returncode


def schemathesis(
    ready: Mapping[str, Any],
    arguments: argparse.Namespace,
    names: tuple[str, ...],
    phases: str,
    environment: Mapping[str, str],
) -> int:
    """Search for requests that are answered otherwise than described."""
    key, secret = new_key(ready)
    keys = {
        "PARLEY_CHECK_KEY": key,
        "PARLEY_CHECK_TOKEN": signed(key, secret),
        "PARLEY_CHECK_OPERATOR_KEY": ready["admin_key"],
        "SCHEMATHESIS_HOOKS": str(HOOKS),
    }
    command = [str(BIN / "schemathesis"), "--config-file", str(CONFIG), "run", f"{ready['api_url']}/openapi.json"]
    command += ["--phases", phases]  # all checks: named here, none could be taken from an operation by our settings
    command += [word for name in names for word in ("--include-operation-id", name)]
    command += ["--max-examples", str(arguments.examples), "--seed", str(arguments.seed)]
    with tempfile.TemporaryDirectory(prefix="parley-search-") as folder:
        return subprocess.run(command, cwd=folder, env={**os.environ, **keys, **environment}).returncode


def new_key(ready: Mapping[str, Any]) -> tuple[str, str]:
    """A key for one search, and its secret. An account has five at most: those of earlier searches are revoked."""
    others = """
        update api_key set revoked_at = now()
        where revoked_at is null and hash <> %s and project_id in (select id from project where account_id = 1)
    """
    with psycopg.connect(ready["database_url"], options="-c parley.project=all") as connection:
        connection.execute(others, (hashlib.sha256(ready["api_key"].encode()).digest(),))
    request = urllib.request.Request(
        f"{ready['api_url']}/api/v1/api-keys",
        data=json.dumps({"label": "check-api"}).encode(),
        headers={"X-API-Key": ready["api_key"], "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        made: dict[str, Any] = json.load(response)["api_key"]
    return made["key"], made["secret"]


if __name__ == "__main__":
    sys.exit(main())
