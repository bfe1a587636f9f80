"""`python -m bench meetings`: making meetings, a chat there and back, many who come at once, many bots, an analysis.

Everything on this machine: the control plane, its stores, the clients, and for analyses the offline models.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2
import socketio
from rich.console import Console
from rich.table import Table

from bench.first_call import percentile
from bench.platform import ALL_CORES, KEY, RESULTS, our_settings, start, stores, wait_for
from control_plane.dialects.onepizza.pace import A_SECOND
from tests.support.ports import free_port

CLIENTS: Final = 8
LINES, CALL_SECONDS = 120, 600
"""Of the conversation that is analysed."""
GOALS: Final = {
    "make a meeting, p95 ms": "≤ 60",
    "chat there and back, p95 ms": "≤ 100",
    "of 50 who come in a second, events lost": "0",
    "bots connected": "≥ 500",
    "lines lost among all bots": "0",
    "analysis of ten minutes, s": "≤ 10",
}


@dataclass(frozen=True)
class Served:
    """The control plane that is measured."""

    port: int
    pid: int

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.origin, headers={"X-API-Key": KEY}, timeout=60)


@contextmanager
def platform_of_this() -> Iterator[Served]:
    """Control plane, jobs and models on all cores."""
    with ExitStack() as cleanup:
        urls, redis_url = stores(cleanup, free_port())
        os.sched_setaffinity(0, set(range(os.cpu_count() or 1)))
        models, port = free_port(), free_port()
        start(cleanup, [sys.executable, "-m", "parley.offline", "--port", str(models)], {}, ALL_CORES)
        analysing = {"PARLEY_MODELS_URL": f"http://127.0.0.1:{models}/v1", "PARLEY_ANALYSIS_MODEL": "extractive-1"}
        settings = our_settings(urls, redis_url, port) | analysing
        pid = start(cleanup, [sys.executable, "-m", "control_plane", "serve"], settings, ALL_CORES)
        start(cleanup, [sys.executable, "-m", "control_plane", "jobs"], settings, ALL_CORES)
        wait_for(port)
        wait_for(models)
        yield Served(port, pid)


async def make_meetings(served: Served, seconds: float) -> dict[str, float]:
    """Eight clients, each with a new meeting as soon as its last is made."""
    times: list[float] = []
    async with served.http() as http:
        scenario = {"name": "Pitch", "persona": {"name": "Buyer", "instructions": "You buy."}}
        made = (await http.post("/api/v1/scenarios", json=scenario)).json()["scenario"]
        until = time.perf_counter() + seconds

        async def client() -> None:
            while time.perf_counter() < until:
                began = time.perf_counter()
                answer = await http.post("/api/v1/meetings", json={"name": "Ada", "scenario_id": made["id"]})
                times.append((time.perf_counter() - began) * 1000)
                assert answer.status_code == 201, answer.text

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return {
        "make a meeting, p50 ms": percentile(times, 0.5),
        "make a meeting, p95 ms": percentile(times, 0.95),
        "meetings made per second": len(times) / seconds,
    }


async def new_code(http: httpx2.AsyncClient) -> str:
    """A meeting of people."""
    return str((await http.post("/api/meetings", json={"title": "Bench"})).json()["meetingId"])


@asynccontextmanager
async def attending(served: Served, code: str, name: str) -> AsyncIterator[socketio.AsyncClient]:
    """Somebody in a meeting; `heard` has what it is sent."""
    socket = socketio.AsyncClient(reconnection=False)
    joined = asyncio.Event()
    socket.on("joined", lambda _: joined.set())
    await socket.connect(served.origin, transports=["websocket"], wait_timeout=30)
    await socket.emit("join-meeting", {"meetingId": code, "name": name})
    async with asyncio.timeout(60):
        await joined.wait()
    try:
        yield socket
    finally:
        await socket.disconnect()


async def chat(served: Served, rounds: int) -> dict[str, float]:
    """A bot says something, the other answers when it hears it: until the answer is heard."""
    times: list[float] = []
    async with served.http() as http:
        code = await new_code(http)
    async with attending(served, code, "a") as bot, attending(served, code, "b") as page:
        back: asyncio.Queue[None] = asyncio.Queue()

        async def answer(_: Any) -> None:
            await page.emit("chat:message", {"text": "back"})

        page.on("chat:message", answer)
        bot.on("chat:message", lambda _: back.put_nowait(None))
        for _ in range(rounds):
            began = time.perf_counter()
            await bot.emit("chat:message", {"text": "there"})
            async with asyncio.timeout(10):
                await back.get()
            times.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(1 / A_SECOND)  # sockets that send faster are told to wait
    middle, slow = (percentile(times, share) for share in (0.5, 0.95))
    return {"chat there and back, p50 ms": middle, "chat there and back, p95 ms": slow}


async def coming(served: Served, people: int) -> dict[str, float]:
    """People come within a second; one who was there before has to hear of each."""
    heard: set[str] = set()
    async with served.http() as http:
        code = await new_code(http)
    async with attending(served, code, "first") as first:
        all_heard = asyncio.Event()

        def hear(person: dict[str, Any]) -> None:
            heard.add(person["name"])
            if len(heard) == people:
                all_heard.set()

        first.on("participant:joined", hear)
        sockets = [socketio.AsyncClient(reconnection=False) for _ in range(people)]
        await asyncio.gather(
            *(each.connect(served.origin, transports=["websocket"], wait_timeout=30) for each in sockets)
        )
        began = time.perf_counter()
        for number, each in enumerate(sockets):
            await each.emit("join-meeting", {"meetingId": code, "name": f"p{number}"})
            await asyncio.sleep(max(0.0, began + (number + 1) / people - time.perf_counter()))
        try:
            async with asyncio.timeout(15):
                await all_heard.wait()
        except TimeoutError:
            pass
        took = time.perf_counter() - began
        await asyncio.gather(*(each.disconnect() for each in sockets))
    return {f"of {people} who come in a second, events lost": people - len(heard), "until all were heard, s": took}


async def many_bots(served: Served, bots: int) -> dict[str, float]:
    """Bots in meetings of ten; each says a line, which the nine others hear."""
    before = resident(served.pid)
    heard = 0
    async with served.http() as http:
        codes = [await new_code(http) for _ in range(bots // 10)]
    sockets: list[socketio.AsyncClient] = []
    joined = asyncio.Semaphore(0)
    wanted = len(codes) * 10 * 9
    done = asyncio.Event()

    def hear(_: Any) -> None:
        nonlocal heard
        heard += 1
        if heard == wanted:
            done.set()

    began = time.perf_counter()
    for code in codes:
        for number in range(10):
            socket = socketio.AsyncClient(reconnection=False)
            socket.on("joined", lambda _: joined.release())
            socket.on("chat:message", hear)
            await socket.connect(served.origin, transports=["websocket"], wait_timeout=30)
            await socket.emit("join-meeting", {"meetingId": code, "name": f"b{number}"})
            sockets.append(socket)
    async with asyncio.timeout(120):
        for _ in sockets:
            await joined.acquire()
    came, grown = time.perf_counter() - began, resident(served.pid) - before
    began = time.perf_counter()
    await asyncio.gather(*(each.emit("chat:message", {"text": "hello"}) for each in sockets))
    try:
        async with asyncio.timeout(60):
            await done.wait()
    except TimeoutError:
        pass
    took = time.perf_counter() - began
    await asyncio.gather(*(each.disconnect() for each in sockets))
    return {
        "bots connected": len(sockets),
        "until all were in, s": came,
        "KiB per bot": grown / len(sockets),
        "lines lost among all bots": wanted - heard,
        "until all lines were heard, s": took,
    }


def resident(pid: int) -> float:
    """KiB of memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return float(status.split("VmRSS:")[1].split()[0])


