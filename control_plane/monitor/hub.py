"""Who watches what. Every event is projected and serialised once, whatever the number of watchers."""

import asyncio
import json
from collections.abc import Collection, Iterable
from typing import Any

from starlette.types import Message, Send
from starlette.websockets import WebSocketDisconnect

from control_plane.clock import iso_ms
from control_plane.events.facts import MONITOR
from control_plane.events.models import Event
from control_plane.monitor.senders import Senders

WRONG_KEY, FALLEN_BEHIND = 4001, 4008
"""Close codes."""
PING = '{"type":"ping"}'
BACKLOG = 1000
"""Messages that may wait for one watcher before it is let go (4008); it may come back and resume."""


class Watcher:
    """One monitor socket: its channels, what waits to be sent, and why it is let go.

    While a channel is being resumed from the log, live messages are held back, so that the order of ids stays; what the
    log has shown on a channel (`replayed`) is not shown on it again when the tail comes by.
    """

    __slots__ = (
        "_busy",
        "_drained",
        "_held",
        "_outbox",
        "_over",
        "_replayed",
        "_send",
        "_senders",
        "channels",
        "closing",
        "key_id",
        "project_id",
        "slug",
    )

    def __init__(self, project_id: int, slug: str, key_id: str, send: Send, senders: Senders) -> None:
        self.project_id, self.slug, self.key_id = project_id, slug, key_id
        self.channels: set[str] = set()
        self.closing: Message | None = None
        self._send, self._senders = send, senders
        self._outbox: list[Message] = []
        self._busy = self._over = False
        self._drained: asyncio.Event | None = None
        self._replayed: dict[str, int] = {}
        self._held: list[tuple[int | None, tuple[str, ...], Message]] | None = None

    def offer(self, message: Message) -> None:
        """Queue a message; never waits. A watcher with too long a queue is let go."""
        if len(self._outbox) >= BACKLOG:
            self.let_go(FALLEN_BEHIND, "Reading too slowly; subscribe again with `after`")
            return
        self._outbox.append(message)
        self._wake()

    def answer(self, message: dict[str, Any]) -> None:
        """Queue a message for this socket alone."""
        self.offer(frame(json.dumps(message)))

    def _wake(self) -> None:
        if not self._busy:
            self._busy = True
            self._senders.wake(self._flush)

    async def _flush(self) -> None:
        """Send what waits; a watcher that was let go is closed, and its listener then hears of the end."""
        try:
            while self._outbox and self.closing is None:
                messages, self._outbox = self._outbox, []
                if self._drained is not None:
                    self._drained.set()
                for message in messages:
                    if self.closing is None:
                        await self._send(message)
            if self.closing is not None:
                await self._send(self.closing)
                self.end()
        except (RuntimeError, WebSocketDisconnect):  # it is gone
            self.end()
        self._busy = self._over

    async def room(self) -> None:
        """Wait until at least half of the queue is free. Raises `ConnectionError` once nothing is sent any more."""
        while len(self._outbox) >= BACKLOG // 2 and not self._over:
            self._drained = asyncio.Event()
            await self._drained.wait()
        if self._over:
            raise ConnectionError("the socket is over")

    def end(self) -> None:
        """Nothing is sent any more."""
        self._over = True
        self._outbox.clear()
        if self._drained is not None:
            self._drained.set()

    def let_go(self, code: int, reason: str) -> None:
        """Close the socket with a code, as soon as it reads."""
        if self.closing is None:
            self.closing = {"type": "websocket.close", "code": code, "reason": reason}
            self._wake()

    def show(self, seq: int | None, channels: tuple[str, ...], message: Message) -> None:
        """Queue a message of these channels if the watcher wants one of them and has not seen it."""
        wanted = self.channels.intersection(channels)
        if not wanted or (seq is not None and all(self._replayed.get(channel, -1) >= seq for channel in wanted)):
            return
        if self._held is None:
            self.offer(message)
        elif len(self._held) < BACKLOG:
            self._held.append((seq, channels, message))
        else:
            self.let_go(FALLEN_BEHIND, "Too much happened while resuming; subscribe again with `after`")

    def hold(self, channel: str) -> None:
        """A channel is being resumed: keep live messages back."""
        self._held = []
        self.channels.add(channel)

    def release(self, channel: str, seq: int) -> None:
        """The channel has been shown up to `seq`: go over to live messages."""
        self._replayed[channel] = seq
        held, self._held = self._held or [], None
        for message in held:
            self.show(*message)


def frame(text: str) -> Message:
    """A text as it is sent; one for all sockets."""
    return {"type": "websocket.send", "text": text}


def short_name(full_name: str) -> str:
    """The customer's name of a room."""
    return full_name.partition("_")[2]


