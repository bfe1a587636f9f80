"""What customers' sockets hear of a meeting, and what the meeting hears of them."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from agents.bots import sockets
from agents.bots.sockets import Socket
from guard.outbound import Outbound
from tests.support.bots import WITHIN, Media, bot_host, bot_job
from tests.support.rooms import RATE, Somebody, somebody
from tests.support.studio import Person, tone

pytestmark = pytest.mark.anyio


class Customer:
    """A WebSocket server: keeps what it is sent; `echo` sends sound back."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.sound: list[bytes] = []
        self.links: list[ServerConnection] = []
        self.echo = False
        self.url = ""
        self._changed = asyncio.Event()

    async def until(self, true: Any) -> None:
        async with asyncio.timeout(WITHIN):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    async def converse(self, link: ServerConnection) -> None:
        self.links.append(link)
        self._changed.set()
        try:
            async for message in link:
                if isinstance(message, str):
                    self.said.append(json.loads(message))
                else:
                    self.sound.append(message)
                    if self.echo:
                        await link.send(message)
                self._changed.set()
        except ConnectionClosed:
            pass


@asynccontextmanager
async def customer() -> AsyncIterator[Customer]:
    listening = Customer()
    async with serve(listening.converse, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        listening.url = f"ws://127.0.0.1:{port}/sound?key=1"
        yield listening


def pitch(frames: list[bytes], rate: int) -> float:
    """The loudest frequency, of the last second."""
    pcm = np.frombuffer(b"".join(frames), "<i2")[-rate:].astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))) * rate / len(pcm))


def is_loud(frames: list[bytes]) -> bool:
    return len(frames) > 30 and bool(np.abs(np.frombuffer(b"".join(frames[-25:]), "<i2")).max() > 2000)


