"""Listeners of the framework's events that cost a turn little."""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar


class Listener:
    """A callback for events that come several times a turn.

    Before each call the framework finds out what its callback takes, which for a method is more work than most
    callbacks do. Of a listener it is told at once.
    """

    __slots__ = ("_callback",)
    __signature__: ClassVar = inspect.Signature([inspect.Parameter("event", inspect.Parameter.POSITIONAL_ONLY)])

    def __init__(self, callback: Callable[[Any], None]) -> None:
        self._callback = callback

    def __call__(self, event: Any, /) -> None:
        """Pass it on."""
        self._callback(event)
