"""Whoever changes the audit trail behind the platform's back is shown to have: the owner of the database as well."""

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any

import httpx2
import psycopg
import pytest
from pydantic import SecretStr
from rich.console import Console

from control_plane.accounts import chaining
from control_plane.accounts.chain import audit_macs
from control_plane.accounts.chaining import link_entries
from control_plane.clock import Clock
from control_plane.health.pulses import Pulse
from control_plane.supervisor import verifying
from control_plane.supervisor.verifying import verify_trails
from parley.client import Access
from parley.commands.audit import verify_audit
from tests.support.database import Clone
from tests.support.platform import ADMIN_KEY, SECRET_KEY, Platform, Tenant
from tests.support.scraping import read, value
from tests.support.tried import sample, tried

pytestmark = pytest.mark.anyio

Tamper = Callable[[psycopg.Connection[Any], list[int]], None]


def _set(assignment: str) -> Tamper:
    def tamper(connection: psycopg.Connection[Any], ids: list[int]) -> None:
        connection.execute(f"update audit_entry set {assignment} where id = %s", [ids[3]])  # type: ignore[arg-type]

    return tamper


def _run(*statements: str) -> Tamper:
    def tamper(connection: psycopg.Connection[Any], ids: list[int]) -> None:
        values = {"first": ids[0], "middle": ids[3], "next": ids[4], "last": ids[-1], "new": ids[-1] + 1000}
        for statement in statements:
            connection.execute(statement, values)  # type: ignore[arg-type]

    return tamper


COPY = "insert into audit_entry (id, project_id, key_id, action, target, status, at) select"
TAMPERING: dict[str, tuple[Tamper, str]] = {
    "who": (_set("key_id = 'another'"), "changed"),
    "what": (_set("action = 'GET /rooms'"), "changed"),
    "whom": (_set('target = target || \'{"room": "x"}\''), "changed"),
    "how": (_set("status = 500"), "changed"),
    "when": (_set("at = at + interval '1 microsecond'"), "changed"),
    "whose": (_set("project_id = (select max(id) from project)"), "missing"),
    "deleted within": (_run("delete from audit_entry where id = %(middle)s"), "missing"),
    "deleted at the end": (_run("delete from audit_entry where id = %(last)s"), "missing"),
    "deleted at the beginning": (_run("delete from audit_entry where id = %(first)s"), "missing"),
    "deleted with its link": (
        _run(
            "delete from audit_link where entry_id = %(middle)s",
            "delete from audit_entry where id = %(middle)s",
        ),
        "moved",
    ),
    "a tail with its links": (
        _run(
            "delete from audit_link where entry_id > %(middle)s",
            "delete from audit_entry where id > %(middle)s",
        ),
        "cut",
    ),
    "a tail, its links and the head": (
        _run(
            "delete from audit_link where entry_id > %(middle)s",
            "delete from audit_entry where id > %(middle)s",
            "update audit_head set (seq, entry_id, mac) = ("
            " select seq, entry_id, mac from audit_link where entry_id = %(middle)s) where project_id = 1",
        ),
        "cut",
    ),
    "the head": (_run("delete from audit_head where project_id = 1"), "cut"),
    "swapped": (
        _run(
            "update audit_entry set id = -1 where id = %(middle)s",
            "update audit_entry set id = %(middle)s where id = %(next)s",
            "update audit_entry set id = %(next)s where id = -1",
        ),
        "changed",
    ),
    "swapped with their links": (
        _run(
            "update audit_link set seq = -1 where entry_id = %(middle)s",
            "update audit_link set seq = 4 where entry_id = %(next)s",
            "update audit_link set seq = 5 where seq = -1",
        ),
        "moved",
    ),
    "inserted": (
        _run(
            "update audit_link set entry_id = -entry_id where entry_id >= %(middle)s",
            "update audit_entry set id = id + 1000 where id >= %(middle)s",
            "update audit_link set entry_id = 1000 - entry_id where entry_id < 0",
            "update audit_head set entry_id = entry_id + 1000 where project_id = 1",
            f"{COPY} %(middle)s, project_id, key_id, action, target, status, at from audit_entry where id = %(first)s",
        ),
        "unlinked",
    ),
    "a link": (_run("update audit_link set mac = '\\x00' where entry_id = %(middle)s"), "changed"),
}


async def trail(platform: Platform, tenant: Tenant, count: int = 8) -> None:
    for number in range(count):
        made = await tenant.http.post("/rooms", json={"name": f"r{number}"})
        assert made.status_code == 201, made.text
    await link(platform)


async def link(platform: Platform) -> None:
    await link_entries(platform.database, Clock(), audit_macs(SECRET_KEY))


