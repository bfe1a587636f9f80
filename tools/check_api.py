"""`make check-api`: the API against its own description, on a running platform with two control planes.

newman runs /postman.json against the second control plane, schemathesis all its checks against the first. Without
`--ready` a platform of its own is started, in a folder that is removed afterwards. Status 0 only if nothing was found.
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
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jwt
import psycopg
import redis

TREE = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
NEWMAN = TREE / "tools" / "newman"
CONFIG = TREE / "tests" / "api" / "schemathesis.toml"
START_WITHIN, STOP_WITHIN = 180.0, 30.0
RATE = 1_000_000
LASTS = 12 * 3600
"""Seconds for which a token is good."""
ALONE = "examples,coverage,fuzzing"
PHASES = f"{ALONE},stateful"
LAST = ("revoke_key", "update_key", "update_account")
"""Operations that could take away the very key or rate of the search; they are searched last, without the others."""


def main() -> int:
    """Check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--ready", type=Path, help="ready file of a running platform; its demo data is changed")
    parser.add_argument("--examples", type=int, default=25, help="requests tried for each operation and phase")
    parser.add_argument("--seed", type=int, default=1, help="seed of the search")
    parser.add_argument("--only", help="search this operation only (its operationId)")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        ready_file = arguments.ready or stack.enter_context(platform())
        ready: dict[str, Any] = json.loads(ready_file.read_text())
        second = stack.enter_context(second_control_plane(ready))
        lift_limits(ready["database_url"])
        stack.enter_context(strangers_forgotten(environment_of(ready)["PARLEY_REDIS_URL"]))
        checks: dict[str, Callable[[], int]] = {
            "newman": lambda: newman(second, ready),
            "schemathesis": lambda: schemathesis(ready, arguments, "--exclude-operation-id", LAST, PHASES),
            "schemathesis of keys": lambda: schemathesis(ready, arguments, "--include-operation-id", LAST, ALONE),
        }
        if arguments.only:
            only = (arguments.only,)
            checks = {"schemathesis": lambda: schemathesis(ready, arguments, "--include-operation-id", only, ALONE)}
        failed = [name for name, check in checks.items() if check() != 0]
    print(f"check-api: {'found by ' + ', '.join(failed) if failed else 'nothing found'}", flush=True)
    return 1 if failed else 0


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
    ready: Mapping[str, Any], arguments: argparse.Namespace, choice: str, names: tuple[str, ...], phases: str
) -> int:
    """Search for requests that are answered otherwise than described."""
    key, secret = new_key(ready)
    keys = {
        "PARLEY_CHECK_KEY": key,
        "PARLEY_CHECK_TOKEN": signed(key, secret),
        "PARLEY_CHECK_OPERATOR_KEY": ready["admin_key"],
    }
    command = [str(BIN / "schemathesis"), "--config-file", str(CONFIG), "run", f"{ready['api_url']}/openapi.json"]
    command += ["--checks", "all", "--phases", phases]
    command += [word for name in names for word in (choice, name)]
    command += ["--max-examples", str(arguments.examples), "--seed", str(arguments.seed)]
    with tempfile.TemporaryDirectory(prefix="parley-search-") as folder:
        return subprocess.run(command, cwd=folder, env={**os.environ, **keys}).returncode


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
