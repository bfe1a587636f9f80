"""A person who was called asks not to be called again: that is told, once, and the persona ends."""

from types import SimpleNamespace

import pytest
from livekit.rtc import EventEmitter

from agents.calling import PersonaJob
from agents.contract import LineSpoken, OptedOut, Report
from agents.persona import Persona
from agents.transcript import Transcript
from tests.support.jobs import persona_job

pytestmark = pytest.mark.anyio

PHONE = "sip_+17751234567"
CALLED = persona_job().model_copy(update={"phone": PHONE, "called": True})


class Call:
    """What is told of the lines of a call, and how often it was ended."""

    def __init__(self, job: PersonaJob = CALLED, speaker: str = PHONE) -> None:
        self.reports: list[Report] = []
        self.ended = 0
        session: EventEmitter[str] = EventEmitter()
        session.room_io = SimpleNamespace(  # type: ignore[attr-defined]
            linked_participant=SimpleNamespace(identity=speaker, name="")
        )
        teller = SimpleNamespace(report=self.reports.append)
        self.transcript = Transcript(job, session, Persona(job, None, []), teller, self.end)  # type: ignore[arg-type]

    def end(self) -> None:
        self.ended += 1

    def hears(self, *lines: str, is_final: bool = True) -> None:
        for text in lines:
            event = SimpleNamespace(transcript=text, is_final=is_final, created_at=1000.0)
            self.transcript.transcribed(event)  # type: ignore[arg-type]

    @property
    def told(self) -> list[type[Report]]:
        return [type(each) for each in self.reports if isinstance(each, OptedOut | LineSpoken)]


async def test_it_is_told_after_the_line_and_the_call_ends_once() -> None:
    call = Call()
    call.hears("Hello?", "Please stop calling me.", "Stop calling me!")
    assert call.told == [LineSpoken, LineSpoken, OptedOut, LineSpoken]
    assert call.ended == 1


async def test_words_that_come_in_two_lines_are_heard_together() -> None:
    call = Call()
    call.hears("Please do not call", "me again.")
    assert call.ended == 1


async def test_words_that_are_not_final_tell_nothing() -> None:
    call = Call()
    call.hears("Please stop calling me", is_final=False)
    assert (call.told, call.ended) == ([], 0)


@pytest.mark.parametrize(
    ("key", "keys", "opts_out"),
    [
        ("9", "9", True),
        ("9", "99", True),
        ("9", "19", False),
        ("9", "92", False),
        ("9", "1", False),
        ("*", "*", True),
        ("*", "9", False),
        ("", "9", False),
        ("", "", False),
        ("9", "", False),
    ],
)
async def test_one_key_alone_says_it_as_well(key: str, keys: str, opts_out: bool) -> None:
    call = Call(CALLED.model_copy(update={"opt_out_key": key}))
    assert call.transcript.opts_out(keys) is opts_out
    assert [each.by for each in call.reports if isinstance(each, OptedOut)] == ["key"] * opts_out
    assert (call.ended, call.transcript.wish) == ((1, "opted_out") if opts_out else (0, None))


async def test_a_key_after_the_words_says_nothing_new_and_nobody_who_called_opts_out_by_it() -> None:
    call = Call(CALLED.model_copy(update={"opt_out_key": "9"}))
    call.hears("Please stop calling me.")
    assert call.transcript.opts_out("9")
    assert (call.told, call.ended) == ([LineSpoken, OptedOut], 1)
    inbound = Call(CALLED.model_copy(update={"opt_out_key": "9", "called": False}))
    assert not inbound.transcript.opts_out("9")


@pytest.mark.parametrize(
    ("job", "speaker"),
    [
        (CALLED.model_copy(update={"called": False}), PHONE),
        (CALLED, "somebody-else"),
    ],
)
async def test_it_is_the_person_who_was_called_that_is_heeded(job: PersonaJob, speaker: str) -> None:
    call = Call(job, speaker)
    call.hears("Please stop calling me.")
    assert (call.told, call.ended) == ([LineSpoken], 0)
