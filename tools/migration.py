"""Write a migration from the difference between the models and a database at the newest revision.

`python tools/migration.py "what changes"`: starts a PostgreSQL of its own, brings it up to date, compares. Read the
result before you commit it: policies, rights and data are not compared.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from parley.stack.database import database_urls, prepare_database
from parley.stack.postgres import EmbeddedPostgres
from parley.stack.secrets import Secrets

TREE = Path(__file__).resolve().parent.parent


def main() -> int:
    """Return the exit status."""
    if len(sys.argv) != 2 or not sys.argv[1].strip():
        print('say what changes: make migrate m="rooms: remember who closed them"', file=sys.stderr)
        return 2
    secrets = Secrets.generate()
    with tempfile.TemporaryDirectory(prefix="parley-") as folder, EmbeddedPostgres(Path(folder) / "pg") as postgres:
        asyncio.run(prepare_database(postgres.url(), secrets))
        owner = database_urls(postgres.known_port, secrets).owner
        environment = {**os.environ, "PARLEY_DATABASE_URL": owner}
        alembic = [sys.executable, "-m", "alembic.config", "-c", str(TREE / "alembic.ini")]
        number = f"{1 + len(list((TREE / 'alembic' / 'versions').glob('[0-9]*.py'))):04}"
        for arguments in (["upgrade", "head"], ["revision", "--autogenerate", "--rev-id", number, "-m", sys.argv[1]]):
            status = subprocess.run([*alembic, *arguments], env=environment, cwd="/").returncode
            if status != 0:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
