"""`parley password`: the operator's help for who forgot theirs."""

from rich.console import Console
from rich.text import Text

from parley.client import Access, Api


async def make_link(access: Access, console: Console, *, email: str) -> int:
    """Make a link that sets another password, and show it, once."""
    async with Api(access) as api:
        made = await api.send("POST", "/admin/password-links", {"email": email})
    console.print(Text(made["url"], style="bold"), soft_wrap=True)
    told = f"Good until {made['expires_at']}, and once. Whoever opens it sets the password: give it to nobody else."
    console.print(Text(told, style="dim"), soft_wrap=True)
    return 0
