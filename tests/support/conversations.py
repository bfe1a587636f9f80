"""Conversations with a persona, as tests follow them."""

from collections.abc import Callable

from parley.demo.conversation import Answered
from parley.demo.script import Question


class Watch:
    """Sees the conversation as it happens; `then` is called after each answer, with how many there were."""

    def __init__(self, then: Callable[[int], None] = lambda count: None) -> None:
        self.count, self.then, self.room = 0, then, ""

    def calling(self, room: str) -> None:
        self.room = room

    def greeted(self, text: str, seconds: float) -> None: ...

    def asking(self, question: Question) -> None: ...

    def answered(self, turn: Answered) -> None:
        self.count += 1
        self.then(self.count)

    def failed(self, reason: str) -> None: ...
