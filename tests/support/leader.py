"""A process that leads: `python -m tests.support.leader URL` says so once it holds a lock, and works on."""

import asyncio
import sys

from control_plane.db.leadership import Lock, govern


async def work() -> None:
    """What a leader does: it goes on for ever."""
    sys.stdout.write("leads\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(govern(sys.argv[1], Lock.SWEEP, work))
