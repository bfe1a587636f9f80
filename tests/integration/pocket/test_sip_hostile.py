"""Bad input and bad networks: the call that is there stays whole, and the figures tell."""

import asyncio
import contextlib
import random
import socket
from pathlib import Path

import numpy as np
import pytest
from livekit import api

from tests.integration.pocket.conftest import Exchange, until
from tests.integration.pocket.test_sip_requests import ME, called, still_heard
from tests.support.rooms import RATE
from tests.support.telephones import loudness_of
from tests.support.wirephone import HOST, wirephone

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
MOST_GROWTH = 20 << 20
"""Bytes that an attack may cost."""


def memory_of(pid: int) -> int:
    """Bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def refused(exchange: Exchange) -> float:
    figures = exchange.figures()
    kinds = ("refused", "malformed", "orphans", "repeated")
    return sum(figures.get(f'pocket_sip_messages_total{{what="{kind}"}}', 0) for kind in kinds)


def received(exchange: Exchange) -> float:
    return exchange.figures()['pocket_sip_messages_total{what="received"}']


def mutated(invite: bytes, chance: random.Random) -> bytes:
    """An INVITE with a few bytes changed, or cut, or said twice."""
    message = bytearray(invite)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(10, len(message))
        message[place] = chance.randrange(256)
    if chance.random() < 0.2:
        del message[chance.randrange(len(message)) :]
    if chance.random() < 0.1:
        message += bytes(message)
    return bytes(message)


def numbered(invite: bytes, number: int) -> bytes:
    """The same as a request of its own."""
    return invite.replace(b"branch=", b"branch=z9hG4bK%d" % number).replace(b"Call-ID: ", b"Call-ID: %d" % number)


async def test_floods_and_garbage_leave_the_call_the_memory_and_the_log_as_they_were(
    exchange: Exchange, livekit: api.LiveKitAPI
) -> None:
    chance = random.Random(1)
    async with (
        called(exchange, livekit, "+15554001") as (phone, me, _),
        wirephone(exchange.sip_port) as stranger,
    ):
        stranger.number_called = "+15559999"
        invite = stranger.request("INVITE", body=stranger.sdp())
        assert await still_heard(me)
        before, heard_of = memory_of(exchange.sip.pid), received(exchange)

        def attack(datagrams: list[bytes]) -> None:
            for datagram in datagrams:
                stranger.line.sendto(datagram, stranger.server)

        many = [numbered(invite, n) for n in range(5000)]
        huge = [
            invite.replace(b"Contact: ", b"Contact: " + b"x" * 60_000),
            invite.replace(b"Contact: ", b"X: y\r\n" * 2000 + b"Contact: "),
            invite.replace(b"Contact: ", b"Contact: <sip:" + b"u" * 5000 + b"@h>"),
            invite.replace(b"From: ", b"From: a" + b" \r\n " * 120 + b" " * 3900 + b"b"),
            invite.replace(b";rport;", b";").replace(b":%d;" % stranger.port, b":99999;"),
            invite.replace(b"sip:wire@", b"sip:\xff\xfe@"),
            invite.replace(b"<sip:wire", b'"\xfc\xff" <sip:wire'),
            b"",
            b"\r\n\r\n",
            bytes(2000),
        ]
        unattached = [numbered(invite.replace(b"INVITE", b"BYE"), n) for n in range(3000)]
        sent = 0
        for datagrams in ([mutated(invite, chance) for _ in range(3000)], many, unattached, huge):
            for start in range(0, len(datagrams), 500):
                attack(datagrams[start : start + 500])
                sent += len(datagrams[start : start + 500])
                await asyncio.sleep(0)
            assert await still_heard(me)
        await until(lambda: received(exchange) - heard_of > 0.9 * sent)
        assert refused(exchange) > 5000
        assert exchange.figures()["pocket_sip_calls_active"] <= 2
        assert memory_of(exchange.sip.pid) - before < MOST_GROWTH
        assert await still_heard(me)
        assert (await phone.ask("BYE")).kind == "200"


async def test_sound_of_strangers_is_not_heard(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    async with called(exchange, livekit, "+15554002") as (_, me, answer):
        assert await still_heard(me)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for n in range(3000):
                header = b"\x80\x00" + n.to_bytes(2, "big") + (160 * n).to_bytes(4, "big") + b"evil"
                stranger.sendto(header + random.randbytes(160), answer.media())
            assert await still_heard(me)
            await until(lambda: exchange.figures()['pocket_sip_rtp_packets_total{what="stranger"}'] > 500)
            stranger.setblocking(False)
            with pytest.raises(BlockingIOError):
                stranger.recv(2000)


async def test_streams_that_are_held_open_or_say_garbage_are_cut(exchange: Exchange, livekit: api.LiveKitAPI) -> None:
    async with called(exchange, livekit, "+15554003") as (_, me, _), contextlib.AsyncExitStack() as open_ones:
        streams = []
        for _ in range(70):
            reader, writer = await asyncio.open_connection(HOST, exchange.sip_port)
            open_ones.callback(writer.close)
            streams.append((reader, writer))
        cut = [asyncio.create_task(reader.read(1)) for reader, _ in streams]
        async with asyncio.timeout(20):
            while sum(task.done() for task in cut) < 20:  # those beyond fifty
                await asyncio.wait(cut, timeout=0.1)
        held = next(n for n, task in enumerate(cut) if not task.done())
        streams[held][1].write(b"GET / HTTP/1.1\r\n\r\n")
        await asyncio.wait_for(cut[held], 5)
        assert await still_heard(me)
        async with asyncio.timeout(15):
            await asyncio.gather(*cut, return_exceptions=True)  # those that never say anything
        assert await still_heard(me)


async def test_a_tone_and_digits_come_through_a_network_that_loses_and_delays(
    exchange: Exchange, livekit: api.LiveKitAPI
) -> None:
    async with called(exchange, livekit, "+15554004") as (phone, me, _):
        phone.loss, phone.jitter = 0.05, 0.05
        phone.press("1234567890")
        assert "".join([await me.until("digit", ME, count=n) for n in range(1, 11)]) == "1234567890"
        said = await me.listen_to(ME, 3)
        pieces = np.array_split(said[RATE // 2 :], 12)
        assert np.mean([loudness_of(piece, 400, RATE) for piece in pieces]) > 0.8
        for code, digit in enumerate("0123456789"):
            await me.room.local_participant.publish_dtmf(code=code, digit=digit)
        await until(lambda: phone.pressed() == "0123456789")
        phone.sounds.clear()
        async with asyncio.timeout(20):
            while len(phone.sounds) < 100:
                await asyncio.sleep(0.02)
        assert loudness_of(phone.heard(), 1000, 8000) > 0.8
        assert [said for event, _, said in me.happened if event == "digit"] == list("1234567890")
