"""What measuring requests costs each of them: the layer alone, in microseconds."""

import asyncio
import json
import statistics
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from control_plane.middleware import Stopwatch
from guard import exposition

REQUESTS, ROUNDS = 20_000, 9
RESULT = Path(__file__).parent / "results" / "metrics.json"


class Route:
    """What a router leaves in a scope."""

    path = "/api/v1/rooms/{room_name}"


async def serve(scope: Any, _receive: Any, send: Any) -> None:
    """The least that an application does."""
    scope["route"] = Route
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def receive() -> dict[str, Any]:
    """Nothing comes."""
    return {"type": "http.request"}


async def send(_message: Any) -> None:
    """Nobody listens."""


async def time_of(app: Any) -> float:
    """Microseconds for one request."""
    begun = process_time()  # of our own work alone: who else has the machine costs a request nothing
    for _ in range(REQUESTS):
        await app({"type": "http", "method": "GET"}, receive, send)
    return (process_time() - begun) / REQUESTS * 1e6


async def measure() -> dict[str, float]:
    """Both in turn, and the median of their differences."""
    measured = Stopwatch(serve)
    differences = []
    for _ in range(ROUNDS):
        bare, whole = await time_of(serve), await time_of(measured)
        differences.append(whole - bare)
    begun = perf_counter()
    text = exposition.text()
    return {
        "added_us_per_request": round(statistics.median(differences), 2),
        "scrape_ms": round((perf_counter() - begun) * 1e3, 2),
        "scrape_bytes": len(text),
    }


def main() -> None:
    """Measure, and write it down."""
    result = asyncio.run(measure())
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    added, scrape = result["added_us_per_request"], result["scrape_ms"]
    print(f"a request costs {added} µs more (should be below 10), a scrape {scrape} ms")
