"""What the platform has written down of a run, and whether it has settled."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import httpx2
import psycopg
from livekit import api
from psycopg.rows import dict_row

from tests.chaos.invariants import Row, Violation
from tests.chaos.stack import ChaosStack, spool_of

SESSIONS: Final = """
    select session.id, room_name, status, outcome, end_reason, extract(epoch from started_at)::float as started,
           extract(epoch from ended_at)::float as ended,
           (select count(*) from session_job job where job.session_id = session.id) as jobs,
           array(select extract(epoch from lost_at)::float from session_job job
                 where job.session_id = session.id and lost_at is not null) as lost
    from session where id > %(session)s order by id
"""
TALLY: Final = """
    with ours as (select * from room where id > %(room)s),
    stays as (select participant.*, ours.full_name from participant join ours on ours.id = room_id where told),
    talks as (select * from session where id > %(session)s),
    rows(type, about, times) as (
        select 'room.finished', full_name, count(*) from ours where status = 'closed' group by full_name
        union all select 'room.started', full_name, count(*) from ours where started_at is not null group by full_name
        union all select 'participant.joined', full_name, count(*) from stays group by full_name
        union all select 'participant.left', full_name, count(*) from stays where left_at is not null group by full_name
        union all select 'session.started', id::text, 1 from talks where announced_at is not null
        union all select 'session.ended', id::text, 1 from talks where status = 'completed'
        union all select 'session.failed', id::text, 1 from talks where outcome = 'failed'
        union all select 'transcript.line', session_id::text, count(*) from transcript_line
            where session_id in (select id from talks) group by session_id
        union all select 'turn.measured', session_id::text, count(*) from turn
            where session_id in (select id from talks) group by session_id
    ),
    told(type, about, times) as (
        select type, case when type like 'session.%%' or type in ('transcript.line', 'turn.measured')
                          then data ->> 'session_id' else room_name end, count(*)
        from event where id > %(event)s and type in (select distinct type from rows) group by 1, 2
    )
    select type, about, coalesce(rows.times, 0) as rows, coalesce(told.times, 0) as told
    from rows full join told using (type, about)
    where coalesce(rows.times, 0) <> coalesce(told.times, 0)