async def analysis(served: Served) -> dict[str, float]:
    """From the end of a conversation until what it came to can be read."""
    async with served.http() as http:
        session = (await http.post("/api/v1/sessions", json={"room_name": "talk"})).json()["session"]
        for number in range(LINES):
            line = {
                "speaker": ("agent", "user")[number % 2],
                "content": f"Line {number}: we deliver on Sundays, and the price of order {number} is ten dollars.",
                "timestamp_ms": number * CALL_SECONDS * 1000 // LINES,
            }
            (await http.post("/api/v1/sessions/talk/transcript", json=line)).raise_for_status()
        began = time.perf_counter()
        (await http.post("/api/v1/sessions/talk/end")).raise_for_status()
        async with asyncio.timeout(120):
            while True:
                answer = await http.get(f"/api/v1/sessions/{session['id']}/analysis")
                if answer.status_code == 200 and answer.json().get("status") in ("ready", "failed"):
                    break
                await asyncio.sleep(0.05)
        assert answer.json()["status"] == "ready", answer.text
    return {"analysis of ten minutes, s": time.perf_counter() - began}


async def measure(served: Served, arguments: argparse.Namespace) -> dict[str, float]:
    """All of it, one after the other."""
    found = await make_meetings(served, arguments.seconds)
    found |= await chat(served, arguments.rounds)
    found |= await coming(served, 50)
    found |= await many_bots(served, arguments.bots)
    return found | await analysis(served)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench meetings", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of making meetings")
    parser.add_argument("--rounds", type=int, default=200, help="of the chat")
    parser.add_argument("--bots", type=int, default=500)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with platform_of_this() as served:
        found = asyncio.run(measure(served, arguments))
    shown = Table(title="meetings", title_justify="left")
    for heading in ("what", "is", "should be"):
        shown.add_column(heading, justify="left" if heading == "what" else "right")
    for name, value in found.items():
        shown.add_row(name, f"{value:.1f}", GOALS.get(name, ""))
    Console(width=100).print(shown)
    RESULTS.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": load}
    result = {"at": datetime.now(UTC).isoformat(), "machine": machine, "figures": found}
    (RESULTS / "meetings.json").write_text(json.dumps(result, indent=1) + "\n")
