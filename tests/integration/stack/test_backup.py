"""The backup of docs/operations/backup.md, tried: dumped, restored on a server that knows nothing, served again."""

import base64
import dataclasses
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest

from control_plane.accounts.chaining import link_entries
from control_plane.clock import Clock
from parley.stack.database import database_urls, prepare_database
from parley.stack.postgres import EmbeddedPostgres, binaries
from parley.stack.secrets import Secrets
from tests.support.database import FAST, Clone
from tests.support.platform import Platform, Tenant
from tests.support.recordings import SOUND, complete, start

pytestmark = pytest.mark.anyio

RIGHTS = """
    select 'policy', tablename, policyname, coalesce(qual, '') || coalesce(with_check, '') || roles::text
    from pg_policies
    union all
    select 'grant', table_name, grantee, string_agg(privilege_type, ' ' order by privilege_type)
    from information_schema.role_table_grants where table_schema = 'public' group by table_name, grantee
    union all
    select 'wall', relname, '', relrowsecurity::text || relforcerowsecurity::text
    from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
    union all
    select 'function', p.oid::regprocedure::text, '', prosecdef::text || coalesce(proacl::text, '')
    from pg_proc p where pronamespace = 'public'::regnamespace and proowner = 'parley_owner'::regrole
"""
"""What holds tenants apart, besides the rows."""


def counts(url: str) -> dict[str, int]:
    """How many rows each table has."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        return {name: connection.execute(f'select count(*) from "{name}"').fetchone()[0] for (name,) in tables}  # type: ignore[index]


def rights(url: str) -> set[tuple[str, ...]]:
    with psycopg.connect(url) as connection:
        return {tuple(row) for row in connection.execute(RIGHTS).fetchall()}


def run(program: str, *arguments: str) -> None:
    command = [str(binaries() / program), *arguments]
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Another host's PostgreSQL, empty."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("elsewhere") / "pg", settings=FAST) as server:
        yield server


@pytest.mark.timeout(400)
async def test_what_was_backed_up_is_served_again_on_another_host(
    platform: Platform, tenant: Tenant, clone: Clone, elsewhere: EmbeddedPostgres, tmp_path: Path
) -> None:
    other = await platform.tenant("other")
    agent = await tenant.make_agent(name="Ada", instructions="You mend bicycles.")
    hook = await tenant.http.post("/webhooks", json={"url": "http://127.0.0.1:9/hook", "events": ["room.started"]})
    assert hook.status_code == 201, hook.text
    assert (await tenant.http.post("/rooms", json={"name": "r"})).status_code == 201
    recording = (await start(tenant))["id"]
    await complete(platform, "EG_1")

    await link_entries(platform.database, Clock(), platform.app.state.audit_macs)

    # The backup: the dump first, the store after it, and the key.
    dump, files = tmp_path / "parley.dump", tmp_path / "elsewhere"
    run("pg_dump", "--format=custom", f"--file={dump}", clone.superuser)
    shutil.copytree(tmp_path / "recordings", files)
    key = platform.settings.secret_key

    # The restore: roles, database and extension as at every first start, then the dump.
    secrets = Secrets.generate()
    await prepare_database(elsewhere.url(), secrets)
    run("pg_restore", "--exit-on-error", f"--dbname={elsewhere.url(database='parley')}", str(dump))
    urls = database_urls(elsewhere.known_port, secrets)
    assert counts(elsewhere.url(database="parley")) == counts(clone.superuser)
    assert rights(elsewhere.url(database="parley")) == rights(clone.superuser)

    restored = dataclasses.replace(
        platform,
        settings=platform.settings.model_copy(
            update={"database_url": platform.settings.database_url.__class__(urls.app), "secret_key": key}
            | {"recordings_url": f"file://{files}"}
        ),
    )
    async with restored.second_process() as url, httpx2.AsyncClient(base_url=f"{url}/api/v1", timeout=30) as http:
        ours, theirs = {"X-API-Key": tenant.key}, {"X-API-Key": other.key}
        read = await http.get(f"/agents/{agent}", headers=ours)
        assert read.json()["agent"]["instructions"] == "You mend bicycles."
        assert (await http.get(f"/agents/{agent}", headers=theirs)).status_code == 403
        made = await http.post("/agents", headers=ours, json={"name": "Grace"})
        assert made.status_code == 201, "the numbers of rows go on"
        assert made.json()["agent"]["id"] > agent
        assert (await http.get(f"/recordings/{recording}/download", headers=ours)).content == SOUND
        assert "http://127.0.0.1:9/hook" in (await http.get("/webhooks", headers=ours)).text
        trail = (await http.get("/audit/verify", headers=ours)).json()
        assert trail["intact"] is True
        assert trail["entries"] > 0


async def test_without_its_secret_key_a_backup_is_not_believed(platform: Platform, tenant: Tenant) -> None:
    lost = base64.b64encode(os.urandom(32)).decode()
    secret = platform.settings.secret_key.__class__(lost)
    restored = dataclasses.replace(platform, settings=platform.settings.model_copy(update={"secret_key": secret}))
    async with restored.second_process() as url, httpx2.AsyncClient(base_url=f"{url}/api/v1", timeout=30) as http:
        await tenant.make_agent()
        await link_entries(platform.database, Clock(), platform.app.state.audit_macs)
        assert (await http.get("/audit/verify", headers={"X-API-Key": tenant.key})).json()["intact"] is False
