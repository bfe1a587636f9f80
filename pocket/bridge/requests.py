"""What the far end asks for during a call: hold, refresh, digits, the outcome of a transfer, the end."""

import re
from typing import Final

from pocket.bridge import refreshing
from pocket.bridge.call import Call, Ending
from pocket.rtp import sdp
from pocket.sip.message import Request
from pocket.sip.transactions import ServerTransaction

_SIGNAL: Final = re.compile(r"(?im)^[ \t]*signal[ \t]*=[ \t]*([0-9A-D*#])|^[ \t]*([0-9A-D*#])[ \t]*\r?$")
_FRAGMENT: Final = re.compile(r"SIP/2\.0 (\d{3}) ?([^\r\n]*)")


def receive(call: Call, request: Request, transaction: ServerTransaction) -> None:
    """Answer a request of an established call."""
    if call.dialog is None or not call.dialog.accepts(request):
        transaction.respond(500)
        return
    if call.ended and (request.method != "BYE" or call.cancelled):
        transaction.respond(481)
        return
    match request.method:
        case "BYE":
            transaction.respond(200)
            call.end(Ending(said=True))
        case "INVITE" | "UPDATE":
            _change(call, request, transaction)
        case "INFO":
            transaction.respond(200)
            _press(call, request)
        case "NOTIFY":
            transaction.respond(200)
            _report(call, request)
        case "OPTIONS":
            transaction.respond(200)
        case "REFER":
            transaction.respond(603)
        case _:
            transaction.respond(405)


def _change(call: Call, request: Request, transaction: ServerTransaction) -> None:
    assert call.dialog is not None
    assert call.media is not None
    least, interval = call.house.settings.least_session_interval, refreshing.interval_of(request)
    if interval is not None and interval < least:
        transaction.respond(422, headers=[("min-se", str(least))])
        return
    body = b""
    if request.body:
        try:
            remote = sdp.parse(request.body)
            secured = call.agreement is not None and call.agreement.srtp is not None
            agreement = sdp.agree(remote, encryption="require" if secured else "disable", previous=call.agreement)
            call.agree(agreement)
        except sdp.SdpError:
            transaction.respond(488)
            return
        call.version += 1
        host = call.house.agent.host
        body = sdp.answer(remote, agreement, host, call.media.port, call.session_id, call.version)
        call.description = body
    elif request.method == "INVITE":
        body = call.description
    call.dialog.refresh(request)
    contact = call.house.agent.contact(call.dialog.flow.transport)
    transaction.respond(200, headers=[("contact", contact), *refreshing.accept(call, request)], body=body)


def _press(call: Call, request: Request) -> None:
    if "dtmf" not in (request.get("content-type") or "").lower():
        return
    found = _SIGNAL.search(request.body.decode("ascii", "ignore").upper())
    if found is not None:
        call.pressed(found[1] or found[2])


def _report(call: Call, request: Request) -> None:
    if call.referred is None or call.referred.done() or not (request.get("event") or "").lower().startswith("refer"):
        return
    found = _FRAGMENT.match(request.body.decode("utf-8", "replace"))
    if found is not None and int(found[1]) >= 200:
        call.referred.set_result((int(found[1]), found[2]))
