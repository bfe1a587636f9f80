"""How long a model is waited for, by the wall clock: a line that is open and silent is as good as none.

The clients' own time-outs do not say so. They count from byte to byte, so that one byte every few seconds is waited for
without end, and some of them wait half a minute for the first.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import openai
from livekit.agents import APIConnectionError, APIConnectOptions, APIError, APIStatusError, APITimeoutError

T = TypeVar("T")

ONCE: Final = APIConnectOptions(max_retry=0, retry_interval=0.1, timeout=10.0)
"""Of the framework's own tries: who is asked next, a chain of models knows better."""
REQUESTS_OWN: Final = frozenset({400, 413, 422})
"""Statuses that tell of a request and not of who was asked."""


class WorthlessError(APIError):
    """It answered, and the answer is none. Its text is ours, and holds nothing of what was said."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds a model may take: to its first piece, from one to the next, and to the first where nobody else is left.

    Whoever is asked last is waited for longer: leaving it would leave the caller with nothing.
    """

    first: float
    between: float
    last: float

    def to_first(self, *, is_last: bool) -> float:
        """Seconds to the first piece."""
        return max(self.first, self.last) if is_last else self.first


def _always(_: object) -> bool:
    return True


async def bounded(
    pieces: AsyncIterator[T], *, first: float, between: float, counts: Callable[[T], bool] = _always
) -> AsyncGenerator[T, None]:
    """Pieces as they come; raises `APITimeoutError` where one that counts is late. What reads them costs no time."""
    clock = asyncio.get_running_loop().time
    due = clock() + first
    while True:
        try:
            async with asyncio.timeout_at(due):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise APITimeoutError("it did not answer in time") from error
        yield piece
        if counts(piece):
            due = clock() + between


def is_its_fault(error: BaseException) -> bool:
    """Whether an error tells of the model, and not of what it was asked: other calls are to know of those alone."""
    if isinstance(error, APIStatusError):
        return error.status_code not in REQUESTS_OWN
    return isinstance(error, APIConnectionError | OSError)  # both have time-outs among them


def was_silent(error: BaseException) -> bool:
    """Whether a model did not answer at all, which costs its callers the most."""
    return isinstance(error, APITimeoutError | TimeoutError)


def reason_of(error: Any) -> str:
    """Why, in words that hold nothing of a request or an answer."""
    match error:
        case APITimeoutError() | openai.APITimeoutError() | TimeoutError():
            return "it did not answer in time"
        case APIStatusError() | openai.APIStatusError():
            return f"it answered with the status {error.status_code}"
        case APIConnectionError() | openai.APIConnectionError() | OSError():
            return "it cannot be reached"
        case WorthlessError():
            return str(error.message)
    return type(error).__name__
