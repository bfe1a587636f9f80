"""A worker as it really runs, between a livekit-server and a stand-in for the control plane; people who type."""

import asyncio
import itertools
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from livekit import api, rtc
from websockets.asyncio.server import ServerConnection

from agents.calling import DispatchMetadata, PersonaJob
from agents.contract import AGENT_NAME, Command, Exchange, Exchanged, Message
from tests.support.bots import STARTS_WITHIN, AgentsProcess, Media, Plane
from tests.support.jobs import persona_job
from tests.support.studio import KEY, SECRET

AGENT = "agent-1"
"""Identity of every persona."""
_NUMBERS = itertools.count(1)


class CallPlane(Plane):
    """Stands for the control plane: answers tickets, keeps what is reported."""

    def __init__(self) -> None:
        super().__init__()
        self._jobs: dict[str, PersonaJob] = {}
        self.job_ids: dict[int, str] = {}
        """LiveKit's, by session."""

    def expect(self, ticket: str, job: PersonaJob) -> None:
        """What a ticket is good for."""
        self._jobs[ticket] = job

    async def end(self, session_id: int) -> None:
        """End a call, as somebody who asks the API for it does."""
        assert self._link is not None
        command = Command(action="end", job_id=self.job_ids[session_id])
        await self._link.send(command.model_dump_json())

    async def _answer(self, link: ServerConnection, message: Message) -> None:
        if isinstance(message, Exchange):
            job = self._jobs[message.ticket]
            self.job_ids[job.session_id] = message.job_id
            await link.send(Exchanged(job_id=message.job_id, job=job).model_dump_json())


class Worker(AgentsProcess):
    """A worker, and what it is connected to."""

    def __init__(
        self, media: Media, plane: CallPlane, folder: Path, settings: dict[str, str], *, own_session: bool = False
    ) -> None:
        self.media, self.plane = media, plane
        own = {
            "PARLEY_LIVEKIT_API_KEY": KEY,
            "PARLEY_LIVEKIT_API_SECRET": SECRET,
            "PARLEY_SPOOL_DIR": str(folder / "spool"),
            "PARLEY_STT_REALTIME": "false",
        }
        super().__init__([], folder / "worker.log", plane, media.url, own | settings, own_session=own_session)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Lines of its log about something."""
        lines = (json.loads(line) for line in self.said.splitlines() if line.startswith("{"))
        return [line for line in lines if line.get("event") == event]

    def pid_of(self, session_id: int) -> int:
        """The process of a call."""
        return int(next(line["pid"] for line in self.logged("job claimed") if line["session"] == session_id))

    async def call(self, **asked: Any) -> "Call":
        """A conversation that a persona is sent to, and somebody in its room, who types. Leave it."""
        number, room = next(_NUMBERS), uuid.uuid4().hex
        told: dict[str, Any] = {"only_text": True, "greeting": "Hello.", "started_at": datetime.now(UTC)}
        job = persona_job(**told | asked | {"session_id": number, "room_name": room})
        self.plane.expect(f"tk_{number}.1", job)
        call = Call(self, job)
        await call.come(f"tk_{number}.1")
        return call


class Call:
    """One conversation."""

    def __init__(self, worker: Worker, job: PersonaJob) -> None:
        self.worker, self.job, self.room = worker, job, rtc.Room()
        self.lines: list[str] = []
        self._changed, self._tasks = asyncio.Event(), set[asyncio.Task[None]]()

    async def come(self, ticket: str) -> None:
        """Enter the room, and have the persona sent there."""
        self.room.register_text_stream_handler("lk.transcription", self._read)
        self.room.on("participant_disconnected", lambda _: self._changed.set())
        media = self.worker.media
        await self.room.connect(media.url, media.token(self.job.room_name, "ada"))
        metadata = DispatchMetadata(ticket=ticket, identity=AGENT, name="Robin").model_dump_json()
        async with media.api() as server:
            asked = api.CreateAgentDispatchRequest(agent_name=AGENT_NAME, room=self.job.room_name, metadata=metadata)
            await server.agent_dispatch.create_dispatch(asked)

    async def say(self, text: str) -> None:
        """Type a line."""
        await self.room.local_participant.send_text(text, topic="lk.chat")

    async def hears(self, text: str, *, within: float = 60) -> None:
        """Until the persona has written something."""
        await self._until(lambda: any(text in line for line in self.lines), within, lambda: self.lines)

    async def converses(self, text: str) -> None:
        """Type a line, and read its answer."""
        await self.say(text)
        await self.hears(f"to: {text}")

    async def is_alone(self, *, within: float = 60) -> None:
        """Until the persona has left."""
        await self._until(lambda: AGENT not in self.room.remote_participants, within, lambda: "")

    async def ended(self, *, within: float = 60) -> dict[str, Any]:
        """What is reported of its end."""
        return await self.worker.plane.reported(self.job, "call.ended", within=within)

    async def leave(self) -> None:
        """Leave the room."""
        await self.room.disconnect()

    async def _until(self, true: Any, within: float, about: Any) -> None:
        try:
            async with asyncio.timeout(within):
                while not true():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not within {within} s: {about()}\n{self.worker.said[-4000:]}") from None

    def _read(self, reader: rtc.TextStreamReader, _: str) -> None:
        task = asyncio.create_task(self._keep(reader))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self, reader: rtc.TextStreamReader) -> None:
        self.lines.append(await reader.read_all())
        self._changed.set()


@asynccontextmanager
async def call_worker(
    media: Media, folder: Path, *, models_url: str, own_session: bool = False, **settings: str
) -> AsyncIterator[Worker]:
    """A worker that is ready for calls; with a session of its own, by which all its processes can be told."""
    plane = CallPlane()
    await plane.open()
    worker = Worker(media, plane, folder, {"PARLEY_MODELS_URL": models_url} | settings, own_session=own_session)
    worker.start()
    try:
        await plane.until(lambda: plane.hello is not None, within=STARTS_WITHIN, about=lambda: worker.said[-4000:])
        yield worker
    finally:
        await worker.stop()
        await plane.close()
