"""What the persona is saying is shown while it says it; what nobody heard of it is taken away again."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from livekit.agents import ModelSettings
from livekit.agents.llm import ChatMessage
from livekit.rtc import EventEmitter

from agents.contract import LineInterim, LineSpoken, Report
from agents.persona import Persona
from agents.transcript import Transcript
from tests.support.jobs import persona_job

pytestmark = pytest.mark.anyio

JOB = persona_job()


class Call:
    """A persona, and what is told of its lines."""

    def __init__(self) -> None:
        self.session: EventEmitter[str] = EventEmitter()
        self.reports: list[Report] = []
        self.persona = Persona(JOB, None, [])
        teller = SimpleNamespace(report=self.reports.append)
        self.transcript = Transcript(JOB, self.session, self.persona, teller)  # type: ignore[arg-type]

    async def says(self, *pieces: str) -> str:
        async def answer() -> AsyncIterator[str]:
            for piece in pieces:
                yield piece

        return "".join([str(piece) async for piece in self.persona.transcription_node(answer(), ModelSettings())])

    def is_heard(self, text: str) -> None:
        message = ChatMessage(role="assistant", content=[text])
        event = SimpleNamespace(item=message, created_at=message.created_at)
        self.transcript.added(event)  # type: ignore[arg-type]

    def listens(self) -> None:
        self.session.emit("agent_state_changed", SimpleNamespace(old_state="speaking", new_state="listening"))

    @property
    def shown(self) -> list[tuple[bool, str]]:
        """Whether it was final, and the words."""
        lines = [each for each in self.reports if isinstance(each, LineInterim | LineSpoken)]
        return [(isinstance(each, LineSpoken), each.text) for each in lines]


async def test_an_answer_is_shown_as_it_begins_and_whole_before_it_has_been_heard() -> None:
    call = Call()
    said = await call.says("Every repair ", "has a warranty ", "of six months.")
    assert said == "Every repair has a warranty of six months."
    assert call.shown[0] == (False, "Every repair")
    assert call.shown[-1] == (False, said)
    call.is_heard(said)
    call.listens()
    assert call.shown[-1] == (True, said)
    first, *_, last = (each for each in call.reports if isinstance(each, LineInterim))
    assert first.timestamp_ms == last.timestamp_ms, "it is one line"


async def test_many_pieces_at_once_are_few_messages() -> None:
    call = Call()
    await call.says(*("word " for _ in range(1000)))
    assert len(call.shown) < 20


async def test_what_was_cut_off_before_its_first_sound_is_taken_away() -> None:
    call = Call()
    await call.says("I will look it up.")
    call.listens()
    assert call.shown[-1] == (False, "")
    call.listens()
    assert len(call.shown) == 2, "it was taken away once"


async def test_an_answer_without_words_shows_nothing() -> None:
    call = Call()
    await call.says(" ")
    call.listens()
    assert call.shown == []
