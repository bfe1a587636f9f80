"""Nothing personal that is said reaches any sink of the control plane, whatever a worker or a customer hands in."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import psycopg
import pytest
from redis.asyncio import Redis
from sqlmodel import select
from websockets.asyncio.client import connect

from agents.calling import PersonaJob
from control_plane.analysis.making import Analyst
from control_plane.clock import Clock
from control_plane.events.facts import Fact
from control_plane.meetings.hosting import Host
from control_plane.meetings.models import Attendee, Meeting
from control_plane.sessions.models import Session
from tests.support.database import Clone
from tests.support.platform import Platform, Tenant
from tests.support.privates import NAMES, leaks, make_secrets
from tests.support.receiver import Receiver
from tests.support.tried import sample, tried
from tests.support.uplink import ticket_of, worker
from tests.support.webhooks import make, tell

pytestmark = pytest.mark.anyio

NUMBER = "+1 415 555 2671"
NO_WORDS = re.compile(
    r"""\d{4}-\d\d-\d\d[T\ ][\d:.]+(Z|[+-][\d:]+)?  # a moment
    |\w{3},\ \d\d\ \w{3}\ \d{4}\ [\d:]+\ GMT  # a moment in a header
    |https?://127[.]0[.]0[.]1:\d+/?  # a port of this run
    |[a-z]+-\S+-\d+-[0-9a-f]{8}  # a process
    |\S{24,}  # a key, or a hash""",
    re.VERBOSE,
)


def dump(clone: Clone) -> list[str]:
    """Every row of every table as JSON, as its owner sees them; but for projects, which know the names themselves."""
    with psycopg.connect(clone.owner, options="-c parley.project=all") as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        return [
            str(row[0])
            for (table,) in tables
            if table != "project"
            for row in connection.execute(f'select to_jsonb(t)::text from "{table}" t').fetchall()  # type: ignore[arg-type]
        ]


def texts(given: object) -> Iterator[str]:
    """What people may have said, in JSON within JSON: none of `NO_WORDS`, whose digits are any."""
    if isinstance(given, dict | list):
        for each in given.values() if isinstance(given, dict) else given:
            yield from texts(each)
    elif isinstance(given, str):
        try:
            read = json.loads(given)
        except ValueError:
            read = None
        if isinstance(read, dict | list):
            yield from texts(read)
        elif not NO_WORDS.fullmatch(given):
            yield given


@asynccontextmanager
async def overheard(platform: Platform, key: str) -> AsyncIterator[list[str]]:
    """What the monitor socket shows, and what goes through Redis."""
    heard: list[str] = []

    def note(message: object) -> None:
        heard.append(message.decode() if isinstance(message, bytes) else str(message))

    url = platform.url.replace("http", "ws") + f"/ws/monitor?api_key={key}"
    async with (
        connect(url, proxy=None) as socket,
        Redis.from_url(platform.settings.redis_url.get_secret_value()) as redis,
    ):
        for channel in ("rooms", "sessions"):
            await socket.send(json.dumps({"action": "subscribe", "channel": channel}))
        async with redis.pubsub() as bus:
            await bus.psubscribe("*")

            async def watch() -> None:
                async for message in socket:
                    note(message)

            async def listen() -> None:
                async for message in bus.listen():
                    note(message["data"])

            tasks = [asyncio.create_task(watch()), asyncio.create_task(listen())]
            try:
                yield heard
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def redacting(tenant: Tenant, **more: Any) -> None:
    body = {"redact": True, "redact_names": list(NAMES)} | more
    changed = await tenant.http.patch(f"/projects/{tenant.project.id}", json=body)
    assert changed.status_code == 200, changed.text


async def told(tenant: Tenant, platform: Platform, room: str = "r") -> PersonaJob:
    await platform.add_worker()
    async with worker(platform) as fake:
        answer = await fake.exchange(await ticket_of(tenant, room), room=f"proj_{room}", job_id=f"AJ_{room}")
    return PersonaJob.model_validate(answer["job"])


async def until(look: Any, within: float = 60) -> None:
    async with asyncio.timeout(within):
        while not await look():
            await asyncio.sleep(0.05)


async def test_a_job_is_told_to_redact_and_whether_words_are_kept(platform: Platform, tenant: Tenant) -> None:
    plain = await told(tenant, platform)
    await redacting(tenant, store_transcripts=False)
    wanted = await told(tenant, platform, "s")

    assert (plain.redaction, plain.keeps_words) == (None, True)
    assert wanted.redaction is not None
    assert (wanted.redaction.names, wanted.keeps_words) == (list(NAMES), False)


