"""PostgreSQL out of the wheel: as root and as ourselves, killed, recovered, refused."""

import os
import signal
import socket
from pathlib import Path

import psycopg
import pytest

from parley.stack import processes
from parley.stack.database import database_urls, prepare_database
from parley.stack.errors import DirectoryUnusable
from parley.stack.postgres import EmbeddedPostgres
from parley.stack.secrets import Secrets


def postmaster(postgres: EmbeddedPostgres) -> int:
    return int((postgres.data_dir / "postmaster.pid").read_text().splitlines()[0])


def count_rows(postgres: EmbeddedPostgres) -> int:
    with psycopg.connect(postgres.url()) as connection:
        row = connection.execute("select count(*) from kept").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_it_runs_in_a_folder_whether_or_not_others_may_pass(tmp_path: Path, mode: int) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()
    parent.chmod(mode)
    with EmbeddedPostgres(parent / "pg") as postgres:
        with psycopg.connect(postgres.url()) as connection:
            row = connection.execute("show server_version").fetchone()
        info = processes.describe(postmaster(postgres))
        assert info is not None
        if os.geteuid() == 0:
            assert os.stat(f"/proc/{info.pid}").st_uid != 0
    assert row is not None
    assert row[0].startswith("18.")
    assert processes.working_in(parent / "pg") == []


def test_committed_rows_survive_a_kill_and_the_next_start_recovers(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "pg")
    postgres.start()
    with psycopg.connect(postgres.url()) as connection:
        connection.execute("create table kept as select generate_series(1, 1000)")
    os.kill(postmaster(postgres), signal.SIGKILL)
    postgres.stop()
    with postgres:
        assert count_rows(postgres) == 1000
    with postgres:
        assert count_rows(postgres) == 1000


@pytest.mark.anyio
async def test_only_passwords_open_it_and_the_application_is_no_owner(tmp_path: Path) -> None:
    secrets = Secrets.generate()
    async with EmbeddedPostgres(tmp_path / "pg") as postgres:
        await prepare_database(postgres.url(), secrets)
        await prepare_database(postgres.url(), secrets)
        urls = database_urls(postgres.known_port, secrets)
        with psycopg.connect(urls.owner) as connection:
            connection.execute("create table sample (embedding vector(3))")
        for url in (urls.app, urls.knowledge):
            with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("create table other ()")
        for route in (f"host=127.0.0.1 port={postgres.port}", f"host={postgres.run_dir} port={postgres.port}"):
            with pytest.raises(psycopg.OperationalError, match="no password supplied"):
                psycopg.connect(f"{route} user=postgres dbname=postgres", passfile="/dev/null")


@pytest.mark.anyio
async def test_a_changed_password_holds_from_the_next_start(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "pg") as postgres:
        await prepare_database(postgres.url(), Secrets.generate())
        changed = Secrets.generate()
        await prepare_database(postgres.url(), changed)
        psycopg.connect(database_urls(postgres.known_port, changed).app).close()


def test_a_server_that_runs_on_the_folder_is_not_disturbed(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "pg") as postgres:
        with pytest.raises(DirectoryUnusable, match="Stop that one first"):
            EmbeddedPostgres(tmp_path / "pg").start()
        psycopg.connect(postgres.url()).close()


def test_data_of_another_major_version_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir()
    (tmp_path / "pg" / "PG_VERSION").write_text("19\n")
    with pytest.raises(DirectoryUnusable, match=r"belongs to PostgreSQL 19.*pg_dumpall"):
        EmbeddedPostgres(tmp_path / "pg").start()


def test_a_folder_with_other_files_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir()
    (tmp_path / "pg" / "letter.txt").write_text("dear")
    with pytest.raises(DirectoryUnusable, match="is not a database"):
        EmbeddedPostgres(tmp_path / "pg").start()
    assert (tmp_path / "pg" / "letter.txt").read_text() == "dear"


def test_an_interrupted_first_start_is_made_good_by_the_next(tmp_path: Path) -> None:
    half = tmp_path / "pg.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path / "pg") as postgres:
        psycopg.connect(postgres.url()).close()
    assert not half.exists()


def test_a_path_too_long_for_a_socket_is_told_before_anything_is_made(tmp_path: Path) -> None:
    data = tmp_path / ("x" * 60) / ("y" * 60) / "pg"
    with pytest.raises(DirectoryUnusable, match="shorter directory"):
        EmbeddedPostgres(data).start()
    assert not data.parent.exists()


def test_it_listens_on_the_loopback_alone(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "pg") as postgres, socket.socket(socket.AF_INET6) as probe:
        assert probe.connect_ex(("::1", postgres.known_port)) != 0
        probe4 = socket.socket()
        with probe4:
            assert probe4.connect_ex(("127.0.0.2", postgres.known_port)) != 0
