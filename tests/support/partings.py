"""People whom nothing helps any more, as tests see them."""

from sqlmodel import col, select

from control_plane.clock import Clock
from control_plane.jobs.models import Job
from control_plane.media.server import MediaServer
from control_plane.sessions.ending import GIVE_UP
from control_plane.sessions.slots import StandingSigner
from control_plane.supervisor.parting import Parting
from control_plane.telephony.switchboard import Switchboard
from tests.support.platform import SECRET_KEY, Platform


async def work_off(platform: Platform, media: MediaServer | None = None) -> int:
    """Do what waits in the queue for those who were given up, also what was done before; how many they are. `media`:
    where they are, if not in the platform's own."""
    where, tickets = media or platform.media, StandingSigner(SECRET_KEY, "slot")
    switchboard = Switchboard(platform.database, Clock(), platform.dialer, where)
    parting = Parting(platform.database, Clock(), where, switchboard, tickets, begin_within=1.0)
    async with platform.database.platform() as db:
        payloads = (await db.exec(select(Job.payload).where(Job.kind == GIVE_UP).order_by(col(Job.id)))).all()
    for payload in payloads:
        await parting.handle(dict(payload))
    return len(payloads)