async def verdict(tenant: Tenant, query: str = "") -> dict[str, Any]:
    answer = await tenant.http.get(f"/audit/verify{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_trail_that_nobody_touched_is_whole(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaining, "AT_ONCE", 3)
    monkeypatch.setattr(chaining, "BATCH", 2)
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    assert await verdict(mine) == {"intact": True, "entries": 0, "next_after": None, "problems": [], "head": None}
    for tenant in (mine, theirs, mine):
        await tenant.http.post("/members", json={"email": "a@example.org"})
    await trail(platform, mine)
    await trail(platform, theirs, 2)

    whole = await verdict(mine)

    assert (whole["intact"], whole["entries"], whole["head"]["seq"]) == (True, 9, 9)
    assert (await verdict(theirs))["entries"] == 3


async def test_a_long_trail_is_looked_at_in_parts(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await trail(platform, tenant)
    monkeypatch.setattr(chaining, "BATCH", 3)
    monkeypatch.setattr(chaining, "MOST", 3)

    first = await verdict(tenant)
    second = await verdict(tenant, f"?after={first['next_after']}")
    third = await verdict(tenant, f"?after={second['next_after']}")

    assert [(each["intact"], each["next_after"]) for each in (first, second, third)] == [
        (True, 3),
        (True, 6),
        (True, None),
    ]


async def test_what_was_slipped_in_is_told_with_the_part_where_it_stands(
    platform: Platform, tenant: Tenant, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    await trail(platform, tenant)
    monkeypatch.setattr(chaining, "BATCH", 3)
    monkeypatch.setattr(chaining, "MOST", 3)
    with psycopg.connect(clone.owner) as connection:
        connection.execute(f"{COPY} -5, project_id, key_id, action, target, status, at from audit_entry limit 1")

    parts = [await verdict(tenant, f"?after={after}") for after in (0, 3, 6)]

    assert [each["problems"] for each in parts] == [[{"entry_id": -5, "kind": "unlinked"}], [], []]


async def test_every_way_to_tamper_shows(platform: Platform, tenant: Tenant, clone: Clone) -> None:
    await platform.tenant("theirs")
    await trail(platform, tenant)
    unseen, count = [], 0
    with psycopg.connect(clone.owner) as connection:
        ids = [row[0] for row in connection.execute("select id from audit_entry where project_id = 1 order by id")]
        kept = {table: connection.execute(f"select * from {table}").fetchall() for table in KEPT}  # type: ignore[arg-type]
        for name, (tamper, kind) in TAMPERING.items():
            tamper(connection, ids)
            connection.commit()
            found = await verdict(tenant)
            count += 1
            if found["intact"] or kind not in {each["kind"] for each in found["problems"]}:
                unseen.append((name, found))
            _put_back(connection, kept)
        assert (await verdict(tenant))["intact"]
    tried("audit chain: ways to tamper", count, len(unseen))
    assert not unseen, unseen


KEPT = ("audit_entry", "audit_link", "audit_head")


def _put_back(connection: psycopg.Connection[Any], kept: dict[str, list[Any]]) -> None:
    for table, rows in kept.items():
        connection.execute(f"delete from {table}")  # type: ignore[arg-type]
        over = "overriding system value" if table == "audit_entry" else ""
        for row in rows:
            places = ", ".join(["%s"] * len(row))
            values = [json.dumps(each) if isinstance(each, dict) else each for each in row]
            connection.execute(f"insert into {table} {over} values ({places})", values)  # type: ignore[arg-type]
    connection.commit()


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_entry set status = 1",
        "delete from audit_entry",
        "truncate audit_entry",
        "update audit_link set seq = 1",
        "delete from audit_link",
        "delete from audit_head",
    ],
)
async def test_the_application_itself_cannot_change_the_trail(clone: Clone, statement: str) -> None:
    with (
        psycopg.connect(clone.app, options="-c parley.project=all") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)  # type: ignore[arg-type]


async def test_entries_that_are_written_at_once_are_linked_in_one_chain(
    platform: Platform, tenant: Tenant, clone: Clone
) -> None:
    writers, each = 8, sample(125, 10)
    done = asyncio.Event()

    async def keep_linking() -> None:
        while not done.is_set():
            await link(platform)

    async def write() -> None:
        async with await psycopg.AsyncConnection.connect(clone.app, options="-c parley.project=all") as connection:
            for number in range(each):
                async with connection.transaction():
                    await connection.execute(INSERT, [f"{number}"])
                    await asyncio.sleep(0)

    linking = asyncio.create_task(keep_linking())
    await asyncio.gather(*(write() for _ in range(writers)))
    done.set()
    await linking
    await link(platform)

    found = await verdict(tenant)

    tried("audit chain: entries written at once", writers * each, len(found["problems"]))
    assert found["intact"], found
    assert found["entries"] == writers * each


INSERT = (
    "insert into audit_entry (project_id, key_id, action, target, status, at) values (1, 'k', %s, '{}', 200, now())"
)


async def test_what_an_open_transaction_may_still_commit_is_waited_for(
    platform: Platform, tenant: Tenant, clone: Clone
) -> None:
    with psycopg.connect(clone.app, options="-c parley.project=all") as slow:
        slow.execute(INSERT, ["early"])
        await tenant.http.post("/rooms", json={"name": "r"})
        await link(platform)
        assert (await verdict(tenant))["head"] is None
        slow.commit()
    await link(platform)

    found = await verdict(tenant)

    assert (found["intact"], found["entries"]) == (True, 2)


async def test_the_command_says_so_and_ends_with_a_status(platform: Platform, tenant: Tenant, clone: Clone) -> None:
    await trail(platform, tenant, 3)
    said = io.StringIO()
    access = Access(api_url=platform.url, api_key=SecretStr(tenant.key))

    assert await verify_audit(access, Console(file=said)) == 0
    with psycopg.connect(clone.owner) as connection:
        connection.execute("update audit_entry set key_id = 'another' where id = 2")
    assert await verify_audit(access, Console(file=said)) == 1

    assert "3 entries, all as they were written" in said.getvalue()
    assert "entry 2: changed" in said.getvalue()


async def told(platform: Platform) -> tuple[dict[str, Any], float]:
    """What the operator is told of the trails, by the API and by Prometheus."""
    await Pulse(platform.database, Clock(), "jobs", watches=True).beat()
    async with httpx2.AsyncClient(base_url=platform.url, headers={"X-API-Key": ADMIN_KEY}, timeout=30) as operator:
        health = (await operator.get("/api/v1/admin/health")).json()
        figures = read((await operator.get("/metrics")).text)
    return dict(health["parts"]["audit"]), value(figures, "parley_audit_trails_broken")


async def verify(platform: Platform) -> None:
    await verify_trails(platform.database, Clock(), audit_macs(SECRET_KEY))


async def test_whoever_touches_the_trail_sets_off_an_alarm_that_ends_once_it_is_put_back(
    platform: Platform, tenant: Tenant, clone: Clone
) -> None:
    await platform.tenant("theirs")
    await trail(platform, tenant)
    await verify(platform)
    well, broken = await told(platform)
    assert (well["status"], well["broken"], broken) == ("ok", [], 0)
    assert well["verified_at"] is not None

    with psycopg.connect(clone.owner) as connection:
        ids = [row[0] for row in connection.execute("select id from audit_entry where project_id = 1 order by id")]
        kept = {table: connection.execute(f"select * from {table}").fetchall() for table in KEPT}  # type: ignore[arg-type]
        connection.execute("update audit_entry set key_id = 'another' where id = %s", [ids[3]])
        connection.commit()
        await verify(platform)
        alarm, broken = await told(platform)
        _put_back(connection, kept)
    assert (alarm["status"], broken) == ("degraded", 1)
    assert alarm["broken"] == [{"project_id": 1, "entry_id": ids[3], "kind": "changed"}]
    assert "in project 1" in alarm["reason"]

    await verify(platform)
    well, broken = await told(platform)
    assert (well["status"], well["reason"], broken) == ("ok", None, 0)


async def test_a_long_trail_is_verified_over_several_passes(
    platform: Platform, tenant: Tenant, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    await trail(platform, tenant)  # eight entries
    for module, name in ((chaining, "BATCH"), (chaining, "MOST"), (verifying, "ENTRIES")):
        monkeypatch.setattr(module, name, 3)
    with psycopg.connect(clone.owner) as connection:
        connection.execute("update audit_entry set status = 500 where id = (select max(id) from audit_entry)")
    seen = []
    for _ in range(5):
        await verify(platform)
        alarm, _ = await told(platform)
        seen.append((alarm["status"], alarm["verified_at"] is not None))

    # Told with the third pass, and on while the second round has not come to the place again.
    assert seen == [("ok", False)] * 2 + [("degraded", True)] * 3


async def test_a_trail_that_cannot_be_read_sets_off_the_alarm_and_holds_no_other_up(
    platform: Platform, tenant: Tenant, clone: Clone
) -> None:
    theirs = await platform.tenant("theirs")
    await trail(platform, tenant)
    await trail(platform, theirs)
    with psycopg.connect(clone.owner) as connection:
        was = connection.execute("select id, at from audit_entry where project_id = 1 order by id limit 1").fetchone()
        assert was is not None
        connection.execute("update audit_entry set at = 'infinity' where id = %s", [was[0]])
        connection.execute("update audit_entry set status = 500 where project_id = %s", [theirs.project.id])
        connection.commit()
        await verify(platform)
        alarm, broken = await told(platform)
        connection.execute("update audit_entry set at = %s where id = %s", [was[1], was[0]])
    assert broken == 2
    kinds = {each["project_id"]: each["kind"] for each in alarm["broken"]}
    assert kinds == {1: "unreadable", theirs.project.id: "changed"}

    await verify(platform)
    alarm, _ = await told(platform)
    assert [each["project_id"] for each in alarm["broken"]] == [theirs.project.id]


async def test_what_is_linked_while_a_trail_is_verified_is_no_problem_of_it(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await trail(platform, tenant, 3)
    async with platform.database.platform() as db:
        ask = db.execute

        async def ask_late(statement: Any, *values: Any) -> Any:
            found = await ask(statement, *values)
            if statement is chaining._LINKED and not written:
                written.append(await tenant.http.post("/rooms", json={"name": "late"}))
                await link(platform)
            return found

        written: list[Any] = []
        monkeypatch.setattr(db, "execute", ask_late)
        found = await chaining.verify_trail(db, audit_macs(SECRET_KEY), 1)

    assert (found.intact, found.problems, found.entries) == (True, [], 4)
