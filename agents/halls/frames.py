"""Sound of rooms in a process with many calls: each frame goes to the stream that waits for it, and to no other.

The SDK puts what its library says into the queue of everybody who could mean it: each frame of sound to every stream,
and each "your sound was taken" to every room. With n calls in a process that is n² work.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from agents.halls.fit import AudioStream, FfiClient, FfiQueue


class SortedQueue(FfiQueue[Any]):
    """Takes the place of the SDK's queue, before anybody has subscribed to that."""

    def __init__(self) -> None:
        super().__init__()
        self._routes: dict[int, tuple[Any, asyncio.AbstractEventLoop]] = {}

    def put(self, item: Any) -> None:
        """On the library's thread, for every event."""
        if item.HasField("audio_stream_event"):
            route = self._routes.get(item.audio_stream_event.stream_handle)
            if route is not None:
                queue, loop = route
                with suppress(RuntimeError):  # the process ends
                    loop.call_soon_threadsafe(queue.put_nowait, item)
                return
        super().put(item)

    def subscribe(
        self,
        loop: asyncio.AbstractEventLoop | None = None,
        filter_fn: Callable[[Any], bool] | None = None,
    ) -> Any:
        """As the SDK does, but that nobody who chooses gets what only those wait for who choose nothing."""
        if filter_fn is None:
            return super().subscribe(loop)
        chosen = filter_fn
        return super().subscribe(loop, lambda event: not event.HasField("capture_audio_frame") and chosen(event))

    def unsubscribe(self, queue: Any) -> None:
        """As the SDK does."""
        if any(route[0] is queue for route in self._routes.values()):
            self._routes = {handle: route for handle, route in self._routes.items() if route[0] is not queue}
        super().unsubscribe(queue)

    def route(self, handle: int, queue: Any, loop: asyncio.AbstractEventLoop) -> None:
        """What a stream says goes to this queue of the process's, and nothing else does."""
        self._routes = {**self._routes, handle: (queue, loop)}
        super().unsubscribe(queue)


def sort_frames() -> SortedQueue:
    """Have this process's sound sorted from now on. Once, and before anything is heard or joined."""
    queue = FfiClient.instance._queue = SortedQueue()
    for name in ("_create_owned_stream", "_create_owned_stream_from_participant"):
        setattr(AudioStream, name, _routed(getattr(AudioStream, name), queue))
    return queue


def _routed(create: Callable[..., Any], queue: SortedQueue) -> Callable[..., Any]:
    def made(self: Any, *args: Any, **named: Any) -> Any:
        stream = create(self, *args, **named)
        queue.route(stream.handle.id, self._ffi_queue, self._loop)
        return stream

    return made
