"""Recordings of a room with two people: how soon they begin and end, what they cost, what a kill leaves of them."""

import asyncio
import os
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from livekit import api

from bench.exchange import HOST
from bench.fanout import cpu_seconds, resident_kib
from bench.platform import ALL_CORES, start
from tests.support.ports import free_port
from tests.support.studio import ENDED, RATE, Recorder, Stage, Studio, a_recorder, a_studio, clicks, tone
from tests.support.takes import heard, level, seconds, seen

DUAL: Final = api.AudioMixing.DUAL_CHANNEL_AGENT
EVERY: Final = 1.0
"""Seconds between clicks."""
CLICK: Final = 3000.0
FORMATS: Final = (".ogg", ".ogg", ".mp3", ".mp4", ".wav")
KINDS: Final = ("running", "stopping", "beginning")


@contextmanager
def studio(**settings: str) -> Iterator[tuple[Studio, Recorder]]:
    """Redis, livekit-server and our service."""
    with ExitStack() as cleanup:
        name = cleanup.enter_context(TemporaryDirectory(prefix="parley-bench-"))
        port = free_port()
        redis = ["redis-server", "--port", str(port), "--bind", HOST, "--save", "", "--dir", name]
        start(cleanup, redis, {}, ALL_CORES)
        server = cleanup.enter_context(a_studio(f"redis://{HOST}:{port}", Path(name)))
        yield server, cleanup.enter_context(a_recorder(server, Path(name), **settings))


async def _cast(stage: Stage, room: str) -> None:
    await stage.enter(room, "person", tone(440))
    await stage.enter(room, "persona", tone(1000), kind="agent")


async def latencies(count: int) -> dict[str, list[float]]:
    """Milliseconds of recordings one after the other; the moments are those that livekit-server lists."""
    found: dict[str, list[float]] = {"start → active": [], "stop → complete": [], "length − truth": []}
    with studio() as (server, _):
        stage = Stage(server)
        await _cast(stage, "room")
        for number in range(count + 1):
            began = time.monotonic()
            info = await stage.record("room", f"tape-{number}", audio_mixing=DUAL)
            active = await stage.until(info.egress_id, api.EGRESS_ACTIVE)
            running = time.monotonic()
            await asyncio.sleep(2)
            stopped, at = time.monotonic(), time.time_ns()
            ended = await stage.stop(info.egress_id)
            over = time.monotonic()
            result = ended.file_results[0]
            truth = (at - active.file_results[0].started_at) / 1e6
            assert Path(result.location).stat().st_size == result.size
            assert abs(seconds(result.location) - result.duration / 1e9) < 0.05
            if number:  # the first one warms everything
                found["start → active"].append((running - began) * 1e3)
                found["stop → complete"].append((over - stopped) * 1e3)
                found["length − truth"].append(result.duration / 1e6 - truth)
        await stage.close()
    return found


async def together(steps: Sequence[int], for_seconds: float) -> list[dict[str, Any]]:
    """So many recordings at once, and what they cost."""
    rows = []
    with studio(most_recordings=str(max(steps))) as (server, recorder):
        stage = Stage(server)
        await _cast(stage, "room")
        for count in steps:
            begun = [await stage.record("room", f"{count}-{number}", audio_mixing=DUAL) for number in range(count)]
            for info in begun:
                await stage.until(info.egress_id, api.EGRESS_ACTIVE)
            await asyncio.sleep(2)
            before, memory, at = cpu_seconds(recorder.pid), resident_kib(recorder.pid), time.monotonic()
            await asyncio.sleep(for_seconds)
            used = (cpu_seconds(recorder.pid) - before) / (time.monotonic() - at)
            grown = resident_kib(recorder.pid) - memory
            stopped = time.monotonic()
            ended = await asyncio.gather(*(stage.stop(info.egress_id) for info in begun))
            over = time.monotonic() - stopped
            silent = [_silent(heard(info.file_results[0].location)) for info in ended]
            rows.append(
                {
                    "recordings": count,
                    "complete": sum(info.status == api.EGRESS_COMPLETE for info in ended),
                    "cpu": used,
                    "memory MiB": memory / 1024,
                    "grown MiB": grown / 1024,
                    "silent": max(silent),
                    "all stopped s": over,
                    "load": os.getloadavg()[0],
                }
            )
        await stage.close()
    return rows


async def pictures(for_seconds: float) -> list[dict[str, Any]]:
    """Recordings with pictures, one of each format and one more, of a room with four cameras."""
    rows = []
    with studio(most_recordings="32") as (server, recorder):
        stage = Stage(server)
        for number, colour in enumerate(((200, 90, 90), (150, 160, 90), (90, 90, 160), (60, 128, 128))):
            person = await stage.enter("room", f"person-{number}", tone(440) if number == 0 else None)
            await person.show(colour)
        for endings in ((".mp4",), (".webm",), (".mp4", ".mp4")):
            begun = []
            for number, ending in enumerate(endings):
                output = api.EncodedFileOutput(filepath=f"{len(rows)}-{number}{ending}")
                asked = api.RoomCompositeEgressRequest(room_name="room", file_outputs=[output])
                begun.append(await stage.livekit.egress.start_room_composite_egress(asked))
            for info in begun:
                await stage.until(info.egress_id, api.EGRESS_ACTIVE)
            await asyncio.sleep(1)
            before, at = cpu_seconds(recorder.pid), time.monotonic()
            await asyncio.sleep(for_seconds)
            used = (cpu_seconds(recorder.pid) - before) / (time.monotonic() - at)
            ended = [await stage.stop(info.egress_id) for info in begun]
            result = ended[0].file_results[0]
            shown = len(seen(result.location)) / (result.duration / 1e9)
            memory = resident_kib(recorder.pid) / 1024
            row = {"recordings": " + ".join(endings), "cpu": used, "count": len(endings), "memory MiB": memory}
            rows.append(row | {"pictures a second": shown, "load": os.getloadavg()[0]})
        await stage.close()
    return rows


