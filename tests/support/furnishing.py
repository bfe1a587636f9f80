"""Tenants' estates as rows: put into the database, looked at, and looked for in others' rows."""

from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from control_plane.ids import fingerprint
from tests.support.estates import FILLINGS, FURTHER, NOW, Estate, Filler, tables
from tests.support.platform import Tenant

OTHER_NAMES: Final = {
    "trunk_id": "sip_trunk",
    "endpoint_id": "webhook_endpoint",
    "delivery_id": "webhook_delivery",
    "agent_config_id": "persona",
    "base_id": "knowledge_base",
    "entry_id": "audit_entry",
    "document_id": "knowledge_document",
    "chunk_id": "knowledge_chunk",
}
"""Columns that point at tables of another name."""
UNTOUCHED: Final = (
    "account_id",
    "redelivery_of",
    "request_key",
    "disabled_reason",
    "error",
    "writing_error",
    "deleted_at",
)
"""Left empty where they may be."""


def furnish(url: str, tenant: Tenant, number: int, *, again: bool = True) -> Estate:
    """Put a row into each table, in place of what is there; `url` is the superuser's, who stands before no wall.

    A tenant that has nothing, not `again`, may be furnished by the owner of the tables.
    """
    estate = Estate(tenant, number)
    for place, table in enumerate(tables()):
        if "id" in table.columns and not isinstance(table.columns["id"].type, sa.String):
            estate.ids[table.name] = 1_000_000 + place * 1000 + number
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        connection.exec_driver_sql("set parley.project = 'all'")
        if again:
            connection.exec_driver_sql("set session_replication_role = replica")  # rows go without those they belong to
            for table in tables():
                connection.execute(sa.delete(table).where(table.columns["project_id"] == tenant.project.id))
            connection.exec_driver_sql("set session_replication_role = origin")
        for table in tables():
            assert table.name in FILLINGS, f"tests/support/estates.py does not know how to fill {table.name}"
            connection.execute(sa.insert(table).values(**row_of(estate, table, FILLINGS[table.name], 0)))
            if table.name in FURTHER:
                connection.execute(sa.insert(table).values(**row_of(estate, table, FURTHER[table.name], 500)))
    engine.dispose()
    return estate


def row_of(estate: Estate, table: sa.Table, filler: Filler, after: int) -> dict[str, Any]:
    """A row of an estate, its columns filled as its filler says, with canaries, or not at all."""
    number = estate.ids.get(table.name, 0) + after
    given = {name: _named(estate, value) for name, value in filler(estate, number).items()}
    row: dict[str, Any] = {}
    for column in table.columns:
        name = column.name
        if name in given:
            row[name] = given[name]
        elif name == "id":
            row[name] = number
        elif name == "uuid":
            row[name] = uuid5(NAMESPACE_URL, f"{estate.slug}/{table.name}{after or ''}")
            estate.uuids.setdefault(table.name, row[name])
        elif name == "project_id":
            row[name] = estate.tenant.project.id
        elif name in UNTOUCHED and column.nullable:
            continue
        elif (value := _value(estate, table, column)) is not None:
            row[name] = value
    return row


def _named(estate: Estate, value: Any) -> Any:
    return value.replace("{slug}", estate.slug) if isinstance(value, str) else value


def _value(estate: Estate, table: sa.Table, column: sa.Column[Any]) -> Any:
    target = OTHER_NAMES.get(column.name, column.name.removesuffix("_id"))
    if column.name.endswith("_id") and isinstance(column.type, sa.BigInteger | sa.Integer):
        return estate.ids.get(target)
    canary = estate.canary(table.name, column.name)
    kind = column.type.impl if isinstance(column.type, sa.TypeDecorator) else column.type
    has_default = column.default is not None or column.server_default is not None
    match kind:
        case JSONB():
            is_list = column.server_default is not None and "[]" in str(getattr(column.server_default, "arg", ""))
            return [canary] if is_list else {"canary": canary}
        case ARRAY():
            return [canary]
        case sa.String():
            return canary
        case sa.LargeBinary():
            return fingerprint(canary)
        case sa.Uuid():
            return None
        case sa.Boolean():
            return None if has_default else True
        case sa.DateTime():
            return None if has_default or column.nullable else NOW
    return None if has_default or column.nullable else 1


def state_of(connection: psycopg.Connection[Any], estate: Estate) -> dict[str, str]:
    """What each table holds of a tenant, as a hash: two are alike where nothing has changed."""
    parts = [
        f"select '{table.name}', md5(coalesce(string_agg(t::text, '|' order by t::text), ''))"
        f" from {table.name} as t where project_id = %(project)s"
        for table in tables()
    ]
    rows = connection.execute(" union all ".join(parts), {"project": estate.tenant.project.id})
    return dict(rows.fetchall())


def pointing_at(connection: psycopg.Connection[Any], owner: Estate, whose: int) -> list[str]:
    """Where rows of the project `whose` point at rows of another's: nothing may."""
    wrong: list[str] = []
    known = {*map(str, owner.ids.values()), *map(str, owner.uuids.values())}
    for table in tables():
        columns = [
            column.name
            for column in table.columns
            if isinstance(column.type, sa.BigInteger | sa.Uuid)
            and column.name not in ("project_id", "id", "account_id")
        ]
        for name in columns:
            found = connection.execute(
                f"select {name}::text from {table.name} where project_id = %s and {name} is not null",
                (whose,),
            ).fetchall()
            wrong += [f"{table.name}.{name} = {value}" for (value,) in found if value in known]
    return wrong
