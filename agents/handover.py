"""Handing a caller over to a person: their phone is called into the room and told of the caller, who hears music, and
they take the call or do not.

Who hears whom is LiveKit's: our own tracks are permitted to one of the two, and neither is subscribed to the other's.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

import numpy as np
import structlog
from livekit import api, rtc
from livekit.agents import Agent, AgentSession, StopResponse, llm

from agents.arrival import wait_for_answer
from agents.phone import Keypad
from agents.settings import WorkerSettings

ANSWER_WITHIN: Final = 40.0
"""Seconds the other phone may take to answer, its way into the room included."""
DECIDED_WITHIN: Final = 45.0
"""Seconds to take the call or not, the telling included."""
TRACK_WITHIN: Final = 5.0
ASK: Final = "Press one, or say yes, to take the call. Press two, or say no, to leave it."
CONNECTED: Final = "You are connected."
TAKES: Final = re.compile(r"\b(?:yes|yeah|yep|sure|okay|ok|please do|put them through|connect)\b", re.I)
LEAVES: Final = re.compile(r"\b(?:no|nope|not now|busy|can't|cannot|later|decline)\b", re.I)
RATE: Final = 16_000
NOTES: Final = (262, 330, 392, 330)
"""Hertz; half a second each."""

log = structlog.get_logger()


class Asker(Protocol):
    """What places the call to the other phone."""

    async def call_in(self, to: str) -> tuple[str | None, str]:
        """Why nobody is called, or None, and the identity of the phone that is."""


def decision_of(words: str) -> bool | None:
    """Whether somebody takes a call; None where they did not say."""
    if LEAVES.search(words):
        return False
    return True if TAKES.search(words) else None


class Briefing(Agent):
    """Hears the other person's answer, and says nothing by itself."""

    def __init__(self, decided: asyncio.Future[bool]) -> None:
        super().__init__(instructions="You ask a colleague whether they take a call.")
        self._decided = decided

    async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
        """Decide, or ask again; no model answers."""
        decision = decision_of(new_message.text_content or "")
        if decision is None:
            self.session.say(ASK)
        elif not self._decided.done():
            self._decided.set_result(decision)
        raise StopResponse


