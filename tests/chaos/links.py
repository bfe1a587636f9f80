"""The links of a chaos run, in a process of their own: all that the platform says to itself goes through them, and must
not wait for callers who share their process with a native library.

to that process    {"id": 1, "link": "uplink", "do": "slow", "given": {"latency": 0.25}} on each line
from it            {"id": 1} when it is done, each line; first {"ready": true}
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from itertools import count
from typing import Any, Final, Self

from tests.support.faulty import Direction, FaultyLink

READY_WITHIN: Final = 30.0
DONE_WITHIN: Final = 10.0


class SharedLink(FaultyLink):
    """A link with several servers behind it, of which each connection gets the next."""

    def __init__(self, port: int, targets: list[int]) -> None:
        self.targets, self._turn = targets, 0
        super().__init__(0)
        self.port = port

    @property
    def target(self) -> int:
        """Whose turn it is: another each time."""
        self._turn += 1
        return self.targets[self._turn % len(self.targets)]

    @target.setter
    def target(self, _port: int) -> None: ...

    def aim(self, *, targets: list[int]) -> None:
        """Have these servers behind it."""
        self.targets = targets


class DistantLink:
    """One of them, as it is told what to do from here. Of what is not awaited nothing comes back."""

    def __init__(self, links: "Links", name: str, port: int, target: int) -> None:
        self.port, self.targets = port, [target]
        self._links, self._name = links, name

    def aim(self, targets: list[int]) -> None:
        """Have these servers behind it."""
        self.targets = targets
        self._links.tell(self._name, "aim", targets=targets)

    def slow(self, *, latency: float, jitter: float) -> None:
        """As `FaultyLink`."""
        self._links.tell(self._name, "slow", latency=latency, jitter=jitter)

    def blackhole(self) -> None:
        """As `FaultyLink`."""
        self._links.tell(self._name, "blackhole")

    def reset(self) -> None:
        """As `FaultyLink`."""
        self._links.tell(self._name, "reset")

    def half_close(self, direction: Direction) -> None:
        """As `FaultyLink`."""
        self._links.tell(self._name, "half_close", direction=direction)

    async def refuse(self) -> None:
        """As `FaultyLink`."""
        await self._links.done(self._links.tell(self._name, "refuse"))

    async def heal(self) -> None:
        """As `FaultyLink`."""
        await self._links.done(self._links.tell(self._name, "heal"))


class Links:
    """All of a run. Use as a context; `ports` are where each listens, `targets` what is behind it so far."""

    def __init__(self, ports: Mapping[str, int], targets: Mapping[str, int]) -> None:
        self.all = {name: DistantLink(self, name, port, targets.get(name, 0)) for name, port in ports.items()}
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._hearing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        given = {name: [link.port, link.targets] for name, link in self.all.items()}
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chaos.links", json.dumps(given)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(READY_WITHIN):
            assert await self._process.stdout.readline(), "the links did not start"
        self._hearing = asyncio.create_task(self._hear(self._process.stdout))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()  # at which it ends
        try:
            async with asyncio.timeout(DONE_WITHIN):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        assert self._hearing is not None
        await self._hearing

    def tell(self, name: str, do: str, **given: Any) -> int:
        """Have a link do something; a number to wait for it by."""
        number = next(self._numbers)
        if self._process is not None and self._process.stdin is not None:
            said = {"id": number, "link": name, "do": do, "given": given}
            self._process.stdin.write(json.dumps(said).encode() + b"\n")
        return number

    async def done(self, number: int) -> None:
        """Until that has been done. Raises `TimeoutError` after `DONE_WITHIN`."""
        self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(DONE_WITHIN):
                await self._waiting[number]
        finally:
            del self._waiting[number]

    async def _hear(self, answers: asyncio.StreamReader) -> None:
        while line := await answers.readline():
            waiting = self._waiting.get(json.loads(line)["id"])
            if waiting is not None and not waiting.done():
                waiting.set_result(None)


async def _serve(given: dict[str, tuple[int, list[int]]]) -> None:
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async with AsyncExitStack() as cleanup:
        links = {
            name: await cleanup.enter_async_context(SharedLink(port, list(targets)))
            for name, (port, targets) in given.items()
        }
        _say(ready=True)
        while line := await orders.readline():
            said = json.loads(line)
            doing = getattr(links[said["link"]], said["do"])(**said["given"])
            if doing is not None:
                await doing
            _say(id=said["id"])


def _say(**answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(sys.argv[1])))
