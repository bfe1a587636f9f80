"""What a call tells besides words: tools with what came of them, faults, words with their times."""

import pytest
from livekit.agents import APIConnectionError, APIStatusError, APITimeoutError
from livekit.agents.llm import FunctionCall, FunctionCallOutput
from livekit.agents.llm.llm import LLMError
from livekit.agents.types import TimedString
from livekit.agents.voice.events import ErrorEvent, FunctionToolsExecutedEvent
from livekit.rtc import EventEmitter

from agents.contract import REPORT, Report
from agents.happenings import MOST_FAULTS, Happenings, reason_of
from agents.noted import LONGEST_NOTE, FaultSeen, ToolUsed
from agents.persona import Persona
from agents.timing import PARTS
from agents.transcript import words_from
from tests.support.jobs import persona_job

JOB = persona_job()


class Told:
    """A reporter that keeps what it is told, as it would come out of the wire."""

    def __init__(self) -> None:
        self.reports: list[Report] = []

    def report(self, report: Report) -> None:
        self.reports.append(REPORT.validate_json(report.model_dump_json()))


class Call:
    """A session that tells, a persona, and what is heard of them."""

    def __init__(self) -> None:
        self.session: EventEmitter[str] = EventEmitter()
        self.persona, self.told = Persona(JOB, None, []), Told()
        Happenings(self.session, self.persona, self.told)  # type: ignore[arg-type]

    def uses(self, name: str, output: str, *, at: float, seconds: float, failed: bool = False) -> None:
        call = FunctionCall(call_id="1", name=name, arguments='{"query": "tyres"}', created_at=at)
        came = FunctionCallOutput(call_id="1", name=name, output=output, is_error=failed, created_at=at + seconds)
        event = FunctionToolsExecutedEvent(function_calls=[call], function_call_outputs=[came])
        self.session.emit("function_tools_executed", event)


def test_a_tool_is_told_with_what_it_was_given_and_what_came_of_it() -> None:
    call = Call()
    call.uses("web_search", "According to example.org: 30 euros", at=1000.0, seconds=0.25)
    call.uses("transfer_call", "x" * 9000, at=1001.0, seconds=1.0, failed=True)
    first, second = call.told.reports
    assert isinstance(first, ToolUsed)
    assert isinstance(second, ToolUsed)
    assert (first.name, first.arguments, first.failed) == ("web_search", '{"query": "tyres"}', False)
    assert (first.result, first.ms, first.began_at.timestamp()) == ("According to example.org: 30 euros", 250.0, 1000)
    assert (second.failed, len(second.result)) == (True, LONGEST_NOTE)


def test_an_answer_that_waits_for_tools_says_how_long() -> None:
    call = Call()
    marks = call.persona.marks
    marks.speech_ended, marks.transcribed, marks.committed = 1000.0, 1000.2, 1000.3
    call.uses("web_search", "", at=1000.5, seconds=1.0)
    call.uses("web_search", "", at=1000.7, seconds=1.0)  # at the same time as the other
    marks.first_token, marks.first_frame = 1002.0, 1002.1
    measured = marks.measure(1002.15)
    assert measured.tools_ms == pytest.approx(1200)
    assert measured.model_ms == pytest.approx(500)
    assert sum(getattr(measured, part) or 0 for part in PARTS) == pytest.approx(2150, abs=1)


def test_faults_are_told_without_what_was_asked_and_not_for_ever() -> None:
    call = Call()
    secret = APIStatusError("the key sk_123 is wrong", status_code=401, body={"key": "sk_123"})
    error = LLMError(timestamp=1.0, label="openai.LLM", error=secret, recoverable=True)
    for _ in range(MOST_FAULTS + 10):
        call.session.emit("error", ErrorEvent(error=error, source=None))
    call.persona.on_fault("it did not answer in time")
    assert len(call.told.reports) == MOST_FAULTS
    first = call.told.reports[0]
    assert isinstance(first, FaultSeen)
    assert (first.service, first.source, first.recovered) == ("llm", "openai.LLM", True)
    assert first.reason == "it answered with the status 401"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (APITimeoutError(), "it did not answer in time"),
        (APIConnectionError(), "it cannot be reached"),
        (ConnectionRefusedError("10.0.0.1"), "it cannot be reached"),
        (ValueError("what was said"), "ValueError"),
    ],
)
def test_a_reason_holds_nothing_of_a_request(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


def test_words_keep_their_distances_and_begin_with_the_phrase() -> None:
    timed = [
        TimedString("When", start_time=70.0, end_time=70.2),
        TimedString(" do", start_time=70.25, end_time=70.3),
        TimedString(" ", start_time=70.3, end_time=70.3),
        TimedString(" you", start_time=70.4, end_time=70.35),
    ]
    words = [(word.text, word.start_ms, word.end_ms) for word in words_from(timed, 5000)]
    assert words == [("When", 5000, 5200), ("do", 5250, 5300), ("you", 5400, 5400)]
    assert words_from([*timed, TimedString("open")], 5000) == []
    assert words_from([], 5000) == []
