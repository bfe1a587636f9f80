"""The limit of a sender of webhooks: signed requests in a loop, with nothing planned, ordered, kept or repeated.

`python -m bench.posting URL CONNECTIONS COUNT`, the body on stdin; prints seconds and CPU-seconds of the loop.
"""

import asyncio
import json
import sys
import time

import aiohttp

from control_plane.webhooks import signing


async def post(url: str, body: bytes, connections: int, count: int) -> tuple[float, float]:
    """Send so many requests over so many connections; the seconds and the CPU-seconds that it took."""
    numbers = iter(range(count))
    keys = [signing.new_secret()]

    async def send(http: aiohttp.ClientSession) -> None:
        for number in numbers:
            headers = signing.headers(body, message=str(number), timestamp=int(time.time()), keys=keys)
            async with http.post(url, data=body, headers=headers) as response:
                await response.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as http:
        began, used = time.perf_counter(), time.process_time()
        await asyncio.gather(*(send(http) for _ in range(connections)))
        return time.perf_counter() - began, time.process_time() - used


if __name__ == "__main__":
    address, at_once, wanted = sys.argv[1:]
    json.dump(asyncio.run(post(address, sys.stdin.buffer.read(), int(at_once), int(wanted))), sys.stdout)
