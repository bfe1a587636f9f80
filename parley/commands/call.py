"""`parley call`: place a telephone call and follow it to its end."""

import asyncio
from contextlib import aclosing, suppress
from typing import Any, Final

from rich.console import Console

from parley.client import Access, Api, PlatformError
from parley.commands.lines import UNANSWERED, line_of
from parley.commands.monitor import follow

_OVER: Final = UNANSWERED | {"ended"}
_FIRST_NEWS_WITHIN_S: Final = 90.0
"""A telephone rings for 45 s at most; silence for longer means that nobody follows the call."""


async def call(access: Access, console: Console, *, number: str, agent_id: int | None) -> int:
    """Dial, and print what happens and what is said. Status 0 where somebody or a voicemail took the call."""
    body: dict[str, Any] = {"phone_number": number}
    if agent_id is not None:
        body["agent_config_id"] = agent_id
    async with Api(access) as api, aclosing(follow(access, "rooms")) as messages:
        await anext(messages)  # before the call is placed, so that nothing of it is missed
        placed = (await api.send("POST", "/sip/dial", body))["call"]
        room = placed["full_room_name"]
        console.print(f"Calling {placed['phone_number']} in room {placed['room_name']}; Ctrl-C hangs up.")
        try:
            answered = False
            while True:
                async with asyncio.timeout(None if answered else _FIRST_NEWS_WITHIN_S):
                    message = await anext(messages)
                if message["id"] is None or message.get("data", {}).get("full_room_name") != room:
                    continue
                console.print(line_of(message, with_room=False), soft_wrap=True)
                if message["type"] == "call.status":
                    status = message["data"]["status"]
                    answered = answered or status in ("answered", "voicemail")
                    if status in _OVER:
                        return 0 if answered else 1
        except TimeoutError as error:
            raise PlatformError(
                f"nothing was heard of the call for {_FIRST_NEWS_WITHIN_S:.0f} s. Look at the log of the SIP service"
            ) from error
        except asyncio.CancelledError:
            console.print("Hanging up.")
            with suppress(PlatformError):
                await api.send("DELETE", f"/rooms/{placed['room_name']}")
            raise
