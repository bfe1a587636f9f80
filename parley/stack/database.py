"""The platform's database: its roles with their passwords, the database itself, and the vector extension."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import psycopg
from psycopg import sql

from parley.stack.secrets import Secrets

NAME = "parley"
OWNER, APP, KNOWLEDGE = "parley_owner", "parley_app", "parley_knowledge"


@dataclass(frozen=True)
class DatabaseUrls:
    """How each role reaches the database."""

    owner: str
    app: str
    knowledge: str


def database_urls(port: int, secrets: Secrets) -> DatabaseUrls:
    """Return the URL of each role."""
    return DatabaseUrls(
        owner=_url(OWNER, secrets.owner_password, port),
        app=_url(APP, secrets.app_password, port),
        knowledge=_url(KNOWLEDGE, secrets.knowledge_password, port),
    )


async def prepare_database(superuser_url: str, secrets: Secrets) -> None:
    """Make roles, database and extension where they are missing, and set the passwords. Repeating it is fine.

    The rights of the roles on tables are given by the migrations, which run as the owner.
    """
    passwords = {OWNER: secrets.owner_password, APP: secrets.app_password, KNOWLEDGE: secrets.knowledge_password}
    async with await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as connection:
        known = await connection.execute("select rolname from pg_roles where rolname = any(%s)", [list(passwords)])
        existing = {name for (name,) in await known.fetchall()}
        for role, password in passwords.items():
            verb = sql.SQL("alter" if role in existing else "create")
            await connection.execute(
                sql.SQL("{} role {} login password {}").format(verb, sql.Identifier(role), sql.Literal(password))
            )
        found = await connection.execute("select 1 from pg_database where datname = %s", [NAME])
        if await found.fetchone() is None:
            await connection.execute(
                sql.SQL("create database {} owner {}").format(sql.Identifier(NAME), sql.Identifier(OWNER))
            )
    async with await psycopg.AsyncConnection.connect(superuser_url, autocommit=True, dbname=NAME) as connection:
        # Only a superuser may: the extension is not marked as trusted.
        await connection.execute("create extension if not exists vector")


def _url(role: str, password: str, port: int) -> str:
    return f"postgresql://{role}:{quote(password, safe='')}@127.0.0.1:{port}/{NAME}"
