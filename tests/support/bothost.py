"""A bot host's side of the uplink, as the tests speak it, and what they ask of bots."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import jwt
from sqlmodel import col, select, update
from websockets.asyncio.client import ClientConnection, connect

from agents.attendance import BotJob
from control_plane.bots.models import OVER, Bot
from control_plane.sessions.models import Session, SessionJob, Slot
from control_plane.telephony.models import SipTrunk
from tests.support.platform import WORKER_TOKEN, Platform, Tenant
from tests.support.receiver import Receiver
from tests.support.recordings import BEGAN
from tests.support.webhooks import until

BEAT = 2.0
"""Seconds between heartbeats."""


class FakeHost:
    """Takes bots and reports what it is told to."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._sequences: dict[str, int] = {}

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self, kind: str, *, within: float = 60) -> dict[str, Any]:
        async with asyncio.timeout(within):
            while True:
                message: dict[str, Any] = json.loads(await self.socket.recv())
                if message["type"] == kind:
                    return message

    async def attend(self, *, within: float = 60) -> BotJob:
        """The next bot that this host is sent."""
        return BotJob.model_validate((await self.hear("attend", within=within))["job"])

    async def beat(self, *jobs: BotJob) -> None:
        """Say that these bots are here."""
        await self.say(type="heartbeat", calls=[job.job_id for job in jobs])

    @asynccontextmanager
    async def beating(self, *jobs: BotJob) -> AsyncIterator[None]:
        """Say so again and again for the time of the block: who is silent for long is not believed to live."""

        async def beat() -> None:
            while True:
                await self.beat(*jobs)
                await asyncio.sleep(BEAT)

        beats = asyncio.create_task(beat())
        try:
            yield
        finally:
            beats.cancel()
            await asyncio.gather(beats, return_exceptions=True)

    async def report(self, job: BotJob, kind: str, **report: Any) -> None:
        """A report of a bot, and its verdict."""
        sequence = self._sequences[job.job_id] = self._sequences.get(job.job_id, 0) + 1
        await self.say(
            type="report",
            session_id=job.session_id,
            epoch=job.epoch,
            sequence=sequence,
            capability=job.capability,
            report={"at": datetime.now(UTC).isoformat(), "type": kind} | report,
        )
        verdict = await self.hear("verdict")
        assert verdict["refused"] is None, verdict

    async def starts(self, job: BotJob) -> None:
        """A bot is in its meeting."""
        await self.report(job, "call.started.v1")

    async def hears(self, job: BotJob, name: str, words: list[tuple[str, int, int]]) -> None:
        """Somebody said something there."""
        await self.report(
            job,
            "line.spoken.v1",
            speaker="user",
            identity=name.lower(),
            name=name,
            text=" ".join(word for word, _, _ in words),
            timestamp_ms=words[0][1],
            duration_ms=words[-1][2] - words[0][1],
            words=[{"text": word, "start_ms": start, "end_ms": end} for word, start, end in words],
        )

    async def leaves(self, job: BotJob, reason: str) -> None:
        """A bot is out of its meeting, and still writes down what was said."""
        await self.report(job, "bot.left.v1", reason=reason)

    async def ends(self, job: BotJob, reason: str, *, failed: bool = False) -> None:
        """A bot is out of its meeting."""
        await self.report(job, "call.ended.v1", reason=reason, failed=failed, duration_ms=1000)


@asynccontextmanager
async def bot_host(
    platform: Platform, *, bots: int = 5, name: str = "bots-1", url: str = ""
) -> AsyncIterator[FakeHost]:
    """A host with so many places; `url` is another control plane than the platform's own."""
    url = (url or platform.url).replace("http", "ws") + "/uplink"
    headers = {"Authorization": f"Bearer {WORKER_TOKEN}"}
    async with connect(url, additional_headers=headers, proxy=None) as socket:
        host = FakeHost(socket)
        await host.say(type="hello", worker_id=name, capacity=0, bots=bots)
        await host.hear("welcome")
        yield host


@asynccontextmanager
async def baas(platform: Platform, tenant: Tenant, *, url: str = "") -> AsyncIterator[httpx2.AsyncClient]:
    """A client of `/bots`, at another control plane than the platform's own where there is a `url`."""
    headers = {"x-meeting-baas-api-key": tenant.key}
    async with httpx2.AsyncClient(base_url=url or platform.url, headers=headers, timeout=30) as http:
        yield http


async def send(http: httpx2.AsyncClient, url: str, **body: Any) -> str:
    """A new bot's id."""
    answer = await http.post("/bots", json={"meeting_url": url, "bot_name": "Notetaker"} | body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["bot_id"])


async def data_of(http: httpx2.AsyncClient, bot_id: str) -> dict[str, Any]:
    """What a bot has brought."""
    answer = await http.get("/bots/meeting_data", params={"bot_id": bot_id})
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()
    return data


def codes(receiver: Receiver, path: str = "/") -> list[str]:
    """What was told there, in the order it came: statuses by their code, the last by its event."""
    events = [each.event for each in receiver.at(path)]
    return [event["data"].get("status", {}).get("code") or event["event"] for event in events]


async def read(platform: Platform, bot_id: str) -> Bot:
    async with platform.database.platform() as db:
        return (await db.exec(select(Bot).where(col(Bot.uuid) == bot_id))).one()


async def in_state(platform: Platform, bot_id: str, state: str) -> Bot:
    """A bot, once it is so far."""

    async def ask() -> Any:
        bot = await read(platform, bot_id)
        return bot if bot.state == state else None

    found: Bot = await until(ask)
    return found


async def expire(platform: Platform) -> None:
    """Let the leases of all jobs run out."""
    async with platform.database.platform() as db:
        await db.exec(update(SessionJob).values(lease_until=BEGAN - timedelta(hours=1)))


def job_grants(token: str) -> dict[str, Any]:
    """What a token allows."""
    video: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})["video"]
    return video


def job_room(token: str) -> str:
    """The room that a token opens."""
    return str(job_grants(token)["room"])


async def meet_waiting(tenant: Tenant) -> dict[str, Any]:
    """A meeting of people with a waiting room."""
    url = str(tenant.http.base_url).replace("/api/v1/", "/api/meetings")
    made: dict[str, Any] = (await tenant.http.post(url, json={"title": "Closed", "waitingRoom": True})).json()
    return made


async def add_trunk(platform: Platform, tenant: Tenant) -> None:
    """A carrier's line of the project."""
    trunk = SipTrunk(
        project_id=tenant.project.id,
        name="Line",
        phone_number="+18001234567",
        address="127.0.0.1:5060",
        outbound_trunk_id="ST_1",
        calls_per_second=100,
    )
    await platform.add(trunk)


async def left_over(platform: Platform) -> Counter[str]:
    """What runs, holds a place or is paid for."""
    async with platform.database.platform() as db:
        sessions = (await db.exec(select(Session.id).where(col(Session.ended_at).is_(None)))).all()
        jobs = (await db.exec(select(SessionJob.id).where(col(SessionJob.ended_at).is_(None)))).all()
        slots = (await db.exec(select(Slot.id))).all()
        bots = (await db.exec(select(Bot.id).where(col(Bot.state).not_in(OVER)))).all()
    return +Counter(sessions=len(sessions), jobs=len(jobs), slots=len(slots), bots=len(bots))
