"""The whole platform on one machine: all parts in their order, from a directory, until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import structlog

from parley.stack.children import Child
from parley.stack.database import database_urls, prepare_database
from parley.stack.directories import DataDirectory
from parley.stack.egress import egress_child
from parley.stack.errors import StackError
from parley.stack.files import BoundedLog, write_whole
from parley.stack.livekit import livekit_child
from parley.stack.ports import PortReservations, choose_ports
from parley.stack.postgres import EmbeddedPostgres
from parley.stack.ready import Seeded, ready_content
from parley.stack.records import RunRecord
from parley.stack.redis import redis_child
from parley.stack.secrets import load_or_create
from parley.stack.services import Services
from parley.stack.sip import sip_child
from parley.stack.steps import Step, run_once
from parley.stack.supervisor import Supervisor

log = structlog.get_logger()


@dataclass(frozen=True)
class StackOptions:
    """How a platform is started. `only` names the parts and steps to start (None: all), `without` those to leave out;
    `parent` is our own environment, of which the children get what `Services` passes on."""

    data_dir: Path
    port: int | None = None
    ready_file: Path | None = None
    sip_host: str = "127.0.0.1"
    only: Collection[str] | None = None
    without: Collection[str] = ()
    parent: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def _log_line(sentence: str) -> None:
    log.info("platform", notice=sentence)


class Stack:
    """A platform that runs inside `async with`, or between `start()` and `stop()`.

    A start that fails leaves nothing running. `announce` gets one sentence for every step and every trouble.
    """

    def __init__(self, options: StackOptions, announce: Callable[[str], None] = _log_line) -> None:
        self.options = options
        self.directory = DataDirectory(options.data_dir.absolute())
        self.announce = announce
        self._record = RunRecord(self.directory.run / "processes.json")
        self._supervisor = Supervisor(
            log_dir=self.directory.logs, record=self._record, announce=announce, changed=self._pids_changed
        )
        self._reservations = PortReservations()
        self._lock: int | None = None
        self._services: Services | None = None
        self._seeded = Seeded()
        self._is_ready = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def services(self) -> Services:
        """Addresses, secrets and ports; known once the start has begun."""
        if self._services is None:
            raise RuntimeError("the platform was not started")
        return self._services

    @property
    def pids(self) -> Mapping[str, int]:
        """The pids of the children that run."""
        return self._supervisor.pids

    @property
    def ready(self) -> dict[str, Any]:
        """Return the object of the `--ready` file as it is true at this moment."""
        return ready_content(self.services, self._seeded, self.pids, self.directory.logs)

    async def start(self) -> None:
        """Start everything, each part as soon as what it needs answers; return when all of it does."""
        try:
            await self._start()
        except BaseException as error:
            await self.stop()
            cause = _first(error)
            if isinstance(cause, OSError):
                raise self.directory.unusable(cause) from error
            if isinstance(cause, StackError):
                raise cause from None
            raise

    async def _start(self) -> None:
        self.directory.create()
        self._lock = self.directory.lock()
        self._check_ready_file()
        found = await asyncio.to_thread(self._record.end_leftovers)
        if found:
            self.announce(f"ended what a killed run left behind: {', '.join(sorted(found))}")
        parts = self._parts()
        done = {part.name: asyncio.Event() for part in parts}
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(self._start_part(part, done))
        self._is_ready = True
        self._pids_changed()

    async def stop(self) -> None:
        """Stop everything in reverse order; returns when no process and no port of it is left."""
        await self._close(self._supervisor.stop)

    async def kill(self) -> None:
        """End everything at once."""
        await self._close(self._supervisor.kill)

    async def _close(self, end: Callable[[], Any]) -> None:
        if self._lock is None:
            return  # the directory is not ours
        self._is_ready = False
        self._remove_ready_file()
        await end()
        self._reservations.release_all()
        os.close(self._lock)
        self._lock = None

    def _parts(self) -> list[Child | Step]:
        directory, options = self.directory, self.options
        ports = choose_ports(self._reservations, remembered=directory.ports, control_plane_from=options.port)
        secrets = load_or_create(directory.secrets, database_exists=directory.postgres.exists())
        services = self._services = Services(
            directory=directory,
            ports=ports,
            secrets=secrets,
            database=database_urls(ports["postgres"], secrets),
            parent=options.parent,
            sip_host=options.sip_host,
        )
        postgres = EmbeddedPostgres(
            directory.postgres,
            ports["postgres"],
            password=secrets.postgres_password,
            run_dir=directory.run / "postgres",
        )

        async def make_database() -> None:
            await prepare_database(postgres.url(), secrets)

        async def migrate() -> None:
            await run_once("the migration", *services.migrate(), self._step_log("migrations"))

        async def seed() -> None:
            printed = await run_once("making the demo data", *services.seed(), self._step_log("seed"))
            self._seeded = Seeded.parse(printed)

        makers: dict[str, Callable[[], Child | Step]] = {
            "postgres": postgres.child,
            "database": lambda: Step("database", ("postgres",), make_database),
            "migrations": lambda: Step("migrations", ("database",), migrate),
            "redis": lambda: redis_child(directory.run / "redis", port=ports["redis"], password=secrets.redis_password),
            "livekit": lambda: livekit_child(
                directory.run / "livekit", ports, secrets, webhook_url=services.webhook_url
            ),
            "sip": lambda: sip_child(
                directory.run / "sip", ports, secrets, host=options.sip_host, pocket=services.pocket("sip")
            ),
            "egress": lambda: egress_child(
                directory.run / "egress",
                ports,
                secrets,
                recordings=directory.recordings,
                pocket=services.pocket("egress"),
            ),
            "phone": services.phone,
            "models": services.models,
            "seed": lambda: Step("seed", ("migrations", "models"), seed),
            "control_plane": services.control_plane,
            "jobs": services.jobs,
            "knowledge": services.knowledge,
            "worker": services.worker,
            "bots": services.bots,
        }
        if not services.has_own_models:
            del makers["models"]
        if "sip" in options.without:
            del makers["phone"]
        wanted = (
            None if options.only is None else {*options.only, *(["database"] if "postgres" in options.only else [])}
        )
        return [
            make()
            for name, make in makers.items()
            if name not in options.without and (wanted is None or name in wanted)
        ]

    def _step_log(self, name: str) -> BoundedLog:
        return BoundedLog(self.directory.logs / f"{name}.log")

    async def _start_part(self, part: Child | Step, done: Mapping[str, asyncio.Event]) -> None:
        for name in part.after:
            if name in done:
                await done[name].wait()
        began = time.monotonic()
        if isinstance(part, Child):
            await self._supervisor.start(part)
        else:
            await part.run()
        self.announce(f"{part.name:<14} ready after {time.monotonic() - began:.1f} s")
        done[part.name].set()

    def _check_ready_file(self) -> None:
        path = self.options.ready_file
        if path is not None:
            if not os.access(path.parent, os.W_OK):
                raise PermissionError(errno.EACCES, "it is no directory we may write to", str(path.parent))
            path.unlink(missing_ok=True)

    def _remove_ready_file(self) -> None:
        if self.options.ready_file is not None:
            with contextlib.suppress(OSError):  # whatever became of its directory, the children must be stopped
                self.options.ready_file.unlink()

    def _pids_changed(self) -> None:
        if self._is_ready and self.options.ready_file is not None:
            write_whole(self.options.ready_file, json.dumps(self.ready, indent=1) + "\n")


def _first(group: BaseException) -> BaseException:
    """Return the first error in a group, however deep; an error that is no group is itself."""
    error = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
