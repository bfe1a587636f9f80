"""Sending to the monitor's sockets: those that read are not held up by one that does not."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message

from control_plane.monitor.hub import BACKLOG, MonitorHub, Watcher

pytestmark = pytest.mark.anyio
LINE = {"project_id": 1, "room_name": "proj_r", "session_id": 1, "speaker": "user", "timestamp_ms": 1, "is_final": True}


class Socket:
    """Takes messages while it is read."""

    def __init__(self, hub: MonitorHub, channel: str = "rooms") -> None:
        self.sent: list[Message] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.watcher = Watcher(1, "proj", "key", self.send, hub.senders)
        hub.add(self.watcher)
        hub.subscribe(self.watcher, channel)
        self.watcher.release(channel, 0)

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        self.sent.append(message)

    async def has(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.sent) < count:
                await asyncio.sleep(0)


def say(hub: MonitorHub, content: str = "Hello") -> None:
    hub.tell_line({**LINE, "content": content}, timestamp="2026-01-01T00:00:00.000Z")


async def test_sockets_that_do_not_read_hold_up_nobody_and_get_all_in_order_once_they_read() -> None:
    hub = MonitorHub()
    sockets = [Socket(hub) for _ in range(9)]
    slow, fast = sockets[::3], [socket for number, socket in enumerate(sockets) if number % 3]
    for socket in slow:
        socket.reads.clear()
    for number in range(3):
        say(hub, str(number))
        for socket in fast:
            await socket.has(number + 1)
    assert not any(socket.sent for socket in slow)
    for socket in slow:
        socket.reads.set()
        await socket.has(3)
    assert all(socket.sent == fast[0].sent for socket in sockets)


async def test_a_line_is_one_message_for_all_sockets() -> None:
    hub = MonitorHub()
    sockets = [Socket(hub) for _ in range(3)]
    say(hub)
    for socket in sockets:
        await socket.has(1)
    assert len({id(socket.sent[0]) for socket in sockets}) == 1


async def test_a_socket_hears_its_channels_once_and_others_not_at_all() -> None:
    hub = MonitorHub()
    room, other = Socket(hub, "room:proj_r"), Socket(hub, "room:proj_other")
    hub.subscribe(room.watcher, "sessions")
    room.watcher.release("sessions", 0)
    say(hub, "wanted twice")
    hub.unsubscribe(room.watcher, "room:proj_r")
    say(hub, "still of the sessions")
    hub.unsubscribe(room.watcher, "sessions")
    say(hub, "unheard")
    await room.has(2)
    hub.remove(room.watcher)
    hub.subscribe(other.watcher, "rooms")
    other.watcher.release("rooms", 0)
    say(hub, "for the other")
    await other.has(1)
    assert ["still" in message["text"] for message in room.sent] == [False, True]
    assert len(other.sent) == 1


async def test_a_socket_that_falls_behind_is_closed_with_4008_and_sent_nothing_more() -> None:
    hub = MonitorHub()
    slow = Socket(hub)
    slow.reads.clear()
    say(hub, "under way")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for _ in range(BACKLOG + 2):
        say(hub)
    slow.reads.set()
    await slow.has(2)
    assert [message["type"] for message in slow.sent] == ["websocket.send", "websocket.close"]
    assert slow.sent[1]["code"] == 4008
    with pytest.raises(ConnectionError):
        await slow.watcher.room()


async def test_resuming_waits_for_a_socket_that_reads_slowly() -> None:
    hub = MonitorHub()
    slow = Socket(hub)
    slow.reads.clear()
    for _ in range(BACKLOG - 1):
        say(hub)
    waiting = asyncio.create_task(slow.watcher.room())
    slow.reads.set()
    async with asyncio.timeout(5):
        await waiting
    assert slow.watcher.closing is None
