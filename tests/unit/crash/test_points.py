"""Crash points: an await has a name, whoever waits in between, and what has no name is not asked for one."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from tests.crash.points import DURABLE, Watch, all_names

EXAMPLE = """
import asyncio, os
from contextlib import asynccontextmanager

class Desk:
    @asynccontextmanager
    async def door(self):
        await asyncio.sleep(0)
        yield
        await asyncio.sleep(0)

    async def serve(self, work):
        await self.think()
        async with self.door():
            await work()
        await asyncio.gather(self.think(), self.think())

    async def think(self):
        if asyncio is None:
            await nothing
        await asyncio.sleep(0)

def keep(path):
    os.replace(path, path + ".kept")
"""
WHERE = "control_plane.example"


def example(module: str = WHERE) -> dict[str, Any]:
    given: dict[str, Any] = {"__name__": module}
    exec(compile(EXAMPLE, module, "exec"), given)
    return given


def watched(work: Any) -> list[str]:
    """The points that a coroutine reaches, in their order."""
    watch, reached = Watch(), list[str]()
    watch.reach = reached.append  # type: ignore[method-assign]

    async def run() -> None:
        await asyncio.ensure_future(work())

    before = {name: getattr(os, name) for name in ("fdatasync", "fsync", "replace", "rename", "unlink")}
    loop = asyncio.new_event_loop()
    try:
        watch.install(loop)
        watch.looks = True
        loop.run_until_complete(run())
    finally:
        for name, function in before.items():
            setattr(os, name, function)
        loop.close()
    return [name.removeprefix(f"{WHERE}.") for name in reached]


def test_an_await_is_asked_and_answered_under_the_name_of_its_function() -> None:
    desk = example()["Desk"]()
    assert watched(desk.think) == ["Desk.think#2>", "Desk.think#2<"]


def test_the_innermost_function_of_ours_has_the_name_through_whatever_stands_between() -> None:
    given = example()

    async def another_library() -> None:
        await asyncio.sleep(0)

    reached = watched(lambda: given["Desk"]().serve(another_library))
    assert reached[:8] == [
        "Desk.think#2>",
        "Desk.think#2<",
        "Desk.door#1>",
        "Desk.door#1<",
        "Desk.serve#3>",
        "Desk.serve#3<",
        "Desk.door#2>",
        "Desk.door#2<",
    ]
    assert sorted(set(reached[8:])) == ["Desk.serve#6<", "Desk.serve#6>", "Desk.think#2<", "Desk.think#2>"]


def test_what_is_done_with_files_is_a_point(tmp_path: Path) -> None:
    given, path = example(), tmp_path / "file"
    path.write_text("x")

    async def keep() -> None:
        given["keep"](str(path))

    assert watched(keep) == ["keep!replace>", "keep!replace<"]
    assert (tmp_path / "file.kept").exists()


@pytest.mark.parametrize("module", ["control_plane.events.wake", "asyncio.tasks", "control_plane.app"])
def test_who_waits_for_others_has_no_name(module: str) -> None:
    assert watched(example(module)["Desk"]().think) == []


def test_every_await_of_durable_modules_has_a_name_of_its_own() -> None:
    names = all_names()
    assert len(names) > 1000
    assert sorted({name for name in names if names.count(name) > 1}) == []
    assert all(name.startswith(DURABLE) for name in names)