@pytest.mark.parametrize("rate", [16_000, 24_000])
async def test_a_socket_hears_the_meeting_and_who_speaks(media: Media, tmp_path: Path, rate: int) -> None:
    room = uuid.uuid4().hex
    async with bot_host(media, tmp_path) as (_, plane), customer() as listener:
        job = bot_job(media, room, streaming={"output": listener.url, "sample_rate": rate})
        ada = Person()
        await ada.room.connect(media.url, media.token(room, "ada"))
        await ada.speak(tone(440))
        await plane.attend(job)
        await listener.until(lambda: is_loud(listener.sound) and len(listener.said) > 1)
        assert abs(pitch(listener.sound, rate) - 440) < 5
        assert {len(frame) for frame in listener.sound} == {rate // 25 * 2}
        greeting, speakers = listener.said[:2]
        assert (greeting["protocol_version"], greeting["bot_id"]) == (1, job.bot_id)
        assert [(each["name"], each["id"], each["isSpeaking"]) for each in speakers] == [("ada", 1, True)]
        assert abs(speakers[0]["timestamp"] / 1000 - time.time()) < WITHIN
        await ada.hush()
        await listener.until(lambda: listener.said[-1][0]["isSpeaking"] is False)
        await plane.command(job)
        await plane.reported(job, "call.ended")
        await listener.links[0].wait_closed()
        assert listener.links[0].close_code == 1000
        await ada.leave()


async def test_a_socket_that_broke_is_connected_again(media: Media, tmp_path: Path) -> None:
    room = uuid.uuid4().hex
    async with bot_host(media, tmp_path) as (_, plane), customer() as listener:
        job = bot_job(media, room, streaming={"output": listener.url})
        await plane.attend(job)
        await listener.until(lambda: listener.sound)
        listener.links[0].transport.abort()
        await listener.until(lambda: len(listener.links) == 2)
        listener.sound.clear()
        await listener.until(lambda: listener.sound)
        assert [said["bot_id"] for said in listener.said] == [job.bot_id] * 2
        assert listener.said[0]["offset"] < listener.said[1]["offset"]


async def test_what_a_socket_sends_is_heard_in_the_meeting(media: Media, tmp_path: Path) -> None:
    room = uuid.uuid4().hex
    async with (
        bot_host(media, tmp_path) as (_, plane),
        customer() as speaker,
        somebody(media.url, media.token(room, "ada")) as ada,
    ):
        job = bot_job(media, room, streaming={"input": speaker.url})
        await plane.attend(job)
        await speaker.until(lambda: speaker.links)
        wave = (np.sin(2 * np.pi * 700 * np.arange(16_000 * 4) / 16_000) * 9000).astype("<i2").tobytes()
        for start in range(0, len(wave), 10_001):  # in pieces that end within a sample, faster than it is said
            await speaker.links[0].send(wave[start : start + 10_001])
        heard = await _loud(ada, job.identity)
        assert abs(pitch([heard.tobytes()], RATE) - 700) < 5


async def _loud(person: Somebody, identity: str) -> np.ndarray:
    """A second of what an identity says, once it says something."""
    async with asyncio.timeout(WITHIN):
        while True:
            frames = person.heard.get(identity, [])
            loud = [frame for frame in frames if np.abs(frame).max() > 2000]
            if sum(map(len, loud)) >= 1.2 * RATE:
                return np.concatenate(loud)
            await asyncio.sleep(0.02)


async def test_one_address_for_both_ways_is_one_socket(media: Media, tmp_path: Path) -> None:
    room = uuid.uuid4().hex
    async with bot_host(media, tmp_path) as (_, plane), customer() as both:
        both.echo = True
        job = bot_job(media, room, streaming={"output": both.url, "input": both.url})
        async with somebody(media.url, media.token(room, "bob")) as bob:
            ada = Person()
            await ada.room.connect(media.url, media.token(room, "ada"))
            await ada.speak(tone(500))
            await plane.attend(job)
            heard = await _loud(bob, job.identity)
            assert abs(pitch([heard.tobytes()], RATE) - 500) < 5
            await ada.leave()
        assert len(both.links) == 1


async def test_a_socket_inside_our_network_is_never_connected_to(media: Media, tmp_path: Path) -> None:
    room = uuid.uuid4().hex
    async with bot_host(media, tmp_path, PARLEY_OUTBOUND_ALLOW="") as (host, plane), customer() as listener:
        job = bot_job(media, room, streaming={"output": listener.url, "input": listener.url})
        await plane.attend(job)
        await plane.reported(job, "call.started")
        async with asyncio.timeout(WITHIN):
            while "socket of a bot" not in host.said:
                await asyncio.sleep(0.1)
        assert listener.links == []


async def test_a_customer_who_is_too_slow_misses_the_oldest_sound() -> None:
    begun = asyncio.Event()
    free = asyncio.Event()
    frames: list[int] = []

    async def slow(link: ServerConnection) -> None:
        begun.set()
        await free.wait()
        try:
            async for frame in link:
                assert isinstance(frame, bytes)
                frames.append(int.from_bytes(frame[:4], "little"))
        except ConnectionClosed:
            pass

    async with serve(slow, "127.0.0.1", 0, max_queue=1) as server, Outbound([ip_network("127.0.0.0/8")]) as outbound:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        socket = Socket(outbound, url, 1, greeting=None, most_waiting=50, on_sound=None)
        running = asyncio.create_task(socket.run())
        await begun.wait()
        sent = 0
        for sent in range(3000):
            socket.send(sent.to_bytes(4, "little") + bytes(32_000))
            await asyncio.sleep(0)
        free.set()
        async with asyncio.timeout(WITHIN):
            while not frames or frames[-1] < sent:
                await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert frames == sorted(frames)
    assert len(frames) < 2000
    assert frames[-50:] == list(range(sent - 49, sent + 1))


async def test_a_customer_who_lets_nobody_stay_is_called_ever_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "BACK_OFF", (0.0, 0.0, 60.0))
    called = 0

    async def rude(_link: ServerConnection) -> None:
        nonlocal called
        called += 1

    async with serve(rude, "127.0.0.1", 0) as server, Outbound([ip_network("127.0.0.0/8")]) as outbound:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        socket = Socket(outbound, url, 1, greeting=lambda: {}, most_waiting=50, on_sound=None)
        running = asyncio.create_task(socket.run())
        async with asyncio.timeout(WITHIN):
            while called < 3:
                await asyncio.sleep(0.02)
        await asyncio.sleep(1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert called == 3


async def test_a_socket_outlives_what_a_request_may_take() -> None:
    async with customer() as listener, Outbound([ip_network("127.0.0.0/8")], timeout=1) as outbound:
        socket = Socket(outbound, listener.url, 1, greeting=None, most_waiting=50, on_sound=None)
        running = asyncio.create_task(socket.run())
        await listener.until(lambda: listener.links)
        await asyncio.sleep(2.5)
        socket.send(b"sound")
        await listener.until(lambda: listener.sound)
        assert len(listener.links) == 1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
