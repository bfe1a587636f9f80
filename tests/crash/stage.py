"""The process that is killed: control plane and duties in one loop, between a real database and a world outside.

Those outside follow a script. Whoever of them had no answer asks again, so that after a kill the script is played once
more: what the world remembers is not done twice.
"""

import asyncio
import base64
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import httpx2
import jwt
import numpy as np
import structlog
from fastapi import FastAPI
from multidict import CIMultiDict, CIMultiDictProxy

import control_plane.app
from agents.attendance import BotJob
from agents.calling import PersonaJob
from agents.contract import Attend, Command, Exchange, Submission
from control_plane.accounts.keys import seal_key
from control_plane.accounts.models import Account, Member, Project
from control_plane.events.facts import WEBHOOKS
from control_plane.ids import random_secret
from control_plane.secrets.box import SecretBox
from control_plane.settings import Settings
from control_plane.supervisor import loops
from control_plane.uplink.hub import WorkerLink
from guard.outbound import Answer, Outbound
from knowledge.embedders import Embedders
from tests.crash.clock import SharedClock
from tests.crash.line import Caller
from tests.crash.livekit import metadata_of
from tests.crash.rounds import Rounds
from tests.crash.world import Asked, Held
from tests.support.platform import SECRET_KEY, WORKER_TOKEN

KEY, SECRET = "devkey", "devsecret-devsecret-devsecret-devsecret"
STEP: Final = 2.0
"""Seconds that pass from one round to the next."""
TRIES: Final = 40
"""Rounds after which somebody outside gives up."""


class StepFailed(Exception):
    """Somebody outside was answered what nobody may be answered, or nothing at all."""


class WordEmbedder:
    """Vectors that count words; no model is loaded."""

    model, dimensions = "words", 384

    async def embed(self, texts: Any) -> Any:
        await asyncio.sleep(0)
        return np.stack([self._vector(text) for text in texts])

    async def embed_query(self, text: str) -> Any:
        return self._vector(text)

    async def close(self) -> None:
        pass

    def _vector(self, text: str) -> Any:
        vector = np.full(self.dimensions, 0.01, np.float32)
        for word in text.lower().split():
            vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % self.dimensions] += 1
        return vector / np.linalg.norm(vector)


def settings_of(database_url: str, redis_url: str, folder: str) -> Settings:
    """What both processes know."""
    return Settings.model_validate(
        {
            "environment": "development",
            "database_url": database_url,
            "database_pool": 4,
            "redis_url": redis_url,
            "livekit_api_key": KEY,
            "livekit_api_secret": SECRET,
            "secret_key": SECRET_KEY,
            "worker_token": WORKER_TOKEN,
            "recordings_url": f"file://{folder}",
            "webhook_allow": "127.0.0.0/8",
        }
    )


