"""Session timers (RFC 4028): a call whose far end no longer hears of us is over, whoever of the two refreshes it."""

import asyncio
import re
from contextlib import suppress
from typing import Final

from pocket.bridge.call import Call, Ending
from pocket.ending import EndedError
from pocket.rtp import sdp
from pocket.sip.message import Message, Request, Response

MARGIN: Final = 32.0
"""Seconds before the end of an interval at which we hang up, or a third of a short one (RFC 4028, 10)."""
AGAIN: Final = 1.0
"""Seconds until we ask again with the interval that the far end wants."""
_EXPIRES: Final = re.compile(r"\s*(\d{1,6})\s*(?:;.*?refresher\s*=\s*(uac|uas))?", re.I)
_GONE: Final = (408, 481)


def interval_of(message: Message) -> int | None:
    """Seconds that the far end asks for; None where it has no session timer."""
    found = _EXPIRES.match(message.get("session-expires") or "")
    return int(found[1]) if found else None


def accept(call: Call, request: Request) -> list[tuple[str, str]]:
    """Do as an INVITE or UPDATE asks, and the headers of its answer that say so."""
    found = _EXPIRES.match(request.get("session-expires") or "")
    _forget(call)
    if found is None:
        return []
    theirs = "timer" in ",".join(request.all("supported")).lower()
    refresher = (found[2] or ("uac" if theirs else "uas")).lower()
    _watch(call, int(found[1]), ours=refresher == "uas")
    return [("session-expires", f"{found[1]};refresher={refresher}"), *([("require", "timer")] if theirs else [])]


def agree(call: Call, response: Response) -> None:
    """Do as the answer to an INVITE or UPDATE of ours says."""
    found = _EXPIRES.match(response.get("session-expires") or "")
    _forget(call)
    if found is not None:
        _watch(call, int(found[1]), ours=(found[2] or "uac").lower() == "uac")


def _forget(call: Call) -> None:
    if call.timer is not None:
        call.timer.cancel()
        call.timer = None


def _watch(call: Call, interval: int, *, ours: bool) -> None:
    _forget(call)
    if ours:
        _refresh_in(call, interval / 2, interval)
    else:
        patience = interval - min(MARGIN, interval / 3)
        call.timer = asyncio.get_running_loop().call_later(patience, call.end, Ending())


def _refresh_in(call: Call, seconds: float, interval: int) -> None:
    call.timer = asyncio.get_running_loop().call_later(
        max(seconds, AGAIN), lambda: call.house.own(_refresh(call, interval))
    )


async def _refresh(call: Call, interval: int) -> None:
    try:
        async with asyncio.timeout(max(interval / 2, AGAIN)):
            response = await call.unless_ended(_ask(call, interval))
    except EndedError:
        return
    except TimeoutError:
        response = None
    if response is None or response.status in _GONE:
        call.end(Ending())
    elif response.status < 300:
        agree(call, response)
    elif response.status == 422 and (response.get("min-se") or "").isdecimal():
        _refresh_in(call, AGAIN, max(interval, int((response.get("min-se") or "")[:6])))
    else:
        _refresh_in(call, interval / 2, interval)  # whoever refuses is there


async def _ask(call: Call, interval: int) -> Response | None:
    """An UPDATE, or an INVITE that changes nothing for those who do not know it."""
    dialog = call.dialog
    assert dialog is not None
    headers = [("supported", "timer"), ("session-expires", f"{interval};refresher=uac")]
    if dialog.allows("UPDATE"):
        return await dialog.request("UPDATE", headers=headers)
    response = await dialog.request("INVITE", headers=headers, body=call.description)
    if response is not None and response.status < 300 and call.agreement is not None:
        secured = call.agreement.srtp
        with suppress(sdp.SdpError):
            call.agree(
                sdp.agree(
                    sdp.parse(response.body),
                    encryption="require" if secured else "disable",
                    our_offer=(secured.send,) if secured else (),
                )
            )
    return response
