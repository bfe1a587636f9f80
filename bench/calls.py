"""Calls to phones that answer at once: how late sound is, and how many there may be."""

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from livekit import api

from bench.beeps import Beeper, Listener, Somebody
from bench.exchange import Exchange, exchange
from bench.fanout import TICKS, cpu_seconds, resident_kib
from bench.short_calls import NUMBER, sipp
from bench.telephones import Telephones, telephones
from pocket.rtp.codecs import Codec

TOGETHER: Final = 4
"""Calls that are set up at the same time."""


async def dial(livekit: api.LiveKitAPI, phones: Telephones, room: str, identity: str) -> float:
    """Call a phone into a room; the seconds until it is connected."""
    asked = api.CreateSIPParticipantRequest(
        trunk=api.SIPOutboundConfig(hostname=phones.address, transport=api.SIP_TRANSPORT_UDP),
        sip_number=NUMBER,
        sip_call_to="phone",
        room_name=room,
        participant_identity=identity,
        wait_until_answered=True,
    )
    began = time.monotonic()
    await livekit.sip.create_sip_participant(asked)
    return time.monotonic() - began


async def delays(codec: Codec, calls: int, seconds: float) -> dict[str, list[float]]:
    """Milliseconds from the beginning of a beep to when it is heard. Each call meets the clocks at other phases."""
    found: dict[str, list[float]] = {"room → room": [], "phone → room": [], "room → phone": []}
    with exchange(most_calls=4) as service:
        async with telephones(codec) as phones, service.api() as livekit:
            for number in range(calls):
                room = f"delay-{number}"
                voice, telephone = Beeper(16_000, 0.01), Beeper(codec.sample_rate, 0.02)
                baseline, inward, outward = Listener(voice), Listener(telephone), Listener(voice)
                phones.say, phones.on_audio = telephone, outward
                ears = {"speaker": baseline, "phone": inward}
                speaker, listener = Somebody(lambda who: None), Somebody(ears.get)
                await listener.join(service.url, service.token(room, "listener"))
                await speaker.join(service.url, service.token(room, "speaker"))
                await speaker.speak(voice, 16_000)
                await dial(livekit, phones, room, "phone")
                await asyncio.sleep(2)  # buffers settle
                for ear in (baseline, inward, outward):
                    ear.delays.clear()
                await asyncio.sleep(seconds)
                for name, ear in zip(found, (baseline, inward, outward), strict=True):
                    found[name] += ear.delays
                await livekit.room.delete_room(api.DeleteRoomRequest(room=room))
                await speaker.leave()
                await listener.leave()
    return found


async def together(codec: Codec, steps: Sequence[int], seconds: float) -> list[dict[str, Any]]:
    """More and more calls, two in each room, who all talk all the time."""
    rows: list[dict[str, Any]] = []
    moments = np.arange(codec.sample_rate // 50) / codec.sample_rate
    tone = (np.sin(2 * np.pi * 400 * moments) * 9000).astype(np.int16)
    with exchange(most_calls=max(steps)) as service:
        async with telephones(codec) as phones, service.api() as livekit:
            phones.say = lambda: tone
            for step in steps:
                setups: list[float] = []
                while len(phones.lines) < step:
                    some = range(len(phones.lines), min(step, len(phones.lines) + TOGETHER))
                    setups += await asyncio.gather(*(dial(livekit, phones, f"n-{n // 2}", f"p{n}") for n in some))
                company = None
                if step % 2:  # whoever is alone in a room has somebody to hear
                    company = Somebody(lambda who: None)
                    await company.join(service.url, service.token(f"n-{step // 2}", "company"))
                    await company.speak(lambda: tone[: len(tone) // 2], codec.sample_rate)
                await asyncio.sleep(3)
                rows.append({"calls": step, "setup": setups, **await _listen(service, phones, seconds)})
                if company is not None:
                    await company.leave()
            rows[-1]["refused"] = await _refusals(livekit, phones)
            rows[-1]["after refusals"] = await _listen(service, phones, 3)
    return rows


async def _listen(service: Exchange, phones: Telephones, seconds: float) -> dict[str, float]:
    """What calls are like for a while, and what they cost."""
    lines = list(phones.lines.values())
    for line in lines:
        line.forget()
    processes = {"service": service.service, "livekit": service.livekit, "phones": os.getpid()}
    cpu = {name: cpu_seconds(pid) for name, pid in processes.items()}
    everything = _machine_seconds()
    late, began = service.figure("pocket_sip_late_ticks_total"), time.monotonic()
    await asyncio.sleep(seconds)
    over = time.monotonic()
    gaps = [np.diff([began, *line.packets, over]).max() for line in lines]
    heard = [len(line.packets) for line in lines]
    used = {name: (cpu_seconds(pid) - cpu[name]) / (over - began) for name, pid in processes.items()}
    return {
        "packets per second": statistics.mean(heard) / (over - began),
        "silent": sum(line.silent for line in lines) / max(1, sum(heard)),
        "longest gap ms": 1000 * float(max(gaps)),
        **{f"cpu {name}": share for name, share in used.items()},
        "cpu others": (_machine_seconds() - everything) / (over - began) - sum(used.values()),
        "late ticks": service.figure("pocket_sip_late_ticks_total") - late,
        "memory MiB": resident_kib(service.service) / 1024,
    }


def _machine_seconds() -> float:
    """CPU that was used by whatever runs here: all but idle (proc(5), `stat`)."""
    user, nice, system, _idle, _wait, *more = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + sum(more[:3])) / TICKS


async def _refusals(livekit: api.LiveKitAPI, phones: Telephones) -> dict[str, str]:
    """What one call more is told, out and in."""
    try:
        await dial(livekit, phones, "full", "one-more")
        out = "taken"
    except api.ServerError as error:
        out = error.code
    inward = await asyncio.to_thread(sipp, 1, 1)
    return {"out": out, "in": "503" if "unexpected" in inward and " 503 " in inward else inward[-300:] or "taken"}