def channels_of(message_type: str, full_name: str | None) -> tuple[str, ...]:
    """The channels a message belongs to."""
    if full_name is None:
        return ("rooms",)
    kind = {"session": "sessions", "transcript": "sessions", "call": "calls"}.get(message_type.partition(".")[0])
    return ("rooms", f"room:{full_name}", *((kind,) if kind else ()))


def shown_on(event: Event) -> tuple[str, ...]:
    """The channels of an event; none for facts the monitor does not show."""
    known = MONITOR.get(event.type)
    return channels_of(known.type, event.room_name) if known else ()


def written(event: Event) -> str:
    """The text on the socket of an event that the monitor shows."""
    known = MONITOR[event.type]
    data = {key: event.data[key] for key in known.fields if key in event.data}
    return render(known.type, event.room_name, data, seq=event.seq, timestamp=iso_ms(event.created_at))


def render(message_type: str, full_name: str | None, data: dict[str, Any], *, seq: int | None, timestamp: str) -> str:
    """One message on the socket; its channel is the room's, as the customer calls it."""
    channel = f"room:{short_name(full_name)}" if full_name else "rooms"
    names = {"room_name": short_name(full_name), "full_room_name": full_name} if full_name else {}
    message = {"type": message_type, "channel": channel, "id": seq, "timestamp": timestamp, "data": names | data}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


class MonitorHub:
    """Routes events and interim lines to the watchers of this process; what nobody wants is not even written."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()
        self._wanting: dict[tuple[int, str], set[Watcher]] = {}
        """By project and channel."""
        self.senders = Senders()

    def add(self, watcher: Watcher) -> None:
        """A socket has opened."""
        self._watchers.add(watcher)

    def remove(self, watcher: Watcher) -> None:
        """A socket has closed."""
        self._watchers.discard(watcher)
        for channel in tuple(watcher.channels):
            self.unsubscribe(watcher, channel)

    def subscribe(self, watcher: Watcher, channel: str) -> None:
        """A watcher wants a channel, and is shown its past first: live messages are held until `release`."""
        watcher.hold(channel)
        self._wanting.setdefault((watcher.project_id, channel), set()).add(watcher)

    def unsubscribe(self, watcher: Watcher, channel: str) -> None:
        """A watcher does not want a channel any more."""
        watcher.channels.discard(channel)
        wanting = self._wanting.get((watcher.project_id, channel), set())
        wanting.discard(watcher)
        if not wanting:
            self._wanting.pop((watcher.project_id, channel), None)

    def key_ids(self) -> set[str]:
        """The keys behind the open sockets."""
        return {watcher.key_id for watcher in self._watchers}

    def revoke_all_but(self, alive: set[str], asked: set[str]) -> None:
        """Close the sockets of the keys that were asked about and are not good any more."""
        for watcher in self._watchers:
            if watcher.key_id in asked - alive:
                watcher.let_go(WRONG_KEY, "The API key was revoked")

    def ping(self) -> None:
        """Show every socket that the line is open."""
        message = frame(PING)
        for watcher in self._watchers:
            watcher.offer(message)

    def tell(self, events: Iterable[Event]) -> None:
        """Pass stamped events on."""
        for event in events:
            channels = shown_on(event)
            watchers = self._find(event.project_id, channels)
            if watchers:
                message = frame(written(event))
                for watcher in watchers:
                    watcher.show(event.seq, channels, message)

    def tell_line(self, line: dict[str, Any], *, timestamp: str) -> None:
        """Pass a line on that is not kept."""
        room = line["room_name"]
        channels = channels_of("transcript.new", room)
        watchers = self._find(line["project_id"], channels)
        if watchers:
            data = {key: line[key] for key in ("session_id", "speaker", "content", "timestamp_ms", "is_final")}
            message = frame(render("transcript.new", room, data, seq=None, timestamp=timestamp))
            for watcher in watchers:
                watcher.show(None, channels, message)

    def tell_state(self, state: dict[str, Any], *, timestamp: str) -> None:
        """Pass on what a persona is doing; it is not kept."""
        room = state["room_name"]
        channels = channels_of("persona.state", room)
        watchers = self._find(state["project_id"], channels)
        if watchers:
            data = {key: state[key] for key in ("session_id", "state")}
            message = frame(render("persona.state", room, data, seq=None, timestamp=timestamp))
            for watcher in watchers:
                watcher.show(None, channels, message)

    def _find(self, project_id: int, channels: Iterable[str]) -> Collection[Watcher]:
        """Who wants one of the channels."""
        found = [wanting for channel in channels if (wanting := self._wanting.get((project_id, channel)))]
        return found[0] if len(found) == 1 else set().union(*found)
