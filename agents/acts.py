"""What a persona can do besides talking: end the call, transfer the phone, press keys. The model calls these."""

import functools
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from livekit.agents import RunContext, llm
from livekit.agents.llm import function_tool

from agents.calling import Act, Listed
from agents.contract import EndReason
from agents.phone import KEYS
from guard.plain import one_line

MOST_ACTS: Final = 30
"""Of one job, transfers that were refused and searches that found nothing included."""


class Stage(Protocol):
    """The conversation, as far as acts reach into it."""

    def wind_up(self, reason: EndReason) -> None:
        """End the call once what is being said was heard, and a goodbye."""

    def end(self, reason: EndReason) -> None:
        """End the call at once."""

    def press(self, digits: str) -> bool:
        """Press keys of the telephone; False where there is none."""

    async def transfer(self, to: str) -> str | None:
        """Have the phone transferred; None where it was, else why not."""

    def hand_over(self, to: str) -> None:
        """Have a person called and asked to take the caller, who waits; what comes of it is said."""


def build_tools(acts: list[Act], stage: Stage) -> list[llm.Tool | llm.Toolset]:
    """The tools of a persona, for its model."""

    async def end_call() -> None:
        """End the call."""
        stage.wind_up("persona_ended")

    async def send_dtmf(digits: str) -> str:
        """Press keys of the telephone.

        Args:
            digits: Keys, of 0-9, *, #, A-D.
        """
        if not 0 < len(digits) <= 32 or set(digits) - set(KEYS):
            raise llm.ToolError("Keys are 0 to 9, *, # and A to D, at most 32 of them.")
        if not stage.press(digits):
            raise llm.ToolError("This is no telephone call: there are no keys.")
        return "The keys are being pressed."

    async def transfer_call(context: RunContext[None], to: str) -> str | None:
        """Transfer the call to another number.

        Args:
            to: One of the numbers that the call may be transferred to, or its name.
        """
        number = find_listed(to, numbers)
        if number is None:
            raise llm.ToolError(f"The call can be transferred to nobody else than {_told(numbers)}.")
        await context.wait_for_playout()
        if warm:
            stage.hand_over(number)
            return None
        problem = await stage.transfer(number)
        if problem is None:
            stage.end("transferred")
            return None
        return f"The call could not be transferred: {one_line(problem)}. It goes on."

    warm = any(act.warm for act in acts)
    numbers = [each for act in acts for each in act.numbers]
    known: dict[str, Callable[..., Awaitable[str | None]]] = {
        "end_call": end_call,
        "send_dtmf": send_dtmf,
        "transfer_call": transfer_call,
    }
    return [function_tool(known[act.name], name=act.name, description=_described(act)) for act in acts]


def bounded(tools: Sequence[llm.Tool | llm.Toolset], most: int = MOST_ACTS) -> list[llm.Tool | llm.Toolset]:
    """The tools, which work so many times, all together: whoever talks a model into more gets no more."""
    left = [most]

    def counted(tool: llm.Tool | llm.Toolset) -> llm.Tool | llm.Toolset:
        assert isinstance(tool, llm.FunctionTool), "one that is not counted"
        work: Callable[..., Awaitable[Any]] = tool

        @functools.wraps(work, updated=())
        async def working(*args: Any, **options: Any) -> Any:
            if left[0] <= 0:
                raise llm.ToolError("No more can be done in this call. Say so.")
            left[0] -= 1
            return await work(*args, **options)

        made: llm.Tool = type(tool)(working, tool.info)
        return made

    return [counted(tool) for tool in tools]


def find_listed(asked: str, numbers: list[Listed]) -> str | None:
    """The number on a list that a model means by a number, however it groups its digits, or by a name; None where it is
    not on it. The platform asks the same again."""
    words = " ".join(asked.split()).casefold()
    for each in numbers:
        if words and words == " ".join(each.name.split()).casefold():
            return each.number
    digits = re.sub(r"[\s().-]", "", asked.removeprefix("tel:"))
    return next((each.number for each in numbers if each.number == digits), None)


def _described(act: Act) -> str:
    return f"{act.description}. To: {_told(act.numbers)}" if act.numbers else act.description


def _told(numbers: list[Listed]) -> str:
    return ", ".join(f"{each.name} ({each.number})" if each.name else each.number for each in numbers)
