"""Typed lines are answered in the order in which they were begun."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from agents import typed
from agents.calling import Redaction, Resumed, Said
from agents.contract import AGAIN
from agents.typed import TypedLines, unanswered

pytestmark = pytest.mark.anyio

ANNA, BERT = "anna", "bert"


class Room:
    """Those who are in it, and the one who hears what is typed."""

    def __init__(self) -> None:
        self.remote_participants = {name: SimpleNamespace(identity=name) for name in (ANNA, BERT)}
        self.begin: Any = None

    def register_text_stream_handler(self, topic: str, handler: Any) -> None:
        assert topic == "lk.chat"
        self.begin = handler


class Line:
    """A line on its way, which comes when it is let."""

    def __init__(self, text: str, **attributes: str) -> None:
        self.text, self.whole = text, asyncio.Event()
        self.info = SimpleNamespace(attributes=attributes)

    async def read_all(self) -> str:
        await self.whole.wait()
        return self.text


class Broken(Line):
    """One that breaks off."""

    async def read_all(self) -> str:
        raise RuntimeError("the stream ended before its time")


class Listener:
    """What is answered."""

    def __init__(
        self, heard: str | None = ANNA, resumed: Resumed | None = None, redaction: Redaction | None = None
    ) -> None:
        self.answered: list[str] = []
        self.came = asyncio.Event()
        self.room = Room()
        linked = SimpleNamespace(identity=heard) if heard else None
        session = SimpleNamespace(room_io=SimpleNamespace(linked_participant=linked))
        known = unanswered(resumed)
        self.lines = TypedLines(self.room, session, self._answer, known, redaction)  # type: ignore[arg-type]

    async def _answer(self, text: str, who: Any) -> None:
        self.answered.append(f"{who.identity}: {text}")
        if text == "unanswerable":
            raise ValueError(text)
        if text == "last":
            self.came.set()

    async def hear(self, *lines: tuple[Line, str]) -> list[str]:
        """Answer these, of which the last comes whole first."""
        for line, identity in lines:
            self.room.begin(line, identity)
        task = asyncio.create_task(self.lines.run())
        for line, _ in reversed(lines):
            line.whole.set()
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await self.came.wait()
        task.cancel()
        return self.answered


async def test_lines_that_wait_are_answered_in_the_order_in_which_they_were_begun() -> None:
    lines = [(Line(text), ANNA) for text in ("first", "second", "third", "last")]
    assert await Listener().hear(*lines) == ["anna: first", "anna: second", "anna: third", "anna: last"]


async def test_a_line_that_breaks_off_or_cannot_be_answered_holds_up_no_other() -> None:
    lines = [(Broken("lost"), ANNA), (Line("unanswerable"), ANNA), (Line("last"), ANNA)]
    assert await Listener().hear(*lines) == ["anna: unanswerable", "anna: last"]


async def test_a_line_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed, "COMES_WITHIN", 0.01)
    listener, endless = Listener(), Line("endless")
    listener.room.begin(endless, ANNA)
    assert await listener.hear((Line("last"), ANNA)) == ["anna: last"]


@pytest.mark.parametrize(("heard", "answered"), [(ANNA, ["anna: last"]), (None, ["bert: hello", "anna: last"])])
async def test_only_whom_the_persona_speaks_with_is_answered(heard: str | None, answered: list[str]) -> None:
    lines = [(Line("hello"), BERT), (Line("boo"), "nobody"), (Line("  "), ANNA), (Line("last"), ANNA)]
    assert await Listener(heard).hear(*lines) == answered


async def test_more_lines_than_may_wait_are_dropped() -> None:
    listener = Listener()
    for number in range(typed.MOST_WAITING + 5):
        listener.room.begin(line := Line(str(number)), ANNA)
        line.whole.set()
    task = asyncio.create_task(listener.lines.run())
    async with asyncio.timeout(10):
        while len(listener.answered) < typed.MOST_WAITING:
            await asyncio.sleep(0)
    listener.room.begin(last := Line("last"), ANNA)
    last.whole.set()
    async with asyncio.timeout(10):
        await listener.came.wait()
    task.cancel()
    assert listener.answered[-2:] == [f"anna: {typed.MOST_WAITING - 1}", "anna: last"]


def once_more(text: str) -> Line:
    """A line whose sender has seen nobody begin to answer it."""
    return Line(text, **{AGAIN: "yes"})


async def test_a_line_that_a_lost_persona_never_heard_is_answered_by_the_next() -> None:
    said = [Said(by="person", text="hello"), Said(by="persona", text="Good morning.")]
    listener = Listener(resumed=Resumed(elapsed=1, said=said))
    assert await listener.hear((once_more("hello"), ANNA), (Line("last"), ANNA)) == ["anna: hello", "anna: last"]


async def test_a_line_that_comes_again_and_is_known_is_answered_once() -> None:
    said = [Said(by="person", text="before"), Said(by="persona", text="I", cut_off=True)]
    listener = Listener(resumed=Resumed(elapsed=1, said=said))
    lines = [once_more("before"), Line("now"), once_more("now"), Line("now"), Line("last")]
    assert await listener.hear(*((line, ANNA) for line in lines)) == ["anna: now", "anna: now", "anna: last"]


async def test_a_line_that_comes_again_is_known_by_what_redaction_left_of_it() -> None:
    said = [Said(by="person", text="call me at [phone]")]
    listener = Listener(resumed=Resumed(elapsed=1, said=said), redaction=Redaction())
    lines = [once_more("call me at +14155552671"), once_more("call me at home"), Line("last")]
    assert await listener.hear(*((line, ANNA) for line in lines)) == ["anna: call me at home", "anna: last"]
