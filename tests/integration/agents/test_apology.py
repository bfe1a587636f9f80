"""The last word of the platform to somebody whom nothing helps: spoken in the room, without any model, and an end."""

import asyncio
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from livekit import rtc

from agents import apology
from agents.apology import Apology
from agents.contract import CallEnded, CallStarted, Command, LineSpoken
from agents.prepared import Sounds
from agents.words import GERMAN
from tests.support.bots import Media
from tests.support.rooms import somebody
from tests.support.virtual_calls import virtual_job

pytestmark = pytest.mark.anyio


class Reports:
    """What a worker's main process would be told."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.command: Any = None

    def report(self, report: Any) -> None:
        self.made.append(report)

    def on_command(self, callback: Any) -> None:
        self.command = callback


async def test_somebody_in_a_room_hears_an_apology_and_it_is_written_down(media: Media, tmp_path: Path) -> None:
    name, reports = uuid.uuid4().hex, Reports()
    job = virtual_job(room_name=name, language="de", only_apologises=True)
    async with somebody(media.url, media.token(name, "ada")) as ada:
        room = rtc.Room()
        await room.connect(media.url, media.token(name, "agent-1"), rtc.RoomOptions(auto_subscribe=False))
        saying = Apology(job, room, Sounds(tmp_path, "voice", words=GERMAN), reports)  # type: ignore[arg-type]
        running = asyncio.create_task(saying.run())
        await ada.until("joined", "agent-1")
        heard = await ada.listen_to("agent-1", 2.5)
        await asyncio.wait_for(running, 30)
        await room.disconnect()
    assert np.abs(heard.astype(np.int32)).max() > 1000
    kinds = [type(each) for each in reports.made]
    assert kinds == [CallStarted, LineSpoken, CallEnded]
    assert reports.made[1].text == GERMAN.sorry
    assert (reports.made[2].reason, reports.made[2].failed) == ("worker_lost", True)


async def test_nobody_is_waited_for_who_does_not_listen(
    media: Media, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apology, "HEARD_WITHIN", 0.2)
    name, reports = uuid.uuid4().hex, Reports()
    room = rtc.Room()
    await room.connect(media.url, media.token(name, "agent-1"), rtc.RoomOptions(auto_subscribe=False))
    running = asyncio.create_task(
        Apology(virtual_job(room_name=name), room, Sounds(tmp_path, "voice"), reports).run()  # type: ignore[arg-type]
    )
    await asyncio.wait_for(running, 30)
    await room.disconnect()
    assert isinstance(reports.made[-1], CallEnded)


async def test_it_ends_when_it_is_told_to() -> None:
    reports, published = Reports(), asyncio.Event()

    async def never(*_: object) -> None:
        published.set()
        await asyncio.get_running_loop().create_future()

    participant = SimpleNamespace(publish_track=never)
    room: Any = SimpleNamespace(local_participant=participant, on=lambda *_: None)
    sounds: Any = SimpleNamespace(frames=lambda _: [], texts={"sorry": "Sorry."})
    running = asyncio.create_task(Apology(virtual_job(only_apologises=True), room, sounds, reports).run())  # type: ignore[arg-type]
    await asyncio.wait_for(published.wait(), 20)
    reports.command(Command(action="end", job_id="AJ_1"))
    await asyncio.wait_for(running, 20)
    assert [type(each) for each in reports.made] == [CallStarted, CallEnded]
