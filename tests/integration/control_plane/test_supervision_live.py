"""Who hears whom while a call is supervised: real clients, a real livekit-server, sound."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from livekit import api, rtc

from agents.audience import PARTIES, SUPERVISING, Mode, Party, hears
from agents.calling import PersonaJob
from agents.contract import Command
from agents.supervision import Supervision
from control_plane.tokens.signer import Pass
from tests.support.livekit import livekit_of
from tests.support.platform import Platform, Tenant
from tests.support.rooms import RATE, Somebody, somebody
from tests.support.uplink import FakeWorker, ticket_of, worker

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(500)]

HERTZ: dict[Party, float] = {"caller": 440, "persona": 880, "supervisor": 1320}
PATIENCE = 60
GONE = rtc.DisconnectReason.PARTICIPANT_REMOVED


@pytest.fixture
async def livekit(platform: Platform, tmp_path: Path) -> AsyncIterator[str]:
    """A livekit-server that the platform controls and hears of."""
    async with livekit_of(platform, tmp_path) as url:
        yield url


class Ears(Supervision):
    """A job's supervision that keeps what it hears instead of recognising it."""

    heard: list[np.ndarray]

    async def _hear(self, track: rtc.Track, said: Any, began: Any) -> None:
        stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1)
        try:
            async for event in stream:
                self.heard.append(np.frombuffer(event.frame.data, np.int16).copy())
        finally:
            await stream.aclose()


class Session:
    """The framework's, as far as supervision reaches."""

    def __init__(self) -> None:
        self.interrupted = 0

    def on(self, _event: str, _callback: Any) -> None: ...

    def interrupt(self, *, force: bool = False) -> None:
        self.interrupted += 1


@dataclass
class Stage:
    """A call: its three parties, where each hears."""

    tenant: Tenant
    url: str
    at: FakeWorker
    caller: Somebody
    persona: Somebody
    ears: Ears
    job: PersonaJob
    stack: AsyncExitStack
    ear: Somebody | None = None
    voice: Somebody | None = None
    answer: dict[str, Any] = field(default_factory=dict)

    async def supervise(self, mode: str) -> None:
        """Change the mode, and connect as a supervisor's browser does."""
        answer = await self.tenant.http.post("/rooms/r/supervise", json={"mode": mode, "name": "Dana"})
        assert answer.status_code == 200, answer.text
        before, self.answer = self.answer, answer.json()
        if mode == "whisper":
            self.ears.whisper(Command.model_validate(await self.at.hear("command")))
        if self.ear is None:
            self.ear = await self.stack.enter_async_context(somebody(self.url, self.answer["token"]))
        voice = self.answer["voice"]
        stays = voice and before.get("voice") and voice["room"] == before["voice"]["room"]
        if self.voice is not None and not stays:
            for task in self.voice._tasks:
                task.cancel()
            await self.voice.room.disconnect()
            self.voice = None
        if voice and self.voice is None:
            self.voice = await self.stack.enter_async_context(somebody(self.url, voice["token"]))
            await self.voice.speak(HERTZ["supervisor"])

    def frames(self, listener: Party, speaker: Party) -> list[np.ndarray]:
        """What has reached somebody of somebody else, or nothing."""
        names = {"caller": "caller", "persona": self.job.identity, "supervisor": str(self.answer["supervisor"])}
        name = names[speaker] + ("-voice" if speaker == "supervisor" else "")
        if listener == "supervisor":
            assert self.ear is not None
            return self.ear.heard.setdefault(name, [])
        if listener == "persona" and speaker == "supervisor":
            return self.ears.heard
        return (self.caller if listener == "caller" else self.persona).heard.setdefault(name, [])

    async def until_heard(self, listener: Party, speaker: Party) -> None:
        """Somebody's tone is heard from now on."""
        frames = self.frames(listener, speaker)
        frames.clear()
        try:
            async with asyncio.timeout(PATIENCE):
                while not is_tone(frames, HERTZ[speaker]):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{listener} does not hear {speaker}: {len(frames)} frames") from None


