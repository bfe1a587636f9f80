"""What people read of an answer is what they hear of it, and what the transcript keeps."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from livekit.agents.voice import io

from agents.captions import Captions
from agents.contract import LineSpoken
from tests.support.scripted import Fault, Person, ScriptedLLM, ScriptedSTT, ScriptedTTS
from tests.support.virtual import run_virtually
from tests.support.virtual_calls import at, chained, our_call

LINES = ["what does the garage cost for a day", "when do you open on sundays"]
ANSWERS = ["The garage costs twelve euros. You may leave it at any time.", "We open at nine."]
ENDS = 3.0
"""Seconds at which the first line ends."""


class Page(io.TextOutput):
    """What somebody reads, line by line, and when its words came, in seconds of the loop; the first words of the first
    line are never taken where it `hangs`."""

    def __init__(self, *, hangs: bool = False) -> None:
        super().__init__(label="page", next_in_chain=None)
        self._hangs = hangs
        self.lines: list[str] = []
        self.times: list[float] = []
        self._line = ""

    async def capture_text(self, text: str) -> None:
        hangs, self._hangs = self._hangs, False
        await asyncio.sleep(1e6 if hangs else 0.01)  # the network
        self._line += text
        self.times.append(asyncio.get_running_loop().time())

    def flush(self) -> None:
        self.lines.append(self._line)
        self._line = ""


def play(
    folder: Path, lines: list[tuple[float, float, int]], llm: Any, voice: Any, *, hangs: bool = False
) -> tuple[Page, list[str], Any]:
    """What was read, what was written down of the persona, and the room."""

    async def run() -> tuple[Page, list[str], Any]:
        def make(tell: Any) -> Any:
            return chained([llm], [voice], [ScriptedSTT(lines=LINES)], tell)

        async with our_call(make, Person(lines, 24), folder) as call:
            page = Page(hangs=hangs)
            call.session.output.transcription = Captions(call.session.output.audio, page)
            await at(22)
        return page, [each.text for each in call.told.of(LineSpoken) if each.speaker == "agent"], call.room

    return run_virtually(run())


@pytest.mark.parametrize("voice_after", [0.1, 1.6])
def test_whenever_somebody_interrupts_what_was_read_is_written_down(voice_after: float, tmp_path: Path) -> None:
    answers = set()
    for step in range(40):
        begin = round(ENDS + 0.2 + step * 0.1, 2)
        lines = [(1.0, 2.0, 1), (begin, 1.5, 2)]
        page, written, _ = play(tmp_path, lines, ScriptedLLM(answer=ANSWERS), ScriptedTTS(first=voice_after))
        for read, kept in zip(page.lines, written, strict=True):
            assert read, f"an empty line, interrupted at {begin}"
            assert kept.startswith(read), f"interrupted at {begin}"
        answers.add(len(written))
    assert answers == {1, 2}, "some answers were cut off before they were heard, and some after"


def test_nothing_is_read_before_it_is_heard(tmp_path: Path) -> None:
    page, written, room = play(tmp_path, [(1.0, 2.0, 1)], ScriptedLLM(answer=ANSWERS), ScriptedTTS(first=1.0))
    assert page.lines == written == [ANSWERS[0]]
    assert room.first_after(ENDS) <= page.times[0] <= room.first_after(ENDS) + 0.02


def test_words_run_ahead_of_a_voice_that_has_begun(tmp_path: Path) -> None:
    page, written, room = play(tmp_path, [(1.0, 2.0, 1)], ScriptedLLM(answer=ANSWERS, each=0.2), ScriptedTTS())
    assert page.lines == written == [ANSWERS[0]]
    assert len(page.times) > 2, "they came as they were thought of"
    assert page.times[-1] < room.heard[-1].end - 1


@pytest.mark.parametrize("fault", ["error", "hang", "empty"])
def test_an_answer_whose_voice_fails_is_not_read(fault: Fault, tmp_path: Path) -> None:
    page, written, _ = play(tmp_path, [(1.0, 2.0, 1)], ScriptedLLM(answer=ANSWERS), ScriptedTTS(fault=fault))
    assert page.lines == written


def test_words_that_a_room_never_takes_hold_up_no_others(tmp_path: Path) -> None:
    lines = [(1.0, 2.0, 1), (12.0, 1.5, 2)]
    page, written, _ = play(tmp_path, lines, ScriptedLLM(answer=ANSWERS), ScriptedTTS(first=1.0), hangs=True)
    assert page.lines[-1:] == written[-1:] == [ANSWERS[1]]
