"""LiveKit's internal RPC (psrpc v0.7 over Redis), both sides, for asyncio.

`Server` offers methods of a service, `Client` calls them, both over a `Bus`; what fails is an `RpcError`.
Streams, which neither SIP nor egress need, are left out.
"""

from pocket.psrpc.bus import Bus
from pocket.psrpc.client import Client
from pocket.psrpc.errors import Code, RpcError
from pocket.psrpc.server import Server

__all__ = ["Bus", "Client", "Code", "RpcError", "Server"]