def is_tone(frames: list[np.ndarray], hertz: float) -> bool:
    """Whether the last half second holds a tone."""
    sound = np.concatenate(frames)[-RATE // 2 :].astype(np.float64) if frames else np.zeros(0)
    if len(sound) < RATE // 2:
        return False
    spectrum = np.abs(np.fft.rfft(sound)) / len(sound)
    return bool(spectrum[round(hertz / 2) - 2 : round(hertz / 2) + 3].max() > 300)


@asynccontextmanager
async def a_call(platform: Platform, livekit: str) -> AsyncIterator[Stage]:
    """A caller and a persona talk in the room `r`."""
    tenant = await platform.tenant()
    async with AsyncExitStack() as stack:
        at = await stack.enter_async_context(worker(platform))
        ticket = await ticket_of(tenant)
        await tenant.http.post("/rooms", json={"name": "r"})
        job = PersonaJob.model_validate((await at.exchange(ticket))["job"])
        body = {"identity": "caller", "room": "r", "no_agent": True}
        token = (await tenant.http.post("/token", json=body)).json()["token"]
        entry = Pass(identity=job.identity, room="proj_r", ttl=timedelta(minutes=5), kind="agent")
        caller = await stack.enter_async_context(somebody(livekit, token))
        signed = platform.app.state.token_signer.sign(entry)
        persona = await stack.enter_async_context(somebody(livekit, signed))
        hints = SimpleNamespace(silent=False)
        fakes: Any = (Session(), hints, None, SimpleNamespace(report=lambda _: None))
        settings: Any = SimpleNamespace(livekit_url=livekit)
        ears = Ears(job, persona.room, *fakes, settings=settings, on_taken=lambda: None)
        ears.heard = []
        beating = asyncio.create_task(beat(at))
        try:
            await caller.speak(HERTZ["caller"])
            await persona.speak(HERTZ["persona"])
            yield Stage(tenant, livekit, at, caller, persona, ears, job, stack)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await ears.close()


async def beat(at: FakeWorker) -> None:
    """Be a worker that lives."""
    while True:
        await at.say(type="heartbeat", calls=["AJ_1"])
        await asyncio.sleep(3)


async def expect(stage: Stage, mode: Mode) -> None:
    """Exactly those hear each other whom the matrix says."""
    pairs = [(listener, speaker) for speaker in PARTIES for listener in PARTIES if listener != speaker]
    for listener, speaker in pairs:
        if hears(mode, listener, speaker):
            await stage.until_heard(listener, speaker)
    silent = [pair for pair in pairs if not hears(mode, *pair)]
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while silent:
        for pair in silent:
            stage.frames(*pair).clear()
        await asyncio.sleep(0.7)  # of what nobody may hear
        silent = [pair for pair in silent if is_tone(stage.frames(*pair), HERTZ[pair[1]])]
        assert asyncio.get_running_loop().time() < deadline, f"heard in {mode}: {silent}"


@pytest.mark.parametrize(
    "modes",
    [("listen", "whisper", "barge", "takeover"), ("takeover", "listen", "barge"), ("takeover", "whisper", "listen")],
    ids=lambda modes: "-".join(modes),
)
async def test_each_mode_has_exactly_those_hear_each_other_whom_the_matrix_says(
    platform: Platform, livekit: str, modes: tuple[Mode, ...]
) -> None:
    async with a_call(platform, livekit) as stage:
        for mode in modes:
            await stage.supervise("return" if mode == "listen" and stage.ear else mode)
            await expect(stage, mode)
            seen = [name for name in stage.caller.room.remote_participants if name.startswith("supervisor-")]
            assert bool(seen) is hears(mode, "caller", "supervisor"), mode
            assert stage.ears.taken is (mode == "takeover")


async def test_a_hostile_caller_cannot_get_at_a_whisper(platform: Platform, livekit: str) -> None:
    secret = platform.settings.livekit_api_secret.get_secret_value()
    async with a_call(platform, livekit) as stage, api.LiveKitAPI(livekit, "devkey", secret) as server:
        await stage.supervise("whisper")
        await stage.until_heard("persona", "supervisor")
        assert stage.voice is not None
        (track,) = stage.voice.room.local_participant.track_publications.values()
        assert set(stage.caller.room.remote_participants) == {stage.job.identity}
        # What a client's own request for a track's subscription comes to in the server.
        wanted = api.UpdateSubscriptionsRequest(
            room="proj_r", identity="caller", track_sids=[track.sid], subscribe=True,
            participant_tracks=[
                api.ParticipantTracks(participant_sid=stage.voice.room.local_participant.sid, track_sids=[track.sid])
            ],
        )  # fmt: skip
        await server.room.update_subscriptions(wanted)
        await expect(stage, "whisper")
        body = {"identity": "caller", "room": "r", "no_agent": True}
        for room in (stage.answer["voice"]["room"], "r"):
            asked = await stage.tenant.http.post("/token", json=body | {"room": room})
            if asked.status_code == 200:
                assert asked.json()["room"].startswith("proj_")
        disguised = await stage.tenant.http.post("/token", json=body | {"identity": "supervisor-1-voice"})
        assert disguised.status_code == 400


async def test_a_supervisor_who_leaves_in_a_takeover_gives_the_call_back(platform: Platform, livekit: str) -> None:
    async with a_call(platform, livekit) as stage:
        await stage.supervise("takeover")
        await expect(stage, "takeover")
        assert stage.ears.session.interrupted >= 1  # type: ignore[attr-defined]
        await asyncio.sleep(2)  # until it is no reconnect any more
        assert stage.voice is not None
        assert stage.ear is not None
        await stage.voice.room.disconnect()
        await stage.until_heard("caller", "persona")
        assert stage.ears.taken is False
        async with asyncio.timeout(PATIENCE):
            while (await supervisors(stage))[0]["mode"] != "listen":
                await asyncio.sleep(0.1)
        await stage.ear.room.disconnect()
        await until_nobody_supervises(stage)


async def test_a_token_that_is_older_than_what_a_supervisor_does_gives_no_more_than_that(
    platform: Platform, livekit: str
) -> None:
    async with a_call(platform, livekit) as stage:
        await stage.supervise("takeover")
        await stage.until_heard("caller", "supervisor")
        assert stage.voice is not None
        taken = stage.answer["voice"]["token"]
        renewed = await stage.voice.until("token", "")  # LiveKit's own, good for longer than ours
        voice = stage.answer["voice"]["identity"]

        await stage.supervise("barge")
        await stage.until_heard("caller", "persona")
        interrupted = stage.ears.session.interrupted  # type: ignore[attr-defined]
        async with somebody(livekit, taken) as back:  # as a browser does whose connection was lost
            await back.speak(HERTZ["supervisor"])
            await stage.until_heard("caller", "supervisor")
            await stage.until_heard("caller", "persona")
            assert stage.caller.room.remote_participants[voice].attributes[SUPERVISING] == "barge"

            await stage.supervise("return")
            assert await back.until("disconnected", "") == GONE
        for token in (taken, renewed):
            async with somebody(livekit, token) as back:
                assert await back.until("disconnected", "") == GONE
        await stage.until_heard("caller", "persona")
        assert stage.ears.session.interrupted == interrupted  # type: ignore[attr-defined]
        assert stage.ears.taken is False
        assert [each["mode"] for each in await supervisors(stage)] == ["listen"]

        assert stage.ear is not None
        await asyncio.sleep(2)  # until it is no reconnect any more
        await stage.ear.room.disconnect()
        await until_nobody_supervises(stage)
        async with somebody(livekit, stage.answer["token"]) as back:
            assert await back.until("disconnected", "") == GONE
        trail = (await stage.tenant.http.get("/audit")).json()["entries"]
        assert [entry["target"]["supervisor"] for entry in trail if entry["action"] == "supervisor turned away"] == [
            stage.answer["supervisor"],
            voice,
            voice,
        ]


async def supervisors(stage: Stage) -> list[dict[str, Any]]:
    room = (await stage.tenant.http.get("/rooms/r")).json()["room"]
    assert {each["identity"] for each in room["participants"]} == {"caller", stage.job.identity}
    found: list[dict[str, Any]] = room["supervisors"]
    return found


async def until_nobody_supervises(stage: Stage) -> None:
    async with asyncio.timeout(PATIENCE):
        while await supervisors(stage):
            await asyncio.sleep(0.1)


async def test_supervisors_take_no_place_and_hold_no_room_open(platform: Platform, livekit: str) -> None:
    tenant = await platform.tenant()
    await tenant.http.post("/rooms", json={"name": "r", "max_participants": 1})
    body = {"identity": "caller", "room": "r", "no_agent": True}
    token = (await tenant.http.post("/token", json=body)).json()["token"]
    answer = (await tenant.http.post("/rooms/r/supervise", json={"mode": "barge"})).json()
    async with somebody(livekit, answer["token"]), somebody(livekit, answer["voice"]["token"]):
        async with somebody(livekit, token) as caller:
            assert set(caller.room.remote_participants) == {answer["voice"]["identity"]}
        async with asyncio.timeout(60):
            while (await tenant.http.get("/rooms/r")).json()["room"]["status"] != "closed":
                await asyncio.sleep(0.2)
