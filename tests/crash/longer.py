"""Further scenarios: what is said, what is sent on, what is read, who attends."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import uvicorn

from agents.contract import Submission
from agents.spool import Spool
from agents.uplink import Uplink
from tests.crash.scenarios import Running, Scenario
from tests.crash.stage import Stage, submission_of
from tests.crash.world import World
from tests.support.platform import WORKER_TOKEN
from tests.support.uplink_client import uplink_to

SAID: Final = tuple(f"This is line {number} of six." for number in range(1, 7))
FIRST: Final = 100
"""Sequence of the first report that goes by the spool."""
MEASURED: Final = {
    "usage": {"type": "usage.counted.v1", "service": "llm", "provider": "openai", "model": "m", "input_tokens": 7},
    "turn": {"type": "turn.measured.v1", "endpointing_ms": 100.0, "model_ms": 300.0, "speech_ms": 100.0},
}
SHORT: Final = "The office is open from nine to five. " * 8
LONG: Final = "Parcels are sent on Mondays and arrive on Thursdays. " * 120


class Transcript(Running):
    """What is said goes by a real spool and a real uplink, whose process dies with the control plane's."""

    name = "transcript"

    async def prepare(self, stage: Stage) -> None:
        await super().prepare(stage)
        held = await stage.job()
        await stage.do("the spool's own numbers", "worker.skip", held.id, FIRST + 50)

    async def act(self, stage: Stage) -> None:
        async with _worker(stage) as (spool, uplink):
            held = (await stage.worker.held() or await stage.worker.ended()).popitem()[1]
            reports = [
                {"type": "line.spoken.v1", "speaker": "user", "text": text, "timestamp_ms": 1000 * number}
                for number, text in enumerate(SAID)
            ]
            for number, report in enumerate([*reports[:3], *MEASURED.values(), *reports[3:]]):
                if report in reports:
                    await stage.do(f"word {number}", "say", report["text"])
                submission = submission_of(held, FIRST + number, {"at": datetime.now(UTC).isoformat(), **report})

                async def speak(submission: Submission = submission) -> None:
                    assert await asyncio.to_thread(spool.keep, submission)
                    await uplink.submit(submission)

                await stage.once(f"report {number}", speak)

            async def arrived() -> bool:
                return not spool.count()

            await stage.until(arrived, "a verdict on every report")

    def check(self, connection: psycopg.Connection[Any], world: World) -> Iterable[str]:
        counted = connection.execute(
            "select service, sum(input_tokens), count(*) from usage_entry group by 1"
        ).fetchall()
        if ("llm", 7, 1) not in [(service, int(tokens or 0), count) for service, tokens, count in counted]:
            yield f"one use was counted as {counted}"
        turns = connection.execute("select count(*) from turn").fetchone()
        if turns != (1,):
            yield f"one turn was measured, and there are {turns}"
        if (world.folder / "spool" / "parked.jsonl").exists():
            yield "reports were parked"


