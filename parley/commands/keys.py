"""`parley keys`: the API keys of the account behind the key that is used."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from parley.client import Access, Api
from parley.commands.running import plain


async def create_key(
    access: Access, console: Console, *, label: str, scopes: list[str], days: int | None, project_id: int | None
) -> int:
    """Make a key and show it, once."""
    body: dict[str, Any] = {"label": label}
    if scopes:
        body["scopes"] = scopes
    if days is not None:
        body["expires_at"] = (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    if project_id is not None:
        body["project_id"] = project_id
    async with Api(access) as api:
        made = (await api.send("POST", "/api-keys", body))["api_key"]
    until = f"until {_day(made['expires_at'])}" if made["expires_at"] else "until it is revoked"
    table = Table.grid(padding=(0, 2))
    table.add_row(Text("key"), Text(made["key"], style="bold"))
    table.add_row(Text("secret"), Text(made["secret"], style="bold"))
    table.add_row(Text("id"), Text(f"{made['id']}  ({plain(made['label'])}, {', '.join(made['scopes'])}, {until})"))
    console.print(table, soft_wrap=True)
    console.print(
        Text("Key and secret are shown only now. The key goes into X-API-Key; the secret signs tokens.", style="dim"),
        soft_wrap=True,
    )
    return 0


async def list_keys(access: Access, console: Console) -> int:
    """Show all keys, newest first, without their secrets."""
    async with Api(access) as api:
        keys = (await api.send("GET", "/api-keys"))["api_keys"]
    table = Table("id", "label", "key", "project", "scopes", "last used", "state", box=None, pad_edge=False)
    for key in keys:
        state, style = _state(key)
        table.add_row(
            str(key["id"]),
            Text(plain(key["label"])),
            Text(f"{key['prefix']}…"),
            str(key["project_id"]),
            ", ".join(key["scopes"]),
            _day(key["last_used_at"]) if key["last_used_at"] else "never",
            Text(state, style=style),
        )
    console.print(table)
    return 0


async def revoke_key(access: Access, console: Console, key_id: int) -> int:
    """End a key at once."""
    async with Api(access) as api:
        await api.send("DELETE", f"/api-keys/{key_id}")
    console.print(f"Key {key_id} opens nothing any more.")
    return 0


def _state(key: dict[str, Any]) -> tuple[str, str]:
    if key["revoked_at"]:
        return f"revoked {_day(key['revoked_at'])}", "red"
    if key["expires_at"] and datetime.fromisoformat(key["expires_at"]) <= datetime.now(UTC):
        return f"expired {_day(key['expires_at'])}", "red"
    return (f"until {_day(key['expires_at'])}" if key["expires_at"] else "active"), "green"


def _day(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M")
