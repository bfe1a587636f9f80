"""Migrations of all tables: the control plane's and the knowledge library's. Run as the owner of the database."""

from time import sleep

from sqlalchemy import create_engine, text

from alembic import context
from control_plane.settings import MigrationSettings
from control_plane.tables import all_metadata

LOCK = 7_270_000
"""Advisory lock: two migrations at once wait for each other."""

engine = create_engine(MigrationSettings().sqlalchemy_url)
with engine.connect() as connection:
    # Not in one statement: a migration that builds an index beside the work waits for every statement to end.
    while not connection.scalar(text(f"select pg_try_advisory_lock({LOCK})")):
        connection.commit()
        sleep(0.2)
    connection.commit()
    context.configure(connection=connection, target_metadata=all_metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
