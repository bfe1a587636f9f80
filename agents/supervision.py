"""A supervisor in a call, as its job sees it: hints for the persona, and its silence while somebody else has the call.

Who speaks in the call and in which mode stands in the room itself, in the attribute of a token: a takeover needs no
word of the platform, and ends as its supervisor leaves, however that happens.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any, Final

import structlog
from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.inference import VAD
from livekit.agents.voice import events

from agents.audience import SUPERVISING, SUPERVISING_SINCE, PersonaStated, is_voice, may_speak
from agents.calling import PersonaJob
from agents.contract import Command
from agents.listening import Listener
from agents.models import TRIES, Models
from agents.overhearing import Sentence, find_voices, line_of, overhear
from agents.persona import Persona
from agents.reporter import Reporter
from agents.settings import WorkerSettings
from agents.timing import moment
from guard.plain import one_line, plain
from pocket.rooms.joining import connect

NOBODY_FOR: Final = 60.0
"""Seconds that a persona listens aside where nobody speaks to it."""
JOIN_WITHIN: Final = 10.0
STATES: Final = ("listening", "thinking", "speaking")
"""Of a persona, that are told as they are."""

log = structlog.get_logger()


class Supervision:
    """Follows the supervisors of one call, and tells what its persona is doing."""

    def __init__(
        self,
        job: PersonaJob,
        room: rtc.Room,
        session: AgentSession[None],
        persona: Persona,
        models: Models,
        reporter: Reporter,
        *,
        settings: WorkerSettings,
        on_taken: Callable[[], None],
    ) -> None:
        self.job, self.room, self.session, self.persona = job, room, session, persona
        self.models, self.reporter, self.settings, self._on_taken = models, reporter, settings, on_taken
        self.taken = False
        """Whether a supervisor has the call."""
        self._since: dict[str, str] = {}
        self._taken_back: dict[str, str] = {}
        """By voice, the latest change that was seen, and the one that ended. An older token brings older ones until the
        platform has heard of it."""
        self._voices: VAD | None = None
        self._following: dict[str, asyncio.Task[None]] = {}
        self._aside: asyncio.Task[None] | None = None
        self._leave_aside = asyncio.Event()
        for event in ("participant_connected", "participant_attributes_changed"):
            room.on(event, self.look)
        room.on("participant_disconnected", self._on_left)
        room.on("local_track_published", lambda *_: self.enforce())
        room.on("track_subscribed", self._on_track)
        room.on("track_unsubscribed", self._on_track_gone)
        session.on("agent_state_changed", Listener(self._on_state))

    def whisper(self, command: Command) -> None:
        """Take a hint, or go and hear it."""
        if command.text:
            self.persona.take_hint(command.text)
        elif command.token:
            self._leave_aside.set()
            before, self._leave_aside = self._aside, asyncio.Event()
            self._aside = asyncio.create_task(self._listen_aside(command.token, self._leave_aside, before))

    def release(self) -> None:
        """The persona has the call again, whoever is there: to say goodbye."""
        self._take(taken=False)

    def enforce(self) -> None:
        """Have LiveKit give the persona's voice to all, or to nobody.

        Muted, not forbidden: a mute ends at once, while a permission needs everybody to subscribe anew.
        """
        heard = may_speak("takeover" if self.taken else "listen", "persona")
        for publication in self.room.local_participant.track_publications.values():
            if isinstance(track := publication.track, rtc.LocalAudioTrack):
                track.unmute() if heard else track.mute()

    async def close(self) -> None:
        """Hear nobody any more."""
        self._leave_aside.set()
        for task in self._following.values():
            task.cancel()
        await asyncio.gather(*self._following.values(), *filter(None, [self._aside]), return_exceptions=True)

    # --- who speaks in the call -------------------------------------------------------------------------------------

    def look(self, *_: object) -> None:
        """See whether a supervisor has the call."""
        self._take(
            taken=any(
                _supervises(each) and not self._is_over(each) and each.attributes.get(SUPERVISING) == "takeover"
                for each in self.room.remote_participants.values()
            )
        )

    def _on_left(self, who: rtc.RemoteParticipant) -> None:
        since = who.attributes.get(SUPERVISING_SINCE)
        if since is not None and who.disconnect_reason == rtc.DisconnectReason.PARTICIPANT_REMOVED:
            self._taken_back[who.identity] = since
        self.look()

    def _is_over(self, who: rtc.RemoteParticipant) -> bool:
        since = who.attributes.get(SUPERVISING_SINCE)
        if since is None:
            return False
        latest = self._since[who.identity] = max(since, self._since.get(who.identity, ""))
        return since < latest or since <= self._taken_back.get(who.identity, "")

    def _take(self, *, taken: bool) -> None:
        if taken == self.taken:
            return
        self.taken = self.persona.silent = taken
        self.enforce()
        log.info("call taken over" if taken else "call given back", session=self.job.session_id)
        if taken:
            self._on_taken()
            self._fall_silent()
        self._tell("silent" if taken else "listening")

    def _fall_silent(self) -> None:
        with suppress(RuntimeError):  # the session is closing, or says goodbye
            self.session.interrupt(force=True)

    def _on_track(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO and _supervises(participant):
            self._follow(publication.sid, track, lambda said: self._said(participant, said))

    def _on_track_gone(self, _track: rtc.Track, publication: rtc.RemoteTrackPublication, _: object) -> None:
        task = self._following.pop(publication.sid, None)
        if task is not None:
            task.cancel()

    def _follow(self, sid: str, track: rtc.Track, said: Callable[[Sentence], None], *, aside: bool = False) -> None:
        if sid not in self._following:
            began = _nothing if aside else self._fall_silent
            self._following[sid] = asyncio.create_task(self._hear(track, said, began))

    async def _hear(self, track: rtc.Track, said: Callable[[Sentence], None], began: Callable[[], None]) -> None:
        self._voices = self._voices or find_voices()  # few calls are supervised
        language = self.job.language
        sentences = overhear(track, self._voices, self.models.stt, language=language, tries=TRIES, began=began)
        async with aclosing(sentences):
            async for sentence in sentences:
                said(sentence)

    def _said(self, who: rtc.RemoteParticipant, sentence: Sentence) -> None:
        """A supervisor spoke in the call: it is written down, and the persona knows of it."""
        name = who.name or "A colleague"
        self.persona.learn(f'{one_line(name)}, your colleague, joined the call and said: "{plain(sentence.text)}"')
        since = self.job.started_at
        self.reporter.report(line_of(sentence, who, speaker="supervisor", name=name, since=since))

    # --- who whispers -----------------------------------------------------------------------------------------------

    async def _listen_aside(self, token: str, leave: asyncio.Event, before: asyncio.Task[None] | None) -> None:
        """Hear who speaks in a room of the persona's own, until it is closed or stands empty."""
        if before is not None:
            await asyncio.gather(before, return_exceptions=True)
        aside = rtc.Room()
        changed = asyncio.Event()
        for event in ("participant_connected", "participant_disconnected"):
            aside.on(event, lambda _: changed.set())
        aside.on("disconnected", lambda _: leave.set())
        aside.on("track_subscribed", self._on_whisperer)
        aside.on("track_unsubscribed", self._on_track_gone)
        try:
            await connect(aside, self.settings.livekit_url, token, rtc.RoomOptions(connect_timeout=JOIN_WITHIN))
        except (rtc.ConnectError, RuntimeError) as error:
            log.warning("a whisper cannot be heard", session=self.job.session_id, reason=type(error).__name__)
            return
        try:
            while not leave.is_set():
                changed.clear()
                patience = None if aside.remote_participants else NOBODY_FOR
                if not await _either(leave, changed, within=patience):
                    return
        finally:
            with suppress(RuntimeError):
                await aside.disconnect()

    def _on_whisperer(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO and _supervises(participant):
            self._follow(publication.sid, track, lambda said: self.persona.take_hint(said.text), aside=True)

    # --- what the persona is doing ----------------------------------------------------------------------------------

    def _on_state(self, event: events.AgentStateChangedEvent) -> None:
        if not self.taken and event.new_state in STATES:
            self._tell(event.new_state)

    def _tell(self, state: Any) -> None:
        now = moment()
        self.reporter.report(PersonaStated(at=now, room_name=self.job.room_name, state=state))


def _supervises(participant: rtc.RemoteParticipant) -> bool:
    """Whether somebody is a supervisor who speaks; nobody else is given such a name."""
    return participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT and is_voice(participant.identity)


def _nothing() -> None:
    """Whoever whispers interrupts nobody."""


async def _either(*events: asyncio.Event, within: float | None) -> bool:
    """Wait for one of some events; False where none came within so many seconds."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waiting, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
