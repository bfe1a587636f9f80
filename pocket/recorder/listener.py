"""A recorder in its room: hidden, subscribed to those it shall hear and to nobody else."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog
from livekit import api, rtc
from livekit.protocol.models import DisconnectReason

from pocket.recorder.mixing import Mixer
from pocket.recorder.scene import Scene, Sight
from pocket.recorder.settings import Settings
from pocket.recorder.sources import Sides, Source, Speaker
from pocket.recorder.voice import RATE, Voice
from pocket.rooms.joining import connect
from pocket.rooms.native import NativeAudio, Pcm, Picture

log = structlog.get_logger()

FRAME_MS: Final = 50
JOIN_WITHIN, RETURN_WITHIN, LEAVE_WITHIN = 10.0, 20.0, 5.0
"""Seconds. A lost room is waited for: what its people say meanwhile is lost, the rest is not."""
LOOKS: Final = (0.3, 0.3, 0.4, 0.5, 0.5, 1.0)
"""Seconds between looks at the jitter buffer of a fresh track; later the last of them."""
SETTLED: Final = 0.004
"""Seconds that a delay may differ from the measured one."""
TOKEN_LIFETIME: Final = timedelta(hours=24)
CLOSED: Final = "Source closed"
LOST: Final = "recording ended early: connection to room failed"
_SHARED: Final = (rtc.TrackSource.SOURCE_SCREENSHARE, rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO)
_OVER: Final = frozenset(
    {DisconnectReason.ROOM_DELETED, DisconnectReason.ROOM_CLOSED, DisconnectReason.PARTICIPANT_REMOVED}
)


class Listener:
    """Hears a room for one recording.

    `on_end(reason, lost)` is called once when there is nothing more to hear: the room is over, the recorded track or
    participant left, or (`lost`) the connection did not come back. `on_replaced` is called when another recorder took
    this one's place.
    """

    def __init__(
        self,
        native: NativeAudio,
        source: Source,
        mixer: Mixer,
        epoch: float,
        *,
        stage: tuple[Scene, int] | None,
        on_sound: Callable[[], None],
        on_end: Callable[[str, bool], None],
        on_replaced: Callable[[], None],
    ) -> None:
        self.heard: tuple[Speaker, str] | None = None
        """Who was heard first, and the name of the track's source."""
        self.changed = asyncio.Event()
        """Somebody came or published something."""
        self.missed = 0.0
        """Seconds in which nobody could be heard, as the connection was lost and tracks with it."""
        self._stage = stage
        """Who is seen, and pictures a second."""
        self._native, self._source, self._mixer, self._epoch = native, source, mixer, epoch
        self._on_sound, self._on_end, self._on_replaced = on_sound, on_end, on_replaced
        self._sides = Sides(source)
        self._streams: dict[str, Callable[[], None]] = {}
        """What ends the hearing or seeing of a track, by its id."""
        self._leaving = False
        self._lost: asyncio.TimerHandle | None = None
        self._deaf_since: float | None = None
        self._is_cut = False
        """Whether a track ended since then."""
        self._room = rtc.Room()
        self._room.on("track_published", self._published)
        self._room.on("track_subscribed", self._subscribed)
        self._room.on("track_unsubscribed", self._unsubscribed)
        self._room.on("track_unpublished", self._unpublished)
        self._room.on("track_muted", partial(self._muted, muted=True))
        self._room.on("track_unmuted", partial(self._muted, muted=False))
        self._room.on("participant_connected", self._came)
        self._room.on("participant_disconnected", self._left)
        self._room.on("disconnected", self._disconnected)
        self._room.on("reconnecting", self._reconnecting)
        self._room.on("reconnected", self._reconnected)

    async def join(self, url: str, token: str) -> str:
        """Enter the room and listen; the room's id. Raises `OSError`."""
        try:
            async with asyncio.timeout(JOIN_WITHIN):
                # Whoever asks for tracks one by one hears the first of them a third of a second later.
                every = self._source.everyone
                options = rtc.RoomOptions(auto_subscribe=every, connect_timeout=JOIN_WITHIN)
                await connect(self._room, url, token, options)
                for participant in self._room.remote_participants.values():
                    self._came(participant)
                    for publication in participant.track_publications.values():
                        self._published(publication, participant)
                return str(await self._room.sid)
        except (TimeoutError, rtc.ConnectError, RuntimeError) as error:
            raise OSError(f"the room cannot be joined: {type(error).__name__}") from error

    def absent(self) -> str:
        """What the recording is about and is not there, in LiveKit's words; empty when all is."""
        identities, tracks = self._source.awaited()
        there = self._room.remote_participants
        published = {sid for participant in there.values() for sid in participant.track_publications}
        for identity in sorted(identities - set(there)):
            return f"participant {identity} not found"
        for track in sorted(tracks - published):
            return f"track {track} not found"
        return ""

    def is_mistaken(self) -> bool:
        """Whether the track that is to be heard is one of pictures."""
        there = (each.track_publications for each in self._room.remote_participants.values())
        found = [each[self._source.track] for each in there if self._source.track in each]
        return any(publication.kind != rtc.TrackKind.KIND_AUDIO for publication in found)

    async def leave(self) -> None:
        """Hear nothing more."""
        self._leaving = True
        self._reconnected()
        for sid in list(self._streams):
            self._drop(sid)
        try:
            async with asyncio.timeout(LEAVE_WITHIN):
                await self._room.disconnect()
        except (TimeoutError, RuntimeError):
            log.warning("a room could not be left")

    # What the room tells.

    def _came(self, participant: rtc.RemoteParticipant) -> None:
        self.changed.set()
        alone = participant.identity in (self._source.identity, self._source.camera)
        if self._stage is not None and (self._source.seen == "everyone" or alone) and not _is_recorder(participant):
            self._stage[0].person(participant.identity, participant.name)

    def _published(self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> None:
        self.changed.set()
        wanted = self._wants(publication, _speaker(publication, participant))
        if wanted != self._source.everyone and not self._leaving:
            publication.set_subscribed(wanted)

    def _wants(self, publication: rtc.RemoteTrackPublication, speaker: Speaker) -> bool:
        if publication.kind == rtc.TrackKind.KIND_AUDIO:
            return self._source.wants(speaker)
        return self._stage is not None and self._source.shows(speaker)

    def _subscribed(
        self, track: rtc.RemoteTrack, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        speaker = _speaker(publication, participant)
        if self._leaving or not self._wants(publication, speaker):
            return
        self._drop(publication.sid)
        self._hears_again()
        self.heard = self.heard or (speaker, _source_name(publication))
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._streams[publication.sid] = self._hear(track, speaker, participant)
        else:
            self._streams[publication.sid] = self._see(track, speaker, participant)

    def _hear(self, track: rtc.RemoteTrack, speaker: Speaker, participant: rtc.RemoteParticipant) -> Callable[[], None]:
        voice = Voice(self._epoch, self._sides.of(speaker))
        tell = self._once_heard()

        def take(pcm: Pcm) -> None:
            voice.put(time.monotonic(), pcm)
            tell()

        self._mixer.add(voice)
        if self._stage is not None:
            self._stage[0].person(participant.identity, participant.name).voices = (voice,)
        stream = self._native.open(track, RATE, FRAME_MS, take)
        watching = asyncio.create_task(self._watch(track, voice))

        def end() -> None:
            watching.cancel()
            stream.close()
            self._mixer.end(voice)

        return end

    def _see(self, track: rtc.RemoteTrack, speaker: Speaker, participant: rtc.RemoteParticipant) -> Callable[[], None]:
        assert self._stage is not None
        scene, rate = self._stage
        sight = Sight(self._epoch, rate, shared=speaker.screen_share)
        tell = self._once_heard()

        def take(copied: Callable[[], Picture]) -> None:
            sight.put(time.monotonic(), copied)
            tell()

        person = scene.person(participant.identity, participant.name)
        person.sights = {**person.sights, speaker.track: sight}
        stream = self._native.watch(track, take)

        def end() -> None:
            stream.close()
            person.sights = {sid: each for sid, each in person.sights.items() if each is not sight}

        return end

    def _once_heard(self) -> Callable[[], None]:
        """What tells, from the library's thread and once, that there is something."""
        loop, there = asyncio.get_running_loop(), False

        def tell() -> None:
            nonlocal there
            if not there:
                there = True
                with suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(self._on_sound)

        return tell

    def _muted(self, participant: rtc.Participant, publication: rtc.TrackPublication, *, muted: bool) -> None:
        if self._stage is not None and publication.kind == rtc.TrackKind.KIND_VIDEO:
            self._stage[0].mute(participant.identity, publication.sid, muted=muted)

    def _unsubscribed(self, _track: Any, publication: rtc.RemoteTrackPublication, _participant: Any) -> None:
        self._drop(publication.sid)

    def _unpublished(self, publication: rtc.RemoteTrackPublication, _participant: Any) -> None:
        self._drop(publication.sid)
        if publication.sid in (self._source.track, self._source.camera):
            self._end(CLOSED)

    def _left(self, participant: rtc.RemoteParticipant) -> None:
        for sid in participant.track_publications:
            self._drop(sid)
        if self._stage is not None:
            self._stage[0].leave(participant.identity)
        if self._source.identity and participant.identity == self._source.identity:
            self._end(CLOSED)

    def _drop(self, sid: str) -> None:
        end = self._streams.pop(sid, None)
        if end is not None:
            self._is_cut = True
            end()

    # Its end.

    def _disconnected(self, reason: int) -> None:
        if self._leaving:
            return
        if reason == DisconnectReason.DUPLICATE_IDENTITY:
            self._on_replaced()
        else:
            self._end(CLOSED, lost=reason not in _OVER)

    def _end(self, reason: str, *, lost: bool = False) -> None:
        if not self._leaving:
            self._on_end(reason, lost)

    def _reconnecting(self) -> None:
        if self._lost is None and not self._leaving:
            gone = DisconnectReason.SIGNAL_CLOSE
            self._deaf_since, self._is_cut = time.monotonic(), False
            self._lost = asyncio.get_running_loop().call_later(RETURN_WITHIN, self._disconnected, gone)

    def _reconnected(self) -> None:
        if self._lost is not None:
            self._lost.cancel()
            self._lost = None
            if not self._is_cut:  # the sound went on
                self._deaf_since = None

    def _hears_again(self) -> None:
        if self._deaf_since is not None:
            self.missed += time.monotonic() - self._deaf_since
            self._deaf_since = None

    async def _watch(self, track: rtc.RemoteTrack, voice: Voice) -> None:
        """Have the voice know what the jitter buffer holds back."""
        held, samples = 0.0, 0
        looks = iter(LOOKS)
        while True:
            await asyncio.sleep(next(looks, LOOKS[-1]))
            try:
                held_now, samples_now = await self._native.held_back(track)
            except (TimeoutError, AssertionError):  # the library has forgotten the track
                continue
            if samples_now > samples:
                delay = (held_now - held) / (samples_now - samples)
                if abs(delay - voice.delay) > SETTLED:
                    voice.delay = delay
            held, samples = held_now, samples_now


def make_token(settings: Settings, *, room: str, identity: str) -> str:
    """Sign a token of a recorder, as LiveKit's own service does."""
    grants = api.VideoGrants(
        room_join=True,
        room=room,
        can_subscribe=True,
        can_publish=False,
        can_publish_data=False,
        hidden=True,
        recorder=True,
    )
    token = api.AccessToken(settings.api_key, settings.api_secret.get_secret_value())
    return token.with_kind("egress").with_identity(identity).with_ttl(TOKEN_LIFETIME).with_grants(grants).to_jwt()


def _speaker(publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> Speaker:
    shared = publication.source in _SHARED
    return Speaker(publication.sid, participant.identity, int(participant.kind), shared)


def _source_name(publication: rtc.RemoteTrackPublication) -> str:
    return str(rtc.TrackSource.Name(publication.source)).removeprefix("SOURCE_").lower()


def _is_recorder(participant: rtc.RemoteParticipant) -> bool:
    return bool(participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_EGRESS)
