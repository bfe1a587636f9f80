"""A call as its room sees it: one participant of kind SIP, with a microphone, attributes and digits."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from livekit import rtc
from livekit.protocol.models import DisconnectReason

from pocket.bridge.mixing import Mixer
from pocket.rooms.joining import connect
from pocket.rooms.native import Microphone, NativeAudio, Pcm

log = structlog.get_logger()

SAMPLE_RATE: Final = 16_000
JOIN_WITHIN, RETURN_WITHIN, ATTRIBUTES_WITHIN, LEAVE_WITHIN = 10.0, 8.0, 3.0, 5.0
"""Seconds. The SDK tries to come back into a lost room for minutes, while the caller would hear nothing."""
MOST_TRIES: Final = 20
"""Of telling a room what it does not show."""
STATUS: Final = "sip.callStatus"
APART: Final = "parley.apart"
"""A phone that joins with this attribute and the other phones do not hear each other until it is taken away."""


class Participant:
    """Joins a room for a caller. `on_leave(reason)` is called when the room or LiveKit ends it, not when we do."""

    def __init__(
        self,
        native: NativeAudio,
        *,
        on_leave: Callable[[int], None],
        on_digit: Callable[[str], None],
    ) -> None:
        self.mixer = Mixer()
        self.accompanied = asyncio.Event()
        """Somebody's audio is subscribed, or another caller is there: worth answering for."""
        self._native, self._on_leave, self._on_digit = native, on_leave, on_digit
        self._room = rtc.Room()
        self._microphone: Microphone | None = None
        self._listening = False
        self._is_apart = False
        """As was asked when it joined, until LiveKit tells of another wish: what it has said itself comes back late."""
        self._leaving = False
        self._lost: asyncio.TimerHandle | None = None
        self._untold: deque[tuple[Mapping[str, str], asyncio.Future[None]]] = deque()
        """Attributes that wait to be set, and for whom."""
        self._told: dict[str, str] = {}
        self._changed = asyncio.Event()
        """LiveKit shows other attributes than before, or there are others to be set."""
        self._telling: asyncio.Task[None] | None = None
        self._room.on("disconnected", self._disconnected)
        self._room.on("reconnecting", self._reconnecting)
        self._room.on("reconnected", self._reconnected)
        self._room.on("track_published", self._published)
        self._room.on("track_subscribed", self._subscribed)
        self._room.on("track_unsubscribed", self._unsubscribed)
        self._room.on("sip_dtmf_received", self._digit)
        self._room.on("participant_connected", self._somebody)
        self._room.on("participant_attributes_changed", self._attributes_changed)

    @property
    def sid(self) -> str:
        """LiveKit's id of the participant."""
        return str(self._room.local_participant.sid)

    @property
    def attributes(self) -> Mapping[str, str]:
        """The attributes as they are now; none outside of a room."""
        return dict(self._room.local_participant.attributes) if self._room.isconnected() else {}

    async def join(self, url: str, token: str, attributes: Mapping[str, str]) -> None:
        """Enter the room and publish a silent track, named as the participant. Raises `OSError`."""
        self._is_apart = bool(attributes.get(APART))
        try:
            async with asyncio.timeout(JOIN_WITHIN):
                alone = rtc.RoomOptions(auto_subscribe=False, connect_timeout=JOIN_WITHIN)
                await connect(self._room, url, token, alone)
                local = self._room.local_participant
                self._microphone = Microphone(self._native, SAMPLE_RATE)
                track = rtc.LocalAudioTrack.create_audio_track(local.identity, self._microphone.source)
                options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, red=False)
                if APART in attributes:  # before anybody knows of the track
                    await local.set_attributes({APART: attributes[APART]})
                await asyncio.gather(local.set_attributes(dict(attributes)), local.publish_track(track, options))
        except (TimeoutError, rtc.ConnectError, RuntimeError) as error:
            raise OSError(f"the room cannot be joined: {type(error).__name__}") from error

    def listen(self) -> None:
        """Subscribe to all audio of the room, now and later; the mixer has it at `SAMPLE_RATE`."""
        self._listening = True
        for participant in self._room.remote_participants.values():
            self._somebody(participant)
            for publication in participant.track_publications.values():
                self._published(publication, participant)

    def speak(self, pcm: Pcm) -> None:
        """Send sound of the phone into the room, at `SAMPLE_RATE`."""
        if self._microphone is not None and not self._leaving:
            self._microphone.speak(pcm)

    async def tell(self, attributes: Mapping[str, str]) -> None:
        """Set attributes; a room that does not answer does not hold the call up."""
        await asyncio.wait({self.note(attributes)}, timeout=ATTRIBUTES_WITHIN)

    def note(self, attributes: Mapping[str, str]) -> asyncio.Future[None]:
        """Have attributes set, after those before; done once the room has heard. A room that does not show them is told
        again: somebody may wait in it for the word that the phone was answered."""
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._room.isconnected() or self._leaving:
            heard.set_result(None)
            return heard
        self._untold.append((attributes, heard))
        self._changed.set()
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_all())
        return heard

    async def _tell_all(self) -> None:
        """Until the room shows it. One after the other: of two at once the library sends either first, and it does not
        say that one was lost."""
        for _ in range(MOST_TRIES):
            try:
                async with asyncio.timeout(ATTRIBUTES_WITHIN):
                    while self._untold or self._lacking():
                        if self._untold:
                            await self._tell_next()
                        else:
                            self._changed.clear()
                            await self._changed.wait()
                return
            except TimeoutError:
                log.warning("attributes of a call are set again")
                if not self._untold:
                    self._untold.append((self._lacking(), asyncio.get_running_loop().create_future()))
            except RuntimeError:
                log.warning("attributes of a call could not be set")
                return

    async def _tell_next(self) -> None:
        attributes, heard = self._untold[0]
        await self._room.local_participant.set_attributes(dict(attributes))
        self._told |= attributes
        self._untold.popleft()
        heard.set_result(None)

    def _lacking(self) -> dict[str, str]:
        """What was set, and the room does not show; nothing outside of a room."""
        shown, is_there = self.attributes, self._room.isconnected()
        return {name: value for name, value in self._told.items() if is_there and shown.get(name) != value}

    async def tell_digit(self, digit: str) -> None:
        """Tell the room of a key that the caller pressed."""
        if self._room.isconnected():
            await self._room.local_participant.publish_dtmf(code="0123456789*#ABCD".index(digit), digit=digit)

    async def leave(self, reason: int = DisconnectReason.CLIENT_INITIATED) -> None:
        """Leave the room, for a reason that its others see."""
        self._leaving = True
        self._reconnected()
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        self.mixer.close()
        try:
            async with asyncio.timeout(LEAVE_WITHIN):
                await self._room.disconnect(reason=reason)  # type: ignore[arg-type]
        except (TimeoutError, RuntimeError):
            log.warning("a room could not be left")
        if self._microphone is not None:
            await self._microphone.close()

    def _disconnected(self, reason: int) -> None:
        if not self._leaving:
            self._on_leave(reason)

    def _reconnecting(self) -> None:
        if self._lost is None and not self._leaving:
            gone = DisconnectReason.SIGNAL_CLOSE
            self._lost = asyncio.get_running_loop().call_later(RETURN_WITHIN, self._disconnected, gone)

    def _reconnected(self) -> None:
        if self._lost is not None:
            self._lost.cancel()
            self._lost = None

    def _somebody(self, participant: rtc.RemoteParticipant) -> None:
        if self._listening and participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_SIP:
            self.accompanied.set()

    def _published(self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> None:
        if self._listening and publication.kind == rtc.TrackKind.KIND_AUDIO and not self._is_apart_from(participant):
            publication.set_subscribed(True)

    def _is_apart_from(self, participant: rtc.RemoteParticipant) -> bool:
        is_phone = participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_SIP
        return is_phone and (self._is_apart or bool(participant.attributes.get(APART)))

    def _attributes_changed(self, changed: Mapping[str, str], participant: rtc.Participant) -> None:
        if participant.identity == self._room.local_participant.identity:
            self._changed.set()
            self._is_apart = bool(changed[APART]) if APART in changed else self._is_apart
        if APART in changed and self._listening:
            self.listen()

    def _subscribed(self, track: rtc.RemoteTrack, publication: rtc.RemoteTrackPublication, _participant: Any) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO and self._listening and not self._leaving:
            self.mixer.add(publication.sid, self._native.hear(track, SAMPLE_RATE))
            self.accompanied.set()

    def _unsubscribed(self, _track: Any, publication: rtc.RemoteTrackPublication, _participant: Any) -> None:
        self.mixer.remove(publication.sid)

    def _digit(self, event: rtc.SipDTMF) -> None:
        self._on_digit(event.digit)