@asynccontextmanager
async def _worker(stage: Stage) -> AsyncIterator[tuple[Spool, Uplink]]:
    """A worker's half: its spool, and its connection to a server of this process."""
    folder = Path(stage.settings.recordings_url.removeprefix("file://")).parent / "spool"
    spool = Spool(folder)
    server = uvicorn.Server(uvicorn.Config(stage.app, host="127.0.0.1", port=0, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), "it does not start"
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with uplink_to(port, spool, token=WORKER_TOKEN, capacity=10) as uplink:
            yield spool, uplink
    finally:
        server.should_exit = True
        await serving
        spool.close()


class Webhook(Scenario):
    """Things happen, and a customer's server hears of each, though it fails at first."""

    name = "webhook"

    async def act(self, stage: Stage) -> None:
        await stage.do("it fails", "houses.fail", 1)
        for name in ("one", "two"):
            await stage.post(name, "/rooms", {"name": name})
            await stage.do(f"ada in {name}", "media.join", f"proj_{name}", "ada")
            await stage.turn()
        for _ in range(5):
            await stage.turn()


class Ingest(Scenario):
    """Two documents come into a knowledge base: one at once, one that takes its time."""

    name = "ingest"

    async def prepare(self, stage: Stage) -> None:
        await stage.post("base", "/knowledge-bases", {"name": "Questions"})

    async def act(self, stage: Stage) -> None:
        path = "/knowledge-bases/1/ingest"
        await stage.post("short", path, {"content": SHORT, "source_name": "short"})
        await stage.post("long", path, {"content": LONG, "source_name": "long"})

        async def ingested() -> bool:
            return all(each["id"] for each in (await stage.get("/knowledge-bases/1/documents"))["documents"])

        await stage.until(ingested, "both documents")

    def check(self, connection: psycopg.Connection[Any], world: World) -> Iterable[str]:
        told = {row[0]: row[1] for row in connection.execute(
            "select data->>'source_file', (data->>'chunks_created')::int from event"
            " where type = 'knowledge.document_uploaded'")}  # fmt: skip
        there = {row[0]: row[1] for row in connection.execute(
            "select source, (select count(*) from knowledge_chunk c where c.document_id = d.id)"
            " from knowledge_document d")}  # fmt: skip
        if told != there or set(there) != {"short", "long"}:
            yield f"documents and their chunks: told {told}, there {there}"
        strays = connection.execute(
            "select count(*) from knowledge_chunk c where not exists"
            " (select from knowledge_vector v where v.chunk_id = c.id)"
        ).fetchone()
        if strays != (0,):
            yield f"{strays} passages without a vector"


class SentBot(Scenario):
    """A bot is sent to a meeting, hears, and brings back words and a file."""

    name = "bot"

    async def prepare(self, stage: Stage) -> None:
        await stage.post("meeting", "http://parley.test/api/meetings", {"title": "Talk"})

    async def act(self, stage: Stage) -> None:
        meeting = await stage.post("meeting", "http://parley.test/api/meetings", {"title": "Talk"})
        asked = {
            "meeting_url": meeting["url"],
            "bot_name": "Notetaker",
            "webhook_url": "http://127.0.0.1:9/bot",
            "speech_to_text": "Default",
        }
        await stage.post("bot", "http://parley.test/bots", asked)
        await stage.until(stage.worker.ever, "a bot in its meeting")
        await stage.turn()
        held = await stage.worker.held()
        if held:
            job = next(iter(held.values()))
            await stage.do("ada joins", "media.join", job.room, "ada")
            await stage.do("a word", "say", "Hello everybody")
            words = [{"text": "Hello", "start_ms": 1000, "end_ms": 1400}]
            said = {"type": "line.spoken.v1", "speaker": "user", "identity": "ada", "text": "Hello everybody"}
            await stage.report("a line", job.id, **said, timestamp_ms=1000, words=words)
        await stage.turn()
        await stage.turn()
        await stage.do("ada leaves", "part_all")

        async def over() -> bool:
            return not await stage.worker.held()

        await stage.until(over, "the end of the bot")
        for _ in range(4):
            await stage.turn()

    def check(self, connection: psycopg.Connection[Any], world: World) -> Iterable[str]:
        bots = connection.execute("select state, error from bot").fetchall()
        if bots != [("completed", None)]:
            yield f"bots: {bots}"


class Calendar(Scenario):
    """A calendar is read, a bot is planned for an event of it, and the event moves."""

    name = "calendar"

    async def prepare(self, stage: Stage) -> None:
        await stage.do("the feed", "houses.publish", _feed(stage.clock.now() + timedelta(hours=5)))

    async def act(self, stage: Stage) -> None:
        body = {"platform": "ICS", "url": "http://127.0.0.1:9/ada.ics"}
        calendar = (await stage.post("calendar", "http://parley.test/calendars", body))["calendar"]
        listed = f"http://parley.test/calendar_events?calendar_id={calendar['uuid']}"

        async def read() -> Any:
            return (await stage.get(listed))["data"]

        event = (await stage.until(read, "an event"))[0]
        path = f"http://parley.test/calendar_events/{event['uuid']}/bot"
        await stage.post("bot", path, {"bot_name": "Notes"})
        later = await stage.do("later", "houses.later", 8)
        await stage.do("it moves", "houses.publish", _feed(later))

        async def moved() -> bool:
            return bool((await stage.get(listed))["data"][0]["start_time"] == f"{later:%Y-%m-%dT%H:%M:%S}.000Z")

        for _ in range(30):
            if await moved():
                break
            await stage.turn(10)

    async def finish(self, stage: Stage) -> None:
        found = await stage.get("http://parley.test/calendars")
        for each in found:
            await stage.delete("gone", f"http://parley.test/calendars/{each['uuid']}")

    def check(self, connection: psycopg.Connection[Any], world: World) -> Iterable[str]:
        bots = connection.execute("select state from bot").fetchall()
        if bots != [("cancelled",)]:
            yield f"bots of one event whose calendar is gone: {bots}"
        if calendars := connection.execute("select id from calendar").fetchall():
            yield f"calendars that are gone: {calendars}"


def _feed(start: datetime) -> str:
    event = [
        "BEGIN:VEVENT",
        "UID:one",
        "DTSTAMP:20260101T000000Z",
        f"DTSTART:{start:%Y%m%dT%H%M%SZ}",
        "DURATION:PT30M",
        "SUMMARY:Talk",
        "LOCATION:https://zoom.us/j/123456789",
        "END:VEVENT",
    ]
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test", *event, "END:VCALENDAR", ""])


LONGER: Final = (Transcript, Webhook, Ingest, SentBot, Calendar)