class Handover:
    """One try to hand a caller over."""

    def __init__(
        self, settings: WorkerSettings, room: rtc.Room, session: AgentSession[None], caller: str, asker: Asker
    ) -> None:
        self._settings, self._room, self._session, self._caller, self._asker = settings, room, session, caller, asker

    async def run(self, to: str, about: str) -> str | None:
        """Call a number and ask whoever answers; `about` is what they are told. None where the two are connected."""
        problem, other = await self._asker.call_in(to)
        if problem is not None:
            return problem
        key, secret = self._settings.livekit_api_key, self._settings.livekit_api_secret.get_secret_value()
        async with api.LiveKitAPI(self._settings.livekit_url, key, secret) as livekit, self._on_hold(other):
            try:
                problem = await self._ask(livekit, other, about)
            except (api.TwirpError, OSError, TimeoutError) as error:
                log.warning("handing over failed", reason=type(error).__name__)
                problem = "the connection failed"
            if problem is not None:
                await _ignoring(livekit.room.remove_participant(self._who(other)))
                return problem
            await self._keep_apart(livekit, other, apart=False)
        await self._session.say(CONNECTED, allow_interruptions=False)
        return None

    async def _ask(self, livekit: api.LiveKitAPI, other: str, about: str) -> str | None:
        coming = asyncio.create_task(self._keep_apart_from_the_start(livekit, other))
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                if not await wait_for_answer(self._room, other):
                    return "they did not answer"
            await coming
        except TimeoutError:
            return "they did not answer"
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        return None if await self._brief(other, about) else "they cannot take the call now"

    async def _brief(self, other: str, about: str) -> bool:
        decided: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def pressed(keys: str) -> None:
            if keys in ("1", "2") and not decided.done():
                decided.set_result(keys == "1")

        def left(participant: rtc.RemoteParticipant) -> None:
            if participant.identity in (other, self._caller) and not decided.done():
                decided.set_result(False)

        keypad = Keypad(self._room, other, pressed)
        self._room.on("participant_disconnected", left)
        persona = self._session.current_agent
        self._session.room_io.set_participant(other)
        self._session.update_agent(Briefing(decided))
        try:
            self._session.say(f"{about} {ASK}")
            async with asyncio.timeout(DECIDED_WITHIN):
                return await decided
        except TimeoutError:
            return False
        finally:
            keypad.close()
            self._room.off("participant_disconnected", left)
            await self._session.interrupt(force=True)
            self._session.update_agent(persona)
            self._session.room_io.set_participant(self._caller)

    @asynccontextmanager
    async def _on_hold(self, other: str) -> AsyncIterator[None]:
        """The caller hears music and nothing of us; the other hears us and no music."""
        ours = self._room.local_participant
        voices = [track.sid for track in ours.track_publications.values()]
        source = rtc.AudioSource(RATE, 1)
        music = rtc.LocalAudioTrack.create_audio_track("hold", source)
        published = await ours.publish_track(music)
        playing = asyncio.create_task(_play(source))
        ours.set_track_subscription_permissions(
            allow_all_participants=False,
            participant_permissions=[
                rtc.ParticipantTrackPermission(participant_identity=self._caller, allowed_track_sids=[published.sid]),
                rtc.ParticipantTrackPermission(participant_identity=other, allowed_track_sids=voices),
            ],
        )
        try:
            yield
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
            await ours.unpublish_track(published.sid)
            ours.set_track_subscription_permissions(allow_all_participants=True)

    async def _keep_apart_from_the_start(self, livekit: api.LiveKitAPI, other: str) -> None:
        """As soon as either of the two has sound for the other to hear."""
        changed = asyncio.Event()

        def look(*_: object) -> None:
            changed.set()

        for event in ("participant_connected", "track_published"):
            self._room.on(event, look)
        try:
            while other not in self._room.remote_participants or not self._tracks_of(other):
                changed.clear()
                if other in self._room.remote_participants:
                    await self._keep_apart(livekit, other, apart=True)
                await changed.wait()
            await self._keep_apart(livekit, other, apart=True)
        finally:
            for event in ("participant_connected", "track_published"):
                self._room.off(event, look)  # type: ignore[arg-type]

    async def _keep_apart(self, livekit: api.LiveKitAPI, other: str, *, apart: bool) -> None:
        for listener, speaker in ((self._caller, other), (other, self._caller)):
            sids = self._tracks_of(speaker)
            if sids:
                update = api.UpdateSubscriptionsRequest(
                    room=self._room.name, identity=listener, track_sids=sids, subscribe=not apart
                )
                await livekit.room.update_subscriptions(update)

    def _tracks_of(self, identity: str) -> list[str]:
        person = self._room.remote_participants.get(identity)
        return [track.sid for track in person.track_publications.values()] if person else []

    def _who(self, identity: str) -> api.RoomParticipantIdentity:
        return api.RoomParticipantIdentity(room=self._room.name, identity=identity)


async def _play(source: rtc.AudioSource) -> None:
    """Soft notes, over and over."""
    moments = np.arange(RATE // 2) / RATE
    fading = np.minimum(1, np.minimum(moments * 40, (0.5 - moments) * 6))
    notes = [(np.sin(2 * np.pi * hertz * moments) * fading * 3000).astype(np.int16) for hertz in NOTES]
    while True:
        for note in notes:
            for begin in range(0, len(note), RATE // 50):
                part = note[begin : begin + RATE // 50]
                await source.capture_frame(rtc.AudioFrame(part.tobytes(), RATE, 1, len(part)))


async def _ignoring(call: object) -> None:
    try:
        await call  # type: ignore[misc]
    except (api.TwirpError, OSError):
        return  # it has left by itself
