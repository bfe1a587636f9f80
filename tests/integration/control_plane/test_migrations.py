"""Migrations: they build what the models say, and can be taken back."""

import os
import subprocess
import sys

import psycopg

from knowledge.functions import NAMES, read_function
from parley.stack.postgres import EmbeddedPostgres
from parley.stack.secrets import Secrets
from tests.support.database import CHECKOUT, Clone, migrate


def alembic(url: str, *arguments: str) -> None:
    command = [sys.executable, "-m", "alembic", "-c", str(CHECKOUT / "alembic.ini"), *arguments]
    environment = {"PARLEY_DATABASE_URL": url, "PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_models_and_migrations_agree(clone: Clone) -> None:
    alembic(clone.owner, "check")


def test_functions_are_those_of_the_migrations(clone: Clone) -> None:
    bodies = "select proname, prosrc, proconfig from pg_proc where starts_with(proname, 'knowledge_') order by proname"
    with psycopg.connect(clone.owner) as connection:
        migrated = connection.execute(bodies).fetchall()
        for name in NAMES:
            connection.execute(read_function(name))
        assert connection.execute(bodies).fetchall() == migrated
        connection.rollback()


def test_every_migration_can_be_taken_back_and_made_again(
    clone: Clone, postgres: tuple[EmbeddedPostgres, Secrets]
) -> None:
    alembic(clone.owner, "downgrade", "base")
    with psycopg.connect(clone.owner) as connection:
        left = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'public'"
        ).fetchall()
    assert left == [("alembic_version",)]
    alembic(clone.owner, "upgrade", "head")
    alembic(clone.owner, "check")


def test_a_former_version_leaves_a_later_database_alone(clone: Clone) -> None:
    with psycopg.connect(clone.owner) as connection:
        connection.execute("update alembic_version set version_num = '9001'")  # as a version of ours to come would
    migrate(clone.owner)  # as compose and Helm have whoever goes back begin
    with psycopg.connect(clone.owner) as connection:
        assert connection.execute("select version_num from alembic_version").fetchall() == [("9001",)]
