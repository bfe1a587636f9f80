"""The livestreams of one recording. What becomes of one of them is no other's affair."""

import asyncio
from collections.abc import Callable, Sequence
from typing import BinaryIO, cast

import structlog
from livekit.protocol import egress

from pocket.networks import Network
from pocket.recorder.flv import Cutter, Tag
from pocket.recorder.journal import Entry
from pocket.recorder.livestream import ACTIVE, CLOSED_WITHIN, Livestream, end
from pocket.recorder.outputs import changes, redacted

log = structlog.get_logger()


class Broadcast:
    """Those of the entry. `sink` takes FLV, from any thread.

    `changed` is called when there is something new to tell, `gone` with the error of the last stream when none is left
    (without an error: it was taken away); neither after `close`.
    """

    def __init__(
        self,
        entry: Entry,
        changed: Callable[[], None],
        gone: Callable[[str], None],
        closed: Sequence[Network] = (),
    ) -> None:
        self._entry, self._closed_networks = entry, closed
        self._changed, self._gone = changed, gone
        self._loop = asyncio.get_running_loop()
        self._streams: dict[asyncio.Task[None], Livestream] = {}
        self._head: list[Tag] = []
        """How the rest is to be read."""
        self._group: list[Tag] = []
        """All since the last key frame."""
        self._pictures = self._begun = self._closed = False
        self.sink = cast("BinaryIO", Cutter(self._cut))

    def begin(self) -> None:
        """Connect to all servers whose streams are not over."""
        self._begun = True
        for url, info in self._listed():
            if info.status == ACTIVE:
                self._connect(url, info)
        if not self._streams:
            self._gone("")

    def update(self, request: egress.UpdateStreamRequest) -> None:
        """Stream to more servers, and to some no more. Raises `RpcError`, and then nothing has changed."""
        now = [url for url, info in self._listed() if info.status == ACTIVE]
        added, removed = changes(request, now, len(self._entry.streams))
        for each in added:
            self._entry.streams.append(each.url)
            info = self._entry.info.stream_results.add(url=redacted(each.url), id=each.name)
            if self._begun:
                self._connect(each.url, info)
        for url, info in self._listed():
            if url in removed:
                end(info)
        for task, stream in self._streams.items():
            if stream.url in removed:
                self._finish(task, stream)

    async def close(self) -> None:
        """Send what there is, and end all streams."""
        self._closed = True
        tasks = tuple(self._streams)
        for task, stream in tuple(self._streams.items()):
            self._finish(task, stream)
        if tasks:
            await asyncio.wait(tasks, timeout=2 * CLOSED_WITHIN)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _listed(self) -> list[tuple[str, egress.StreamInfo]]:
        return list(zip(self._entry.streams, self._entry.info.stream_results, strict=True))

    def _connect(self, url: str, info: egress.StreamInfo) -> None:
        stream = Livestream(url, info, lambda: [*self._head, *self._group], self._tell, self._closed_networks)
        task = asyncio.create_task(stream.run())
        self._streams[task] = stream
        task.add_done_callback(self._ended)

    def _finish(self, task: asyncio.Task[None], stream: Livestream) -> None:
        if stream.taking:
            stream.close()
        else:
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        stream = self._streams.pop(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a livestream broke", egress=self._entry.info.egress_id, exc_info=task.exception())
            end(stream.info, "internal error")
            self._tell()
        elif stream.info.error:
            log.warning("a livestream failed", egress=self._entry.info.egress_id, error=stream.info.error)
        if not self._streams and not self._closed:
            self._gone(stream.info.error)

    def _tell(self) -> None:
        if not self._closed:
            self._changed()

    def _cut(self, tag: Tag) -> None:
        self._loop.call_soon_threadsafe(self._spread, tag)

    def _spread(self, tag: Tag) -> None:
        self._pictures = self._pictures or tag.is_picture
        if tag.opens:
            self._head.append(tag)
        elif tag.is_whole and tag.is_picture == self._pictures:
            self._group = [tag]
        else:
            self._group.append(tag)
        for stream in self._streams.values():
            stream.put(tag)