def _silent(sound: np.ndarray) -> float:
    """The share of 50 ms in which one of both tones is missing; the ends do not count."""
    size, missing = RATE // 20, []
    for channel, hertz in zip(sound, (1000, 440), strict=True):
        pieces = channel[RATE : len(channel) // size * size - size * 4]
        pieces = pieces[: len(pieces) // size * size].reshape(-1, size)
        missing += [level(piece, hertz) < -30 for piece in pieces]
    return sum(missing) / len(missing)


async def alignment(for_seconds: float, republished: int) -> dict[str, list[float]]:
    """Milliseconds between clicks that two people made at the same moment: all the time, and after one came back."""
    found: dict[str, list[float]] = {"all the time": [], "in the 5 s after a republish": []}
    with studio() as (server, _):
        stage = Stage(server)
        await stage.enter("room", "person", clicks(EVERY))
        persona = await stage.enter("room", "persona", clicks(EVERY), kind="agent")
        info = await stage.record("room", "clicks.wav", audio_mixing=DUAL)
        active = await stage.until(info.egress_id, api.EGRESS_ACTIVE)
        zero = active.file_results[0].started_at / 1e9
        await asyncio.sleep(for_seconds)
        returns = []
        for _ in range(republished):
            await persona.hush()
            await asyncio.sleep(1)
            await persona.speak(clicks(EVERY))
            returns.append(time.time() - zero)
            await asyncio.sleep(7)
        ended = await stage.stop(info.egress_id)
        left, right = (_onsets(channel) for channel in heard(ended.file_results[0].location))
        for moment in right:
            apart = min((other - moment for other in left), key=abs)
            if abs(apart) < EVERY / 2:
                fresh = any(0 <= moment - back < 5 for back in returns)
                found["in the 5 s after a republish" if fresh else "all the time"].append(apart * 1e3)
        await stage.close()
    return found


def _onsets(sound: np.ndarray) -> list[float]:
    """When clicks begin, in seconds."""
    wave = sound * np.exp(-2j * np.pi * CLICK * np.arange(len(sound)) / RATE)
    loud = np.flatnonzero(abs(np.convolve(wave, np.ones(48) / 48, "same")) > 0.08)
    first = np.flatnonzero(np.diff(loud, prepend=-RATE) > RATE // 4)
    return [float(place) / RATE for place in loud[first]]


async def kills(count: int) -> dict[str, Any]:
    """Kill the service at random moments; what is told of each recording, and how much sound a kill cost."""
    outcomes: dict[str, int] = {}
    lost: list[float] = []
    broken = []
    chance = random.Random(6)
    with studio() as (server, recorder):
        stage = Stage(server)
        for number in range(count):
            room = f"room-{number}"
            person = await stage.enter(room, "person", tone(440))
            info = await stage.record(room, f"{room}{FORMATS[number % len(FORMATS)]}")
            kind = KINDS[0] if number % 4 else chance.choice(KINDS)
            started = None
            if kind != "beginning":
                started = (await stage.until(info.egress_id, api.EGRESS_ACTIVE)).file_results[0].started_at
            await asyncio.sleep(chance.uniform(0, 0.5) if kind == "beginning" else chance.uniform(0, 3))
            if kind == "stopping":
                await stage.livekit.egress.stop_egress(api.StopEgressRequest(egress_id=info.egress_id))
                await asyncio.sleep(chance.uniform(0, 0.1))
            recorder.kill()
            at = time.time_ns()
            await person.leave()
            await stage.livekit.room.delete_room(api.DeleteRoomRequest(room=room))
            recorder.start()
            ended = await stage.until(info.egress_id, *ENDED)
            name = api.EgressStatus.Name(ended.status)
            outcomes[f"{kind}: {name}"] = outcomes.get(f"{kind}: {name}", 0) + 1
            result = ended.file_results[0]
            told = f"{room} {kind} {name} {ended.error!r}"
            if not result.location:
                began = started is not None and (at - started) / 1e9 > 1
                broken += [f"{told}: nothing is left of it"] if began else []
                continue
            readable = seconds(result.location)
            if abs(readable - result.duration / 1e9) > 0.1:
                broken.append(f"{told}: {readable} s of {result.duration / 1e9} s")
            if ended.status != api.EGRESS_COMPLETE:
                lost.append((at - result.started_at) / 1e9 - readable)
        await stage.close()
    return {"kills": count, "outcomes": outcomes, "lost s": lost, "broken": broken}


def spread(values: list[float]) -> tuple[float, float, float]:
    """The median, the 95th of a hundred, and the furthest from nothing."""
    ordered = sorted(abs(value) for value in values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], ordered[-1]
