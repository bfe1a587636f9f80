"""`python -m bench.bare_worker`: the limit of a worker: joins rooms, has a track in each, and does nothing else.

Each line of its input is a room to join, `{"url": …, "room": …, "token": …}`.
"""

import asyncio
import json
import sys
from contextlib import suppress

from livekit import rtc
from livekit.rtc.participant import PublishTrackError

RATE = 24_000


async def join(url: str, room: str, token: str, rooms: list[rtc.Room]) -> None:
    """Join and publish; it hears what the others say, as agents do."""
    joined = rtc.Room()
    rooms.append(joined)
    with suppress(rtc.ConnectError, PublishTrackError):  # whoever asked has closed the room again
        await joined.connect(url, token)
        track = rtc.LocalAudioTrack.create_audio_track(room, rtc.AudioSource(RATE, 1))
        await joined.local_participant.publish_track(track)


async def main() -> None:
    """A room for each line."""
    rooms: list[rtc.Room] = []
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with asyncio.TaskGroup() as joining:
        while line := await lines.readline():
            joining.create_task(join(**json.loads(line), rooms=rooms))
    for room in rooms:
        await room.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
