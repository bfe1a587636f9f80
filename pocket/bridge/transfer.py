"""Cold transfer (RFC 3515): the phone is asked to call somebody else, and tells how that went."""

import asyncio
from typing import Final

from pocket.bridge.call import Call, Ending
from pocket.bridge.outcomes import CallFailedError, broken, refused
from pocket.bridge.protobufs.rpc_sip_pb2 import InternalTransferSIPParticipantRequest as Asked
from pocket.bridge.seconds import seconds
from pocket.bridge.tones import ringback
from pocket.psrpc.errors import RpcError
from pocket.sip.uri import SipError, Uri

WITHIN: Final = 30.0
"""Seconds where nobody says."""
AFTERWARDS: Final = 1.0
"""Seconds in which a phone that was transferred may hang up itself."""


async def transfer(call: Call, asked: Asked) -> None:
    """Ask for it and wait until it is certain. Raises `CallFailedError`; the call goes on where it failed."""
    try:
        Uri.parse(asked.transfer_to.strip("<>"))
    except SipError:
        raise CallFailedError(RpcError("invalid_argument", "transfer_to must be a sip:, sips: or tel: URI")) from None
    if call.dialog is None or call.media is None or call.ended or call.referred is not None:
        raise broken("can't transfer a call that is not established, or is being transferred")
    call.referred = asyncio.get_running_loop().create_future()
    if asked.play_dialtone:
        call.play(ringback(call.media.sample_rate))
    try:
        async with asyncio.timeout(seconds(asked.ringing_timeout) or WITHIN):
            status, reason = await _refer(call, asked)
    except TimeoutError:
        raise CallFailedError(RpcError("deadline_exceeded", "request timed out")) from None
    finally:
        call.playing.clear()
        call.referred = None
    if status >= 300:
        raise refused("call transfer failed", status, reason)
    asyncio.get_running_loop().call_later(AFTERWARDS, call.end, Ending())


async def _refer(call: Call, asked: Asked) -> tuple[int, str]:
    assert call.dialog is not None
    assert call.referred is not None
    headers = [("refer-to", f"<{asked.transfer_to.strip('<>')}>"), ("referred-by", f"<sip:{call.house.agent.host}>")]
    response = await call.dialog.request("REFER", headers=[*headers, *call.parting_headers(), *asked.headers.items()])
    if response is None:
        raise broken("the phone does not answer the transfer")
    if response.status >= 300:
        raise refused("REFER failed", response.status, response.reason)
    return await call.referred
