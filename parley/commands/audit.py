"""`parley audit verify`: whether the trail of the key's project is as it was written."""

from typing import Any

from rich.console import Console
from rich.text import Text

from parley.client import Access, Api
from parley.commands.running import plain


async def verify_audit(access: Access, console: Console) -> int:
    """Look at all of it; 1 where anything is not as it was."""
    after, entries = 0, 0
    problems: list[dict[str, Any]] = []
    async with Api(access) as api:
        while True:
            verdict = await api.send("GET", f"/audit/verify?after={after}")
            entries += verdict["entries"]
            problems += verdict["problems"]
            if verdict["next_after"] is None:
                break
            after = verdict["next_after"]
    for problem in problems:
        console.print(Text(f"entry {problem['entry_id']}: {plain(problem['kind'])}", style="red"))
    head = verdict["head"]
    if problems:
        console.print(Text(f"{len(problems)} problems in {entries} entries", style="bold red"))
        return 1
    reach = f", up to {head['at']}: {head['seq']} {head['mac']}" if head else ""
    console.print(Text(f"{entries} entries, all as they were written{reach}"), soft_wrap=True)
    return 0
