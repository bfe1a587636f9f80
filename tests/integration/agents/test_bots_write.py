"""What bots write down: every word with its time, each speaker by their own microphone."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from agents.attendance import BotJob
from tests.support.bots import Host, Media, Plane, bot_host, bot_job
from tests.support.speech import Spoken, one_by_one, said_at
from tests.support.studio import Person

pytestmark = pytest.mark.anyio

WORDS = ("good", "morning", "everybody", "the", "restaurant", "opens", "at", "seven", "tomorrow")
PATIENCE = 60.0


@asynccontextmanager
async def in_room(media: Media, room: str, identity: str, kind: str = "standard") -> AsyncIterator[Person]:
    person = Person()
    await person.room.connect(media.url, media.token(room, identity, kind=kind))
    try:
        yield person
    finally:
        await person.leave()


@asynccontextmanager
async def writing_host(media: Media, folder: Path, models_url: str) -> AsyncIterator[tuple[Host, Plane]]:
    settings = {"PARLEY_MODELS_URL": models_url, "PARLEY_WORDS_MODEL": "pocketsphinx-en"}
    async with bot_host(media, folder, **settings) as running:
        yield running


async def say(person: Person, job: BotJob, *words: str, voice: str = "rms") -> tuple[float, list[Spoken]]:
    """Have somebody say words two seconds from now; when, in milliseconds of the session, and which."""
    samples, spoken = one_by_one(*words, voice=voice)
    begins = time.monotonic() + 2
    offset = (time.time() + 2 - job.started_at.timestamp()) * 1000
    await person.speak(said_at(samples, begins))
    return offset, spoken


def errors(line: dict[str, Any], offset: float, spoken: list[Spoken]) -> list[float]:
    """How far off the start and the end of each word are, in milliseconds; of those that were understood."""
    found: list[float] = []
    left = list(spoken)
    for word in line["words"]:
        match = next((each for each in left if each.word == word["text"].lower()), None)
        if match is not None:
            left = left[left.index(match) + 1 :]
            found += [word["start_ms"] - offset - match.start * 1000, word["end_ms"] - offset - match.end * 1000]
    return found


async def test_every_word_is_written_down_with_its_time(media: Media, tmp_path: Path, models_url: str) -> None:
    room = uuid.uuid4().hex
    job = bot_job(media, room, transcribe=True)
    async with writing_host(media, tmp_path, models_url) as (_, plane), in_room(media, room, "ada") as ada:
        await plane.attend(job)
        await plane.reported(job, "call.started")
        offset, spoken = await say(ada, job, *WORDS)
        line = await plane.reported(job, "line.spoken", within=PATIENCE)
        assert (line["speaker"], line["identity"]) == ("user", "ada")
        off = errors(line, offset, spoken)
        assert len(off) >= len(WORDS), line["text"]
        assert median(map(abs, off)) < 150, off
        assert line["timestamp_ms"] == line["words"][0]["start_ms"]
        usage = await plane.reported(job, "usage.counted")
        assert (usage["service"], usage["model"], usage["requests"]) == ("stt", "pocketsphinx-en", 1)
        assert 2 < usage["audio_seconds"] < 12


async def test_what_is_being_said_as_the_bot_leaves_is_written_before_its_last_report(
    media: Media, tmp_path: Path, models_url: str
) -> None:
    room = uuid.uuid4().hex
    job = bot_job(media, room, transcribe=True)
    async with writing_host(media, tmp_path, models_url) as (_, plane), in_room(media, room, "ada") as ada:
        await plane.attend(job)
        await plane.reported(job, "call.started")
        _, spoken = await say(ada, job, *WORDS)
        await asyncio.sleep(2 + spoken[5].end)
        await plane.command(job)
        await plane.reported(job, "call.ended")
        assert plane.kinds(job) == ["call.started", "bot.left", "line.spoken", "usage.counted", "call.ended"]


@asynccontextmanager
async def slow_recogniser(begun: asyncio.Event, goes_on: asyncio.Event) -> AsyncIterator[str]:
    """A server that hears the same in everything, as soon as it may."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        begun.set()
        await goes_on.wait()
        body = b'{"text": "good morning", "words": []}'
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n")
        writer.write(b"content-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def test_a_bot_that_has_left_waits_for_a_slow_recogniser(media: Media, tmp_path: Path) -> None:
    room, begun, goes_on = uuid.uuid4().hex, asyncio.Event(), asyncio.Event()
    job = bot_job(media, room, transcribe=True)
    async with (
        slow_recogniser(begun, goes_on) as url,
        writing_host(media, tmp_path, url) as (_, plane),
        in_room(media, room, "ada") as ada,
    ):
        await plane.attend(job)
        await plane.reported(job, "call.started")
        await say(ada, job, *WORDS)
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
        await plane.command(job)
        left = await plane.reported(job, "bot.left")
        assert (left["reason"], plane.kinds(job)) == ("api", ["call.started", "bot.left"])
        goes_on.set()
        await plane.reported(job, "call.ended")
        assert plane.of(job, "line.spoken")[0]["text"] == "good morning"


async def test_speakers_are_told_apart_and_the_line_is_one(media: Media, tmp_path: Path, models_url: str) -> None:
    room = uuid.uuid4().hex
    job = bot_job(media, room, transcribe=True)
    async with (
        writing_host(media, tmp_path, models_url) as (_, plane),
        in_room(media, room, "ada") as ada,
        in_room(media, room, "agent-7", kind="agent") as persona,
    ):
        await plane.attend(job)
        await plane.reported(job, "call.started")
        await say(ada, job, *WORDS)
        await plane.reported(job, "line.spoken", within=PATIENCE)
        await say(persona, job, *WORDS, voice="slt")
        await plane.reported(job, "line.spoken", count=2, within=PATIENCE)
        lines = [(line["speaker"], line["identity"]) for line in plane.of(job, "line.spoken")]
        assert lines == [("user", "ada"), ("agent", "agent-7")]


@pytest.mark.parametrize("redacts", [False, True])
async def test_a_bot_goes_on_where_nothing_is_recognised(media: Media, tmp_path: Path, redacts: bool) -> None:
    """Where its project redacts, what nobody knows is left out, of the recording too."""
    room = uuid.uuid4().hex
    job = bot_job(media, room, transcribe=True, redaction={"names": []} if redacts else None)
    async with writing_host(media, tmp_path, "http://127.0.0.1:9/v1") as (_, plane):
        async with in_room(media, room, "ada") as ada:
            await plane.attend(job)
            await plane.reported(job, "call.started")
            offset, spoken = await say(ada, job, *WORDS)
            await asyncio.sleep(2 + spoken[-1].end)
        ended = await plane.reported(job, "call.ended", within=PATIENCE)
        assert (ended["reason"], ended["failed"]) == ("caller_left", False)
        lines = plane.of(job, "line.spoken")
        assert {line["text"] for line in lines} == ({"[redacted]"} if redacts else set())
        if redacts:
            assert lines[0]["timestamp_ms"] < offset + spoken[0].end * 1000
            assert lines[-1]["timestamp_ms"] + lines[-1]["duration_ms"] > offset + spoken[-1].start * 1000
