"""One call: its media, its dialog with the phone, its participant in a room, and how it ends."""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeVar

import structlog
from livekit.protocol.models import DisconnectReason
from livekit.protocol.sip import SIPHeaderOptions

from pocket.bridge.outcomes import CallFailedError
from pocket.bridge.participant import SAMPLE_RATE, STATUS, Participant
from pocket.bridge.resampling import Doubler, Halver
from pocket.bridge.settings import Settings
from pocket.ending import EndedError, unless
from pocket.networks import is_closed, read_networks
from pocket.rooms.native import NativeAudio, Pcm
from pocket.rtp import sdp
from pocket.rtp.ports import Ports
from pocket.rtp.stream import MediaStream
from pocket.sip.agent import UserAgent
from pocket.sip.dialog import Dialog
from pocket.sip.message import Message

log = structlog.get_logger()

LONGEST: Final = 24 * 3600.0
LOOKED_AT: Final = 1.0
"""Seconds between looks at whether media still flow."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a call is over; `said` is a BYE of the far end, which needs none of ours and is shown as `hangup`."""

    reason: int = DisconnectReason.CLIENT_INITIATED
    said: bool = False


class House(Protocol):
    """What a call needs of the service it belongs to."""

    settings: Settings
    native: NativeAudio
    ports: Ports
    agent: UserAgent

    def own(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that outlives its caller."""

    def know(self, call: "Call") -> None:
        """Hand requests of the call's dialog to it from now on."""

    def part(self, call: "Call") -> None:
        """Requests of the call's dialog belong to nothing from now on."""

    def forget(self, call: "Call") -> None:
        """The call is over."""

    async def offer_transfer(self, call: "Call") -> None:
        """Take transfers of the call."""


class Call:
    """Made for an INVITE of either side, run once, ended once; whoever ends it first says why."""

    def __init__(self, house: House, call_id: str, direction: Literal["in", "out"]) -> None:
        self.house, self.id, self.direction = house, call_id, direction
        self.participant = Participant(house.native, on_leave=self._left, on_digit=self._digit_of_room)
        self.peer = ""
        """Where the far end of a call that came in speaks from: its sound may be there, whatever network that is in."""
        self.dialog: Dialog | None = None
        self.media: MediaStream | None = None
        self.agreement: sdp.Agreement | None = None
        self.session_id, self.version = secrets.randbits(31), 1
        self.description = b""
        """Our SDP as it was sent last."""
        self.headers_to_attributes: Mapping[str, str] = {}
        self.attributes_to_headers: Mapping[str, str] = {}
        self.include_headers: int = SIPHeaderOptions.SIP_NO_HEADERS
        self.longest = LONGEST
        self.keys: asyncio.Queue[str] | None = None
        """Where digits go while the call is not in its room yet."""
        self.playing: deque[Pcm] = deque()
        """Frames for the phone, before anything of the room."""
        self.referred: asyncio.Future[tuple[int, str]] | None = None
        """How the transfer under way went."""
        self.timer: asyncio.TimerHandle | None = None
        """When the session is to be refreshed, or is over (RFC 4028)."""
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._bridged = False
        self._answered_at = 0.0
        self._double: Doubler | None = None
        self._halve: Halver | None = None

    def end(self, ending: Ending) -> None:
        """End the call, now or as soon as it can be."""
        if not self._ending.done():
            self._ending.set_result(ending)

    @property
    def cancelled(self) -> bool:
        """Whether the far end ended it."""
        return self._ending.done() and self._ending.result().said

    @property
    def ended(self) -> bool:
        """Whether somebody ended it."""
        return self._ending.done()

    async def run(self, begin: Callable[[], Awaitable[None]]) -> None:
        """Begin the call, hold it until its end, and leave nothing behind."""
        try:
            await self.unless_ended(begin())
            await self._hold()
        except EndedError:
            pass
        except CallFailedError as failure:
            self.end(Ending(failure.reason))
        except Exception:
            log.exception("a call broke", call=self.id)
        finally:
            self.end(Ending())
            await self._close(self._ending.result())

    async def unless_ended(self, work: Awaitable[Value]) -> Value:
        """The result of some work; where the call ends first the work is cancelled, and this raises `EndedError`."""
        return await unless(self._ending, work)

    # Media.

    async def open_media(self) -> MediaStream:
        """Take a port. Raises `NoPort`."""
        self.media = await MediaStream.open(
            self.house.ports, self.house.settings.listen_host, on_audio=self._heard, on_digit=self._digit_of_phone
        )
        return self.media

    def demand_open(self, agreement: sdp.Agreement) -> None:
        """Raise `SdpError` where the far end would have sound in a network into which nothing is sent."""
        closed = read_networks(self.house.settings.closed)
        if agreement.address not in (sdp.NOWHERE, self.peer) and is_closed(agreement.address, closed):
            raise sdp.SdpError("an address in a closed network")

    def agree(self, agreement: sdp.Agreement) -> None:
        """Use what both sides agreed on, at first or anew. Raises as `demand_open`, and then all is as before."""
        assert self.media is not None
        self.demand_open(agreement)
        self.agreement = agreement
        before = self.media.sample_rate
        self.media.agree(agreement)
        if self.media.sample_rate != before:
            self.playing.clear()
            narrow = agreement.codec.sample_rate * 2 == SAMPLE_RATE
            self._double, self._halve = (Doubler(), Halver()) if narrow else (None, None)
        self._answered_at = self._answered_at or time.monotonic()

    def play(self, pcm: Pcm) -> None:
        """Let the phone hear this first; what is short of 20 ms at its end is left out."""
        assert self.media is not None
        frame = self.media.sample_rate // 50
        self.playing.extend(pcm[start : start + frame] for start in range(0, len(pcm) - frame + 1, frame))

    async def bridge(self, attributes: Mapping[str, str]) -> None:
        """Let the room and the phone hear each other: the call is active."""
        self._bridged = True
        self.participant.listen()
        await self.participant.tell({STATUS: "active", **attributes})

    def tick(self) -> None:
        """20 ms have passed."""
        if self.media is None or self.agreement is None:
            return
        heard = self.participant.mixer.mix() if self._bridged else None
        if heard is not None and self._halve is not None:
            heard = self._halve(heard)
        self.media.tick(self.playing.popleft() if self.playing else heard)

    def _heard(self, pcm: Pcm) -> None:
        if self._bridged:
            self.participant.speak(self._double(pcm) if self._double else pcm)

    def _digit_of_phone(self, digit: str) -> None:
        if self.keys is not None:
            if not self.keys.full():
                self.keys.put_nowait(digit)
        elif self._bridged:
            self.house.own(self.participant.tell_digit(digit))

    def _digit_of_room(self, digit: str) -> None:
        if self.media is not None:
            self.media.send_digits(digit)

    def pressed(self, digit: str) -> None:
        """A digit that came as a SIP INFO."""
        self._digit_of_phone(digit)

    # Headers.

    def attributes_of(self, message: Message) -> dict[str, str]:
        """Headers of the far end as attributes, as far as was asked for."""
        every = self.include_headers == SIPHeaderOptions.SIP_ALL_HEADERS
        some = self.include_headers == SIPHeaderOptions.SIP_X_HEADERS
        found = {f"sip.h.{name}": value for name, value in message.headers if every or (some and name.startswith("x-"))}
        for name, attribute in self.headers_to_attributes.items():
            value = message.get(name.lower())
            if value is not None:
                found[attribute] = value
        test = message.get("x-lk-test-id")
        found |= {"lktest.id": test} if test else {}
        # LiveKit takes no bytes that are not UTF-8.
        return {
            name: value.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name, value in found.items()
        }

    def parting_headers(self) -> list[tuple[str, str]]:
        """Attributes as headers of the BYE or REFER."""
        attributes = self.participant.attributes
        return [(name, attributes[key]) for key, name in self.attributes_to_headers.items() if key in attributes]

    # The end.

    async def _hold(self) -> None:
        deadline = time.monotonic() + self.longest
        while not self.ended:
            await asyncio.wait({self._ending}, timeout=min(LOOKED_AT, max(0.01, deadline - time.monotonic())))
            if time.monotonic() >= deadline or self._is_silent():
                self.end(Ending())

    def _is_silent(self) -> bool:
        media, settings = self.media, self.house.settings
        if media is None or self.agreement is None or not self.agreement.receive:
            return False
        patience = settings.media_timeout if media.heard_at is not None else settings.media_timeout_initial
        return time.monotonic() - max(media.heard_at or 0.0, self._answered_at) > patience

    def _left(self, reason: int) -> None:
        self.end(Ending(reason))

    async def _close(self, ending: Ending) -> None:
        self._bridged = False
        if self.timer is not None:
            self.timer.cancel()
        if self.referred is not None and not self.referred.done():
            self.referred.set_result((200, ""))  # over before the transfer was reported: it went there
        if self.dialog is not None and not ending.said:
            self.house.own(self._say_bye(self.dialog))
        else:
            self.house.part(self)
        if ending.said:
            await self.participant.tell({STATUS: "hangup"})
        self.house.forget(self)
        if self.media is not None:
            self.media.close()
        await self.participant.leave(ending.reason)

    async def _say_bye(self, dialog: Dialog) -> None:
        await dialog.request("BYE", headers=self.parting_headers())
        self.house.part(self)  # not before: theirs may cross ours
