"""What a recording needs of the service it belongs to."""

from collections.abc import Coroutine
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Protocol

from pocket.recorder.journal import Entry
from pocket.recorder.reports import Reports
from pocket.recorder.settings import Settings
from pocket.rooms.native import NativeAudio

if TYPE_CHECKING:
    from pocket.recorder.recording import Recording


class House(Protocol):
    """The service."""

    settings: Settings
    native: NativeAudio
    reports: Reports
    workers: Executor

    def forget(self, recording: "Recording") -> None:
        """The recording is over."""

    def conclude(self, entry: Entry) -> None:
        """Tell the last state of a recording, and forget it, or try again to store its file."""

    def own(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that outlives its caller."""

    def has_space(self) -> bool:
        """Whether there is room on the disk to finish what is under way."""