"""
UNSETTLED: Final = {
    "conversations that go on": "select count(*) from session where status = 'active'",
    "jobs of conversations that go on": "select count(*) from session_job where ended_at is null",
    "places held by conversations": "select count(*) from slot where session_id is not null",
    "rooms that are open": "select count(*) from room where status = 'open'",
    "people in rooms": "select count(*) from participant where left_at is null",
    "events without a number": "select count(*) from event where seq is null",
    "webhooks on their way": "select count(*) from webhook_delivery where state = 'waiting'",
    "events that no webhook tells yet": """
        select greatest(0, (select max(seq) from event) - (select seq from event_cursor where reader = 'webhooks'))
    """,
    "work that is due": """
        select count(*) from job where state in ('waiting', 'running') and run_at < now() and kind <> 'calendar.sync'
    """,
}
"""What is to be nothing once all have hung up."""


@dataclass
class Records:
    """All of it, read at the end."""

    sessions: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    lines: dict[int, list[Row]] = field(default_factory=dict)
    wrong: list[Violation] = field(default_factory=list)
    """What does not tally."""


class Books:
    """Reads the platform's tables, past every link. `key` is the project's."""

    def __init__(self, stack: ChaosStack, key: str) -> None:
        self.stack, self.key = stack, key
        self.since: dict[str, int] = {}
        """The last ids of what was there before the run."""

    async def open(self) -> None:
        """Remember what is there before anybody calls."""
        for table in ("session", "room", "event"):
            row = await self._rows(f"select coalesce(max(id), 0) as last from {table}")
            self.since[table] = row[0]["last"]

    async def hasten(self) -> None:
        """Let the time be over that a webhook which failed waits for its next try."""
        await self._rows("update webhook_delivery set next_at = now() where state = 'waiting' and next_at > now()")

    async def twice(self) -> list[int]:
        """Sessions in which two personas are at work."""
        found = await self._rows(
            "select session_id from session_job where ended_at is null group by session_id having count(*) > 1"
        )
        return [row["session_id"] for row in found]

    async def unsettled(self) -> dict[str, int]:
        """What is not over yet."""
        counts: dict[str, int] = {}
        for name, query in UNSETTLED.items():
            counts[name] = next(iter((await self._rows(query))[0].values())) or 0
        counts["rooms of LiveKit with somebody in them"] = len(await self.live_rooms())
        counts["reports in spools"] = sum(
            len(list(spool_of(self.stack, worker).glob("*.spool"))) for worker in self.stack.workers()
        )
        return {name: count for name, count in counts.items() if count}

    async def live_rooms(self) -> list[str]:
        """Rooms that livekit-server has, with somebody in them: it closes empty ones itself, after five minutes."""
        services = self.stack.stack.services
        keys = services.secrets.livekit_api_key, services.secrets.livekit_api_secret
        timeout = aiohttp.ClientTimeout(total=5)
        url = services.livekit_url.replace("ws", "http", 1)
        async with api.LiveKitAPI(url, *keys, timeout=timeout, failover=False) as client:
            rooms = (await client.room.list_rooms(api.ListRoomsRequest())).rooms
            return [room.name for room in rooms if room.num_participants]

    async def settle(self, within: float) -> dict[str, int]:
        """Wait until all is over; what is not, after so many seconds."""
        until = time.monotonic() + within
        left: dict[str, int] = {"nothing was read": 1}
        while left and time.monotonic() < until:
            await asyncio.sleep(1)
            try:
                await self.hasten()
                left = await self.unsettled()
            except (psycopg.Error, aiohttp.ClientError, TimeoutError, OSError) as error:
                left = {f"{type(error).__name__}: {error}": 1}
        return left

    async def read(self) -> Records:
        """Everything that was written down since the beginning."""
        records = Records(
            sessions=await self._rows(SESSIONS, self.since),
            events=await self._rows(
                "select id, seq, type, room_name, data from event where id > %(event)s order by seq", self.since
            ),
            deliveries=await self._rows(
                "select event_seq, state, attempts from webhook_delivery where in_order and event_seq is not null"
            ),
        )
        for row in await self._rows(TALLY, self.since):
            records.wrong.append(
                Violation("each fact once", f"{row['type']} of {row['about']}: {row['told']} told, {row['rows']} true")
            )
        for row in await self._rows("select kind, key, error from job where state = 'failed'"):
            records.wrong.append(Violation("no work is given up", f"{row['kind']} {row['key']}: {row['error']}"))
        for worker in self.stack.workers():
            parked = spool_of(self.stack, worker) / "parked.jsonl"
            if parked.exists() and (text := parked.read_text().strip()):
                count = len(text.splitlines())
                records.wrong.append(Violation("no report is refused", f"{worker}: {count} parked, {text[:300]}"))
        records.lines = await self._lines([session["id"] for session in records.sessions])
        return records

    async def _lines(self, sessions: Sequence[int]) -> dict[int, list[Row]]:
        url = f"{self.stack.stack.services.api_url}/api/v1"
        async with httpx2.AsyncClient(base_url=url, headers={"X-API-Key": self.key}, timeout=20) as http:
            found = {}
            for session in sessions:
                answer = (await http.get(f"/sessions/{session}/transcript")).raise_for_status().json()
                found[session] = [Row(session, each["speaker"], each["content"]) for each in answer["transcripts"]]
        return found

    async def _rows(self, query: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        async with (
            asyncio.timeout(10),
            await psycopg.AsyncConnection.connect(
                self.stack.database_url, autocommit=True, row_factory=dict_row, connect_timeout=5
            ) as connection,
        ):
            cursor = await connection.execute(query.encode(), values)
            return await cursor.fetchall() if cursor.description else []
