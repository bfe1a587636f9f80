"""`python -m control_plane serve|jobs|migrate|rotate-secrets`: one process each."""

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import psycopg
import uvicorn
import uvloop
from alembic.config import Config
from alembic.script import ScriptDirectory
from pydantic import ValidationError
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE

from alembic import command
from control_plane.app import create_app
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import PlatformError
from control_plane.media.recorder import LiveKitRecorder, target_of
from control_plane.media.server import LiveKitMedia
from control_plane.metering import prices
from control_plane.recordings.storage import build_store
from control_plane.secrets.box import SecretBox
from control_plane.secrets.rotating import Rotated
from control_plane.settings import MigrationSettings, SecretsSettings, Settings
from control_plane.stopping import Stopping
from control_plane.supervisor import loops
from control_plane.supervisor.rotating import rotate
from guard import exposition, logs, redaction, traces
from guard.settings import wrong_settings
from sip.dialer import LiveKitDialer

CHECKOUT = Path(__file__).parent.parent
GRACE = 10
"""Seconds that open requests and sockets get at the end."""
LOOK_EVERY = 0.05


class Server(uvicorn.Server):
    """Says for a while that it is being stopped before it listens no more: nobody should find a closed door."""

    def __init__(self, config: uvicorn.Config, stopping: Stopping, *, notice: float) -> None:
        super().__init__(config)
        self.stopping, self.notice = stopping, notice

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Give notice, then close as any server. A second SIGINT cuts the notice short."""
        self.stopping.begin()
        until = time.monotonic() + self.notice
        while time.monotonic() < until and not self.force_exit:  # noqa: ASYNC110 - a signal sets it
            await asyncio.sleep(LOOK_EVERY)
        await super().shutdown(sockets)


def config_of(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How the control plane is served."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        forwarded_allow_ips=[each.strip() for each in settings.trusted_proxies.split(",") if each.strip()],
        timeout_graceful_shutdown=GRACE,
        ws="websockets-sansio",
        ws_max_size=2**20,
    )


def serve() -> None:
    """HTTP, sockets and the uplink, until SIGTERM."""
    settings = Settings()
    logs.configure(settings.log_format)
    redaction.configure(settings.redactor)
    prices.configure(settings.prices)
    traces.configure(
        settings.otel_exporter_otlp_endpoint, service="parley-serve", ratio=settings.otel_traces_sampler_arg
    )
    app = create_app(settings)
    # A full collection of what stays for ever, all models and routes, would stop every request for 0.2 s.
    gc.collect()
    gc.freeze()
    server = Server(config_of(app, settings), app.state.stopping, notice=settings.stop_notice)
    with suppress(KeyboardInterrupt):  # the SIGINT that it was stopped by
        server.run()
    traces.close()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def jobs() -> None:
    """Sequencer, job table, sweeps and reconciler, until SIGTERM."""
    settings = Settings()
    logs.configure(settings.log_format)
    redaction.configure(settings.redactor)
    prices.configure(settings.prices)
    if settings.ready_file:
        Path(settings.ready_file).unlink(missing_ok=True)  # of a process before us in the same pod
    uvloop.run(_jobs(settings))


async def _jobs(settings: Settings) -> None:
    database = Database(settings.sqlalchemy_url, pool=settings.database_pool)
    livekit = settings.livekit_url, settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()
    media = LiveKitMedia(*livekit, timeout=settings.media_timeout)
    dialer = LiveKitDialer(*livekit, timeout=settings.media_timeout)
    target = target_of(settings.recordings_url, settings.recordings_options)
    recorder = LiveKitRecorder(*livekit, target, timeout=settings.media_timeout)

    def ready() -> None:
        if settings.ready_file:
            Path(settings.ready_file).write_text(str(os.getpid()))

    work = asyncio.create_task(loops.run(database, settings, media, dialer, recorder, Clock(), ready=ready))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        async with exposition.listening(settings.metrics_host, settings.metrics_port):
            await work
    except asyncio.CancelledError:
        return
    finally:
        await media.close()
        await dialer.close()
        await recorder.close()
        await database.close()


def migrate(revision: str = "head") -> None:
    """Bring the database to a revision; needs the owner's address in `PARLEY_DATABASE_URL`.

    One of a later version is left as it is, and that is no failure: migrations only add, and whoever goes back to a
    former version has it begin with this.
    """
    settings = MigrationSettings()  # says in one line what is missing; alembic would show a traceback
    config = Config(CHECKOUT / "alembic.ini")
    newest = ScriptDirectory.from_config(config).get_current_head() or ""
    if (found := _revision_of(settings.database_url.get_secret_value())) > newest:
        sys.stdout.write(
            f"The database is at {found}, of a later version than this one ({newest}): it stays as it is\n"
        )
        return
    command.upgrade(config, revision)


def _revision_of(url: str) -> str:
    """The migration that a database is at; empty where it was never migrated."""
    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://", 1)) as connection:
        if connection.execute("select to_regclass('alembic_version')").fetchone() == (None,):
            return ""
        row = connection.execute("select version_num from alembic_version").fetchone()
        return str(row[0]) if row else ""


def rotate_secrets() -> None:
    """Seal with the first of the secret keys whatever is sealed with a former one, and tell how much that was."""
    settings = SecretsSettings()
    logs.configure(settings.log_format)
    try:
        done = asyncio.run(_rotate(settings))
    except PlatformError as error:  # what was done is done
        sys.exit(f"parley rotate-secrets: {error.message}; run it again")
    for what, rotated in done.items():
        sys.stdout.write(
            f"{what:<32} {rotated.done:>8} anew {rotated.unreadable:>6} unreadable {rotated.left:>6} left\n"
        )
    if any(rotated.unreadable or rotated.left for rotated in done.values()):
        sys.exit("parley rotate-secrets: keep the former keys, and run it again")


async def _rotate(settings: SecretsSettings) -> dict[str, Rotated]:
    database = Database(settings.sqlalchemy_url, pool=2)
    try:
        return await rotate(database, SecretBox(settings.secret_keys), build_store(settings))
    finally:
        await database.close()


PROCESSES: Final = {"serve": serve, "jobs": jobs, "migrate": migrate, "rotate-secrets": rotate_secrets}


def main() -> None:
    """Choose the process."""
    parser = argparse.ArgumentParser(prog="python -m control_plane", description=__doc__)
    parser.add_argument("process", choices=[*PROCESSES])
    process = parser.parse_args().process
    try:
        PROCESSES[process]()
    except ValidationError as error:
        sys.exit(f"parley {process} cannot start: {wrong_settings(error)} (see docs/reference/settings.md)")
    except traces.TracesMissingError as error:
        sys.exit(f"parley {process} cannot start: {error}")


if __name__ == "__main__":
    main()