async def test_no_line_of_a_worker_that_redacts_nothing_is_left_in_any_sink(
    platform: Platform, tenant: Tenant, clone: Clone, receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    secrets, asked = make_secrets(sample(1000, 28)), []
    await redacting(tenant)
    await make(tenant, receiver.url + "/", events=["meeting.chat"])
    await platform.add_worker()
    count = sum(len(secret.lines) for secret in secrets)
    async with platform.jobs(), overheard(platform, tenant.key) as heard, worker(platform) as fake:
        answer = await fake.exchange(await ticket_of(tenant), room="proj_r")
        job = PersonaJob.model_validate(answer["job"])
        await fake.report(job, 1, type="call.started.v1")
        sequence = 1
        for number, secret in enumerate(secrets):
            await fake.say(type="heartbeat", calls=["AJ_1"])
            for line in secret.lines:
                sequence += 1
                common = {"speaker": "user", "identity": f"p{number}", "text": line, "timestamp_ms": sequence}
                shown = {"type": "line.interim.v1", "room_name": "proj_r", "at": job.started_at.isoformat()} | common
                key = {"session_id": job.session_id, "epoch": job.epoch, "capability": job.capability}
                await fake.say(type="report", sequence=0, report=shown, **key)
                words = [{"text": each, "start_ms": 0, "end_ms": 1} for each in line.split()]
                verdict = await fake.report(job, sequence, type="line.spoken.v1", words=words, **common)
                assert verdict["refused"] is None, verdict
            whole = " ".join(secret.lines)
            await tell(platform, tenant, Fact.MEETING_CHAT, text=whole, name=whole, identity="p")
            used = {"name": "look", "arguments": json.dumps({"q": whole}), "result": whole, "ms": 1}
            await fake.report(
                job, (sequence := sequence + 1), type="tool.used.v1", began_at=job.started_at.isoformat(), **used
            )
        async with platform.database.platform() as db:
            session = (await db.exec(select(Session).where(Session.id == job.session_id))).one()

        class Client:
            """A model that keeps what it is asked."""

            class chat:
                class completions:
                    @staticmethod
                    async def create(**given: Any) -> Any:
                        asked.append(json.dumps(given, ensure_ascii=False, default=str))
                        raise openai.APIConnectionError(request=None)  # type: ignore[arg-type]

        with pytest.raises(Exception, match="away"):
            await Analyst(platform.database, Clock(), Client(), "m").analyse(session.id)  # type: ignore[arg-type]
        await receiver.wait_for(len(secrets), within=60)
        feed = [(await tenant.http.get("/events", params={"limit": 100})).text]
        document = (await tenant.http.get(f"/sessions/{job.session_id}/transcript")).text
        await until(lambda: _all_shown(heard, count))
        await until(lambda: _is_linked(tenant))
    logs = "".join(capfd.readouterr())
    sinks = {
        "rows": dump(clone),
        "monitor and redis": heard,
        "webhooks": [each.body.decode() for each in receiver.at("/")],
        "feed": feed,
        "transcript": [document],
        "analysis": asked,
        "logs": logs.splitlines(),
    }
    for name, sink in sinks.items():
        assert name == "logs" or any("[card]" in each for each in sink), name
    said = {name: {text for each in sink for text in texts(each)} for name, sink in sinks.items()}
    wrong = [(name, each, text) for name in said for each in secrets for text in said[name] if leaks(each, text)]
    tried("redaction: lines × sinks", len(secrets) * len(sinks), len(wrong))
    assert not wrong, wrong[:5]


async def _all_shown(heard: list[str], count: int) -> bool:
    return sum('"transcript.new"' in each for each in heard) >= count


async def _is_linked(tenant: Tenant) -> bool:
    """Whether the jobs process has linked the audit trail: it does so by itself."""
    return (await tenant.http.get("/audit/verify")).json()["head"] is not None


async def test_what_customers_hand_in_is_redacted_as_well(platform: Platform, tenant: Tenant, clone: Clone) -> None:
    await redacting(tenant)
    await tenant.http.post("/sessions", json={"room_name": "r", "metadata": {"phone": NUMBER, "plan": "gold"}})
    for content in (f"Call {NUMBER}", "my card is 4111 11", "11 1111 1111 thanks", "ask Bartholomäus"):
        await tenant.http.post("/sessions/r/transcript", json={"speaker": "user", "content": content})
    await tenant.http.post("/sessions/r/end", json={"summary": f"wants {NUMBER} called"})
    await tell(platform, tenant, Fact.MEETING_CHAT, text=f"write {NUMBER}", name="Bartholomäus", identity="a")
    sessions = (await tenant.http.get("/sessions")).json()["sessions"]
    shown = (await tenant.http.get(f"/sessions/{sessions[0]['id']}/detail")).json()["session"]
    lines = (await tenant.http.get(f"/sessions/{sessions[0]['id']}/transcript")).json()["transcripts"]

    assert shown["metadata"] == {"phone": "[phone]", "plan": "gold"}
    assert shown["summary"] == "wants [phone] called"
    assert [line["content"] for line in lines] == [
        "Call [phone]",
        "my card is [number]",
        "[number] thanks",
        "ask [name]",
    ]
    rows = "".join(dump(clone))
    assert "555 2671" not in rows
    assert "write [phone]" in rows


async def test_a_project_that_does_not_ask_keeps_what_was_said(tenant: Tenant) -> None:
    await tenant.http.post("/sessions", json={"room_name": "r"})
    made = await tenant.http.post("/sessions/r/transcript", json={"speaker": "user", "content": NUMBER})

    assert made.json()["transcript"]["content"] == NUMBER


async def test_a_chat_is_kept_redacted_or_not_at_all(platform: Platform, tenant: Tenant, clone: Clone) -> None:
    meeting = Meeting(project_id=tenant.project.id, code="m", room_name="proj_m", controls={"enable_chat": True})
    await platform.add(meeting)
    guest = Attendee(project_id=tenant.project.id, meeting_id=meeting.id, identity="g", name="Ada")
    host = Host(platform.database, Clock(), platform.media)
    await redacting(tenant)
    await host.keep_chat(meeting, guest, f"call {NUMBER}")
    await redacting(tenant, store_transcripts=False)
    await host.keep_chat(meeting, guest, "flamingo")

    rows = "".join(dump(clone))

    assert "call [phone]" in rows
    assert "flamingo" not in rows


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"redact_names": ["a"]}, "redact_names"),
        ({"redact_names": ["x" * 101]}, "redact_names"),
        ({"redact_names": ["Ada"] * 1001}, "redact_names"),
        ({"redact_names": None}, "redact_names"),
    ],
)
async def test_a_bad_list_of_names_is_refused(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    refused = await tenant.http.patch(f"/projects/{tenant.project.id}", json=body)

    assert refused.status_code == 400
    assert refused.json()["details"]["fields"][0]["field"].startswith(field)
