"""A meeting's sound to the customer's socket, and the customer's sound into the meeting.

The socket of `output` is sent `{"protocol_version", "bot_id", "offset"}` first, then binary frames of 40 ms, and a list
of all speakers, `[{"name", "id", "timestamp", "isSpeaking"}]`, whenever one begins or ends. That of `input` sends
binary frames of any length. Where both are the same address it is one socket.
"""

import asyncio
import itertools
import time
from collections.abc import Mapping
from typing import Any, Final

import structlog
from livekit import rtc

from agents.attendance import BotJob
from agents.bots.hearing import Ears, Hearing
from agents.bots.mixing import Mixer
from agents.bots.sockets import Socket
from guard.outbound import Outbound

FRAME: Final = 0.04
"""Seconds of a frame that is sent."""
HEARD: Final = 20
"""Milliseconds of one that is heard."""
LATE: Final = 0.5
"""Seconds that the mixer may be late; what was not mixed by then is left out."""
BEHIND: Final = 5.0
"""Seconds that a customer may be behind."""
AHEAD_MS: Final = 200
"""Of a customer's sound that wait here to be said; more of it waits on its way."""
SAID: Final = 0.02
"""Seconds of a frame of it."""
MOST_SPEAKERS: Final = 200
"""That a customer is told of at once. Who leaves and comes again is another one: of more, those who have been silent
longest are forgotten."""

log = structlog.get_logger()


class Streaming:
    """Between one meeting and its customer. Close it."""

    def __init__(self, job: BotJob, ears: Ears, outbound: Outbound) -> None:
        self._job, self._ears, self._outbound = job, ears, outbound
        self._asked = job.streaming
        self._mixer = Mixer(self._asked.sample_rate)
        self._hearings: dict[str, tuple[Hearing, str]] = {}
        """By the track's id, with the speaker's identity."""
        self._speakers = Speakers()
        self._room: rtc.Room | None = None
        self._output: Socket | None = None
        self._mouth: _Mouth | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, room: rtc.Room) -> None:
        """The bot is in the meeting."""
        self._room = room
        room.on("active_speakers_changed", self._spoke)
        asked, began = self._asked, time.time()
        if asked.input:
            self._mouth = _Mouth(room, asked.sample_rate)
        if asked.output:
            self._output = Socket(
                self._outbound,
                asked.output,
                self._job.session_id,
                greeting=lambda: {
                    "protocol_version": 1,
                    "bot_id": self._job.bot_id,
                    "offset": round(time.time() - began, 3),
                },
                most_waiting=round(BEHIND / FRAME),
                on_sound=self._mouth.say if self._mouth and asked.input == asked.output else None,
            )
            self._tasks += [asyncio.create_task(self._output.run()), asyncio.create_task(self._mix(self._output))]
        if self._mouth is not None and asked.input != asked.output:
            spoken = Socket(
                self._outbound,
                asked.input,
                self._job.session_id,
                greeting=None,
                most_waiting=1,
                on_sound=self._mouth.say,
            )
            self._tasks.append(asyncio.create_task(spoken.run()))

    async def close(self) -> None:
        """Leave nothing open."""
        if self._room is not None:
            self._room.off("active_speakers_changed", self._spoke)
        for sid in list(self._hearings):
            self.gone(sid)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._mouth is not None:
            await self._mouth.close()

    def heard(self, sid: str, track: rtc.Track, speaker: rtc.RemoteParticipant) -> None:
        """Mix a microphone."""
        if self._asked.output:
            voice = self._mixer.add(sid)
            hearing = self._ears.hear(track, self._asked.sample_rate, HEARD, voice.take)
            self._hearings[sid] = hearing, speaker.identity

    def gone(self, sid: str) -> None:
        """One is no more."""
        if sid not in self._hearings:
            return
        hearing, identity = self._hearings.pop(sid)
        hearing.close()
        self._mixer.remove(sid)
        # Whom we do not hear LiveKit tells us nothing of.
        self._tell({who: "" for who in self._speakers.speaking() if who != identity})

    async def _mix(self, output: Socket) -> None:
        size = round(FRAME * self._asked.sample_rate)
        due = time.monotonic()
        while True:
            due += FRAME
            now = time.monotonic()
            if now - due > LATE:
                due = now
            await asyncio.sleep(max(0.0, due - now))
            output.send(self._mixer.mix(size))

    def _spoke(self, speakers: list[rtc.Participant]) -> None:
        if self._room is None:
            return
        ours = self._room.local_participant.identity
        self._tell({speaker.identity: speaker.name for speaker in speakers if speaker.identity != ours})

    def _tell(self, speaking: dict[str, str]) -> None:
        """Tell who speaks now, identities and names, where that has changed."""
        told = self._speakers.note(speaking, round(time.time() * 1000))
        if told is not None and self._output is not None:
            self._output.tell(told)


class Speakers:
    """Who has spoken in a meeting, as a customer is told of it."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Any]] = {}
        """By identity; those whose state changed last are last."""
        self._numbers = itertools.count(1)

    def speaking(self) -> list[str]:
        """Identities of those who speak."""
        return [identity for identity, told in self._known.items() if told["isSpeaking"]]

    def note(self, speaking: Mapping[str, str], now: int) -> list[dict[str, Any]] | None:
        """These speak now, identities and names; the list to tell, by its numbers, or None where nothing changed.

        `now` is in Unix milliseconds.
        """
        changed = False
        for identity in [*speaking, *self._known]:
            known = self._known.get(identity)
            if known is None:
                known = {"name": speaking[identity] or identity, "id": next(self._numbers), "isSpeaking": False}
            if known["isSpeaking"] != (identity in speaking):
                self._known.pop(identity, None)
                self._known[identity] = known | {"timestamp": now, "isSpeaking": identity in speaking}
                changed = True
        silent = (identity for identity, told in list(self._known.items()) if not told["isSpeaking"])
        for identity in itertools.islice(silent, max(0, len(self._known) - MOST_SPEAKERS)):
            del self._known[identity]
        return sorted(self._known.values(), key=lambda told: int(told["id"])) if changed else None


class _Mouth:
    """Says the customer's sound in the meeting; publishes a track with the first of it."""

    def __init__(self, room: rtc.Room, rate: int) -> None:
        self._room, self._rate = room, rate
        self._size = round(SAID * rate) * 2
        self._rest = b""
        self._source: rtc.AudioSource | None = None

    async def say(self, sound: bytes) -> None:
        """Say more of it; returns when there is room for the next."""
        if self._source is None:
            self._source = rtc.AudioSource(self._rate, 1, queue_size_ms=AHEAD_MS)
            track = rtc.LocalAudioTrack.create_audio_track("voice", self._source)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
            try:
                await self._room.local_participant.publish_track(track, options)
            except (rtc.participant.PublishTrackError, RuntimeError) as error:
                log.warning("a bot may not speak", room=self._room.name, reason=type(error).__name__)
        sound = self._rest + sound
        for start in range(0, len(sound) - self._size + 1, self._size):
            frame = rtc.AudioFrame(sound[start : start + self._size], self._rate, 1, self._size // 2)
            await self._source.capture_frame(frame)
        self._rest = sound[len(sound) // self._size * self._size :]

    async def close(self) -> None:
        """Free the native source."""
        if self._source is not None:
            await self._source.aclose()
