"""Handing a caller over to a person: their phone is called into the room and told of the caller, who hears music, and
they take the call or do not.

Who hears whom is LiveKit's: our own tracks are permitted to one of the two, and neither is subscribed to the other's.
Our SIP service never subscribes them, as the other phone is marked as apart; LiveKit's own does, and is told each time.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

import numpy as np
import structlog
from livekit import api, rtc
from livekit.agents import Agent, AgentSession, StopResponse, llm

from agents.arrival import hearing, wait_for_answer
from agents.contract import APART
from agents.deciding import decision_of
from agents.phone import Keypad
from agents.settings import WorkerSettings
from agents.words import Words

ANSWER_WITHIN: Final = 40.0
"""Seconds the other phone may take to answer, its way into the room included."""
DECIDED_WITHIN: Final = 45.0
"""Seconds to take the call or not, the telling included."""
AGAIN_AFTER: Final = 0.2
"""Seconds after which the two are parted again, whatever a SIP service has done meanwhile."""
RATE: Final = 16_000
NOTES: Final = (262, 330, 392, 330)
"""Hertz; half a second each."""

log = structlog.get_logger()


class Asker(Protocol):
    """What places the call to the other phone."""

    async def call_in(self, to: str) -> tuple[str | None, str]:
        """Why nobody is called, or None, and the identity of the phone that is. `TimeoutError`: nothing is known."""

    def withdraw(self) -> None:
        """Whoever was called in is not wanted any more."""


class Briefing(Agent):
    """Tells somebody of the caller and hears their answer. No model speaks."""

    def __init__(self, about: str, words: Words, decided: asyncio.Future[bool]) -> None:
        super().__init__(instructions="You ask a colleague whether they take a call.")
        self._asked, self._language, self._decided = f"{about} {words.take_call}", words.language, decided

    async def on_enter(self) -> None:
        """Tell and ask."""
        self.session.say(self._asked)

    async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
        """Decide, or tell again: a "hello?" has cut the telling off."""
        decision = decision_of(new_message.text_content or "", self._language)
        if decision is None:
            self.session.say(self._asked)
        elif not self._decided.done():
            self._decided.set_result(decision)
        raise StopResponse


class Handover:
    """One try to hand a caller over. However it ends, nobody is left who is not wanted."""

    def __init__(
        self,
        settings: WorkerSettings,
        room: rtc.Room,
        session: AgentSession[None],
        caller: str,
        asker: Asker,
        words: Words,
    ) -> None:
        self._settings, self._room, self._session, self._caller, self._asker = settings, room, session, caller, asker
        self._words = words

    async def run(self, to: str, about: str) -> str | None:
        """Call a number and ask whoever answers; `about` is what they are told. None where the two are connected."""
        connected = False
        try:
            problem, other = await self._asker.call_in(to)
            if problem is None:
                problem = await self._connect(other, about)
            connected = problem is None
        except Exception as error:  # whatever breaks, the caller is still there and is told
            log.warning("handing over failed", reason=type(error).__name__)
            return "the connection failed"
        finally:
            if not connected:
                self._asker.withdraw()
        return problem

    async def _connect(self, other: str, about: str) -> str | None:
        key, secret = self._settings.livekit_api_key, self._settings.livekit_api_secret.get_secret_value()
        async with api.LiveKitAPI(self._settings.livekit_url, key, secret) as livekit, self._on_hold(other):
            problem = await self._ask(livekit, other, about)
            if problem is None:
                together = api.UpdateParticipantRequest(room=self._room.name, identity=other, attributes={APART: ""})
                await livekit.room.update_participant(together)
                await self._keep_apart(livekit, other, apart=False)
        if problem is None:
            with suppress(RuntimeError):  # they talk already
                await self._session.say(self._words.connected, allow_interruptions=False)
        return problem

    async def _ask(self, livekit: api.LiveKitAPI, other: str, about: str) -> str | None:
        apart = asyncio.create_task(self._hold_apart(livekit, other))
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                if not await wait_for_answer(self._room, other):
                    return "they did not answer"
            return None if await self._brief(other, about) else "they cannot take the call now"
        except TimeoutError:
            return "they did not answer"
        finally:
            apart.cancel()
            await asyncio.gather(apart, return_exceptions=True)

    async def _brief(self, other: str, about: str) -> bool:
        decided: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def pressed(keys: str) -> None:
            if keys in ("1", "2") and not decided.done():
                decided.set_result(keys == "1")

        def left(participant: rtc.RemoteParticipant) -> None:
            if participant.identity == other and not decided.done():
                decided.set_result(False)

        keypad = Keypad(self._room, other, pressed)
        self._room.on("participant_disconnected", left)
        persona = self._session.current_agent
        self._session.room_io.set_participant(other)
        self._session.update_agent(Briefing(about, self._words, decided))
        try:
            async with asyncio.timeout(DECIDED_WITHIN):
                return other in self._room.remote_participants and await decided
        except TimeoutError:
            return False
        finally:
            keypad.close()
            self._room.off("participant_disconnected", left)
            with suppress(RuntimeError):  # the session is closing
                await self._session.interrupt(force=True)
                self._session.update_agent(persona)
                self._session.room_io.set_participant(self._caller)

    @asynccontextmanager
    async def _on_hold(self, other: str) -> AsyncIterator[None]:
        """The caller hears music and nothing of us; the other hears us and no music."""
        ours = self._room.local_participant
        voices = [track.sid for track in ours.track_publications.values()]
        source = rtc.AudioSource(RATE, 1)
        published = await ours.publish_track(rtc.LocalAudioTrack.create_audio_track("hold", source))
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
            ours.set_track_subscription_permissions(allow_all_participants=True)
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
            await ours.unpublish_track(published.sid)
            await source.aclose()

    async def _hold_apart(self, livekit: api.LiveKitAPI, other: str) -> None:
        """Until cancelled. SIP services have their phones hear the room by themselves, at joining and at the answer."""
        changed = asyncio.Event()

        def look(*_: object) -> None:
            changed.set()

        events = ("participant_connected", "participant_attributes_changed", "track_published")
        with hearing(self._room, dict.fromkeys(events, look)):
            while True:
                changed.clear()
                with suppress(api.TwirpError):  # one of the two is not there, or not there any more
                    await self._keep_apart(livekit, other, apart=True)
                with suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN_AFTER):
                        await changed.wait()

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