class Stage:
    """The platform, and what those outside do with it."""

    def __init__(self, app: FastAPI, settings: Settings, clock: SharedClock, caller: Caller) -> None:
        self.app, self.settings, self.clock, self.caller = app, settings, clock, caller
        self.rounds = Rounds()
        self.complaints: list[str] = []
        """Exceptions that nobody foresaw, as they are logged."""
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url="http://parley.test/api/v1", timeout=30
        )
        self.host = WorkerLink("bots-1", bots=5)
        self.media, self.worker = caller.part("media"), caller.part("worker")
        self.phones, self.tapes, self.houses = caller.part("phones"), caller.part("tapes"), caller.part("houses")

    @property
    def state(self) -> Any:
        """Of the running application."""
        return self.app.state

    # --- what those outside do --------------------------------------------------------------------------------------

    async def once(self, step: str, do: Callable[[], Awaitable[Any]]) -> Any:
        """Do something unless it was done and answered; what came of it."""
        done, seen = await self.caller.ask("recall", step)
        if not done:
            seen = await do()
            await self.caller.ask("remember", step, seen)
        return seen

    async def do(self, step: str, method: str, *given: Any, **more: Any) -> Any:
        """The same for what happens outside alone: done and remembered in one."""
        return await self.caller.ask("do", step, method, given, more)

    async def post(self, step: str, path: str, body: dict[str, Any], **headers: str) -> Any:
        """A customer's request under a key of its own, repeated until it is answered; the answer's body."""

        async def ask() -> Any:
            for _ in range(TRIES):
                answer = await self.send(step, path, body, **headers)
                if answer.status_code < 300:
                    await self.caller.ask("note", step, Asked(path, body, answer.status_code, answer.content))
                    return answer.json()
                if answer.status_code != 503 and "still running" not in answer.text:
                    break
                await self.turn(5)
            raise StepFailed(f"{step}: {answer.status_code} {answer.text}")

        return await self.once(step, ask)

    async def send(self, step: str, path: str, body: dict[str, Any], **headers: str) -> httpx2.Response:
        """One try."""
        _, key = await self.caller.ask("recall", "key")
        given = {"X-API-Key": key, "Idempotency-Key": step, **headers}
        return await self.http.post(path, json=body, headers=given)

    async def delete(self, step: str, path: str) -> None:
        """Something is to be gone, and is, however often it is asked."""

        async def ask() -> None:
            _, key = await self.caller.ask("recall", "key")
            for _ in range(TRIES):
                answer = await self.http.delete(path, headers={"X-API-Key": key})
                if answer.status_code != 503:
                    break
                await self.turn(5)
            if answer.status_code not in (200, 404):
                raise StepFailed(f"{step}: {answer.status_code} {answer.text}")

        await self.once(step, ask)

    async def get(self, path: str) -> Any:
        """What a customer reads."""
        _, key = await self.caller.ask("recall", "key")
        answer = await self.http.get(path, headers={"X-API-Key": key})
        if answer.status_code != 200:
            raise StepFailed(f"{path}: {answer.status_code} {answer.text}")
        return answer.json()

    async def turn(self, seconds: float = STEP) -> None:
        """Everybody does what there is to do, and time passes."""
        await self.deliver_hooks()
        await self.work()
        await self.tapes.go_on()
        await self.rounds.turn()
        await asyncio.sleep(0.01)  # what a round began
        self.clock.step(seconds)

    async def until(self, question: Callable[[], Awaitable[Any]], what: str) -> Any:
        """Rounds until the answer is yes."""
        for _ in range(TRIES):
            if answer := await question():
                return answer
            await self.turn()
        raise StepFailed(f"never: {what}")

    async def deliver_hooks(self) -> None:
        """LiveKit tells what has happened, and again what was not heard."""
        for hook_id, body in await self.media.waiting_hooks():
            digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
            claims = {"iss": KEY, "sha256": digest, "exp": int(time.time()) + 60, "nbf": int(time.time()) - 5}
            headers = {"Authorization": jwt.encode(claims, SECRET), "Content-Type": "application/webhook+json"}
            url = "http://parley.test/livekit/webhook"
            answer = await self.http.post(url, content=body, headers=headers)
            if answer.status_code == 200:
                await self.media.heard(hook_id)
            elif answer.status_code != 503:
                raise StepFailed(f"a hook: {answer.status_code} {answer.text}")

    async def work(self) -> None:
        """A worker: it sends what waits, takes what is offered, says that it lives, and does what it is told."""
        uplink = self.state.uplink
        await self.report_waiting()
        await uplink.renew("w1", 10, [])  # a connection begins with a heartbeat
        for offer in await self.media.take_offers():
            ticket = metadata_of(offer)["ticket"]
            answer = await uplink.exchange(Exchange(ticket=ticket, job_id=offer.id, room_name=offer.room), "w1")
            if answer is not None:
                await self.caller.ask("begin_job", offer, answer.job)
        held = await self.worker.held()
        commands = []
        for worker_id, capacity, kind in (("w1", 10, PersonaJob), ("bots-1", 0, BotJob)):
            mine = [job_id for job_id, each in held.items() if isinstance(each.job, kind)]
            commands += await uplink.renew(worker_id, capacity, mine)
        while not self.host.outbox.empty():
            message = self.host.outbox.get_nowait()
            if isinstance(message, Attend):
                await self.caller.ask("begin_bot", message.job)
            elif isinstance(message, Command):
                commands.append(message)
        for command in commands:
            if command.action == "end":
                await self.caller.ask("end_job", command.job_id, "api")
        await self.caller.ask("look_round")
        await self.report_waiting()

    async def report_waiting(self) -> None:
        """Reports without a verdict, in order."""
        for held, sequence, report in await self.worker.unsent():
            verdicts = await self.state.uplink.submit(submission_of(held, sequence, report))
            if not verdicts:
                return
            await self.worker.acknowledge(held.id, sequence, verdicts[0].refused)

    async def report(self, step: str, job_id: str, **report: Any) -> None:
        """A job says something once, and it arrives."""
        said = {"at": datetime.now(UTC).isoformat(), **report}
        await self.do(step, "worker.report", job_id, said)
        await self.report_waiting()

    async def job(self) -> Held:
        """The one job that a worker holds, once it does."""

        async def look() -> Any:
            return list((await self.worker.held()).values())

        return (await self.until(look, "a job in a worker"))[0]

    # --- the beginning of every scenario ----------------------------------------------------------------------------

    async def settle_in(self) -> None:
        """An account with a key, an agent, and a webhook for everything."""
        account = Account(email="a@example.org", name="a", plan="professional", requests_per_minute=100_000)
        key, secret, box = random_secret("pk_"), random_secret("sk_"), SecretBox(SECRET_KEY)
        async with self.state.database.platform() as db:
            db.add(account)
            await db.flush()
            project = Project(account_id=account.id, slug="proj", name="proj")
            db.add(Member(account_id=account.id, email=account.email, name="a", role="owner"))
            db.add(project)
            await db.flush()
            db.add(seal_key(box, project_id=project.id, label="test", key=key, secret=secret, scopes=["*"]))
        await self.caller.ask("remember", "key", key)
        every = sorted(fact.value for fact in WEBHOOKS)
        await self.post("webhook", "/webhooks", {"url": "http://127.0.0.1:9/hooks", "events": every})
        persona = {"name": "Receptionist", "instructions": "You help.", "greeting": "Hello."}
        await self.post("agent", "/agents", persona)
        await self.turn()


