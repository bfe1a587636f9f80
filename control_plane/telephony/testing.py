"""Trying a trunk: asks its server whether it answers, by the rules for every address that customers choose."""

import asyncio
from typing import Final, get_args

from control_plane.db.database import Db
from control_plane.telephony.carriers import ADVICE, ClosedAddressError, find_carrier
from control_plane.telephony.sync import sealed_for
from control_plane.telephony.trunks import TrunkService
from guard.outbound import Outbound
from sip.probe import Finding, Target, TransportName, probe

WITHIN: Final = 5.0
"""Seconds a test takes at most."""
PORT, TLS_PORT = 5060, 5061


class TrunkTester:
    """Tests the trunks of one caller."""

    def __init__(self, db: Db, trunks: TrunkService, outbound: Outbound) -> None:
        self.db, self.trunks, self.outbound = db, trunks, outbound

    async def test(self, trunk_id: int) -> Finding:
        """What is wrong with a trunk, if anything. Raises `NotFound`, `Forbidden`; nothing is locked while it waits."""
        trunk = await self.trunks.get(trunk_id)
        sealed = trunk.sealed_password
        password = self.trunks.sync.box.open(sealed, row=sealed_for(trunk.id)) if sealed else ""
        await self.db.commit()
        host, _, port = trunk.address.partition(":")
        transport = next(name for name in get_args(TransportName) if name == trunk.transport)
        loop = asyncio.get_running_loop()
        until = loop.time() + WITHIN
        try:
            addresses = await find_carrier(self.outbound, trunk.address)
        except ClosedAddressError as error:
            return Finding(False, problem=str(error), advice=ADVICE)
        if not addresses:
            return Finding(
                False, problem=f"The name {host} was not found", advice="Check how it is written, and its DNS"
            )
        # The SIP service speaks IPv4, so that a server's other addresses would prove nothing.
        address = next((address for address in addresses if ":" not in address), addresses[0])
        target = Target(
            address=address,
            host=host,
            port=int(port or (TLS_PORT if transport == "tls" else PORT)),
            transport=transport,
            number=trunk.phone_number,
            username=trunk.username,
            password=password,
        )
        return await probe(target, within=until - loop.time())