def submission_of(held: Held, sequence: int, report: dict[str, Any]) -> Submission:
    """A report as it travels."""
    return Submission(
        session_id=held.job.session_id,
        epoch=held.job.epoch,
        sequence=sequence,
        capability=held.job.capability,
        report=report,
    )


@asynccontextmanager
async def open_stage(app: FastAPI, settings: Settings, clock: SharedClock, caller: Caller) -> AsyncIterator[Stage]:
    """Start both processes, for the length of a block."""
    await caller.open()
    stage = Stage(app, settings, clock, caller)
    stage.rounds.install()
    _connect_outside(stage)
    state = app.state
    state.settings, state.clock = settings, clock
    state.media, state.dialer, state.recorder = stage.media, stage.phones, stage.tapes
    ready = asyncio.Event()
    async with app.router.lifespan_context(app):
        duties = asyncio.create_task(
            loops.run(state.database, settings, stage.media, stage.phones, stage.tapes, clock, ready=ready.set)
        )
        state.uplink.hub.add(stage.host)
        await ready.wait()
        await stage.rounds.begin()
        yield stage
        if duties.done():
            await duties


def _connect_outside(stage: Stage) -> None:
    async def send(_self: Outbound, method: str, url: str, *, body: bytes | None = None, headers: Any = None) -> Answer:
        status, given, said = await stage.houses.take(method, url, dict(headers or {}), body or b"")
        return Answer(status, CIMultiDictProxy(CIMultiDict(given)), said)

    def complain(_logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
        if method in ("exception", "critical") or (method == "error" and event.get("exc_info")):
            stage.complaints.append(f"{event['event']}: {event.get('exception') or event.get('exc_info')}"[-1500:])
        raise structlog.DropEvent

    Outbound.send = send  # type: ignore[method-assign]
    control_plane.app.build_embedders = lambda *_, **__: Embedders(WordEmbedder())
    structlog.configure(processors=[structlog.processors.format_exc_info, complain])
    logging.getLogger().handlers = [logging.NullHandler()]
