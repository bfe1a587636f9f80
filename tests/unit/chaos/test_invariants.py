"""The rules of a chaos run see what is wrong, and nothing where all is well."""

from typing import Any

import pytest

from tests.chaos.callers import Call, Said, Told
from tests.chaos.invariants import (
    Faults,
    Row,
    Violation,
    judge_call,
    judge_events,
    judge_lines,
    judge_session,
    judge_webhooks,
)
from tests.chaos.plan import Fault
from tests.chaos.trouble import Done

BEGAN = 1_000.0
ONE, TWO = "a.1 line 1 try 1", "a.1 line 2 try 1"


def call() -> Call:
    """Two lines were said and answered, ten and twenty seconds after the call began."""
    made = Call("a.1", "proj_room", BEGAN, BEGAN + 60, "hung up")
    made.said = [Said(ONE, BEGAN + 10, BEGAN + 11), Said(TWO, BEGAN + 20, BEGAN + 21)]
    made.told = [Told(7, ONE, BEGAN + 11, whole=True), Told(9, TWO, BEGAN + 21, whole=True)]
    return made


def rows() -> list[Row]:
    """The transcript of that call."""
    return [
        Row(1, "user", ONE),
        Row(1, "agent", f"Answer 7 to: {ONE}"),
        Row(1, "agent", "I am sorry, I was gone for a moment."),
        Row(1, "user", TWO),
        Row(1, "agent", f"Answer 9 to: {TWO}"),
    ]


def faults(*given: tuple[str, str, float, float]) -> Faults:
    """Faults by kind, part, and seconds from when to when of the call."""
    return Faults(
        [
            Done(Fault(number, begin, kind, part, end - begin, 0), BEGAN + begin, BEGAN + end)
            for number, (kind, part, begin, end) in enumerate(given)
        ]
    )


def session(**changes: Any) -> dict[str, Any]:
    """A session of that call, which ended well."""
    made = {"id": 1, "room_name": "proj_room", "status": "completed", "outcome": "ok", "end_reason": "caller_left"}
    return made | {"started": BEGAN, "ended": BEGAN + 60, "lost": [], "jobs": 1} | changes


def rules(found: list[Violation]) -> set[str]:
    return {each.rule for each in found}


def test_a_transcript_as_it_was_said_breaks_no_rule() -> None:
    assert judge_lines(call(), rows(), faults()) == []


@pytest.mark.parametrize("place", [0, 1, 3, 4])
def test_a_line_that_is_not_there_is_missed(place: int) -> None:
    kept = [row for at, row in enumerate(rows()) if at != place]
    assert rules(judge_lines(call(), kept, faults())) == {"no line lost"}


def test_of_an_answer_that_was_cut_off_the_beginning_is_there() -> None:
    kept = rows()
    kept[-1] = Row(1, "agent", "Answer 9 to:")
    assert judge_lines(call(), kept, faults()) == []


@pytest.mark.parametrize("place", [0, 1, 3, 4])
def test_a_line_that_is_there_twice_is_seen(place: int) -> None:
    given = rows()
    found = judge_lines(call(), [*given[: place + 1], given[place], *given[place + 1 :]], faults())
    assert "no line twice" in rules(found)


@pytest.mark.parametrize(("one", "other"), [(0, 3), (1, 4), (0, 1)])
def test_lines_in_another_order_are_seen(one: int, other: int) -> None:
    given = rows()
    given[one], given[other] = given[other], given[one]
    assert rules(judge_lines(call(), given, faults())) == {"lines in order"}


def test_a_line_that_nobody_said_is_seen() -> None:
    found = judge_lines(call(), [*rows(), Row(1, "user", "b.1 line 1 try 1")], faults())
    assert rules(found) == {"nothing is there that nobody said"}


def test_what_was_said_as_its_persona_died_may_be_lost_and_nothing_else() -> None:
    without_the_last = rows()[:3]
    assert judge_lines(call(), without_the_last, faults(("kill", "persona", 20.5, 20.5))) == []
    assert judge_lines(call(), without_the_last, faults(("kill", "livekit", 20.5, 20.5))) != []
    assert judge_lines(call(), without_the_last, faults(("kill", "persona", 40, 40))) != []


def test_a_room_is_left_only_where_it_was_cut() -> None:
    left = call()
    left.how = "room left: ROOM_DELETED"
    assert rules(judge_call(left, faults(("freeze", "postgres", 10, 30)))) == {"calls survive"}
    assert judge_call(left, faults(("kill", "livekit", 30, 30))) == []


def test_a_caller_who_sits_on_in_a_room_that_is_over_is_seen() -> None:
    assert judge_call(call(), faults(), over=BEGAN + 30) == []
    assert rules(judge_call(call(), faults(), over=BEGAN - 60)) == {"nobody is left alone"}


def test_two_answers_to_one_line_are_two_personas() -> None:
    doubled = call()
    doubled.told.append(Told(8, ONE, BEGAN + 12, whole=True))
    assert rules(judge_call(doubled, faults(("kill", "control_plane", 10, 10)))) == {"one persona"}
    assert judge_call(doubled, faults(("kill", "worker", 10, 10))) == []


@pytest.mark.parametrize(
    ("changes", "given", "rule"),
    [
        ({}, [], None),
        ({"status": "active", "outcome": None}, [], "every session ends"),
        ({"outcome": "failed", "end_reason": "worker_lost"}, [("kill", "postgres", 10, 10)], "an allowed ending"),
        ({"outcome": "failed", "end_reason": "worker_lost"}, [("kill", "worker", 10, 10)], None),
        ({"end_reason": "room_closed"}, [("kill", "livekit", 10, 10)], None),
        ({"outcome": "failed", "end_reason": "model_failed"}, [("kill", "jobs", 10, 10)], "an allowed ending"),
        ({"outcome": "failed", "end_reason": "model_failed"}, [("away", "models", 10, 20)], None),
        ({"outcome": "abandoned", "end_reason": "nobody_came"}, [], "an allowed ending"),
        ({"lost": [BEGAN + 20], "jobs": 2}, [("kill", "persona", 18, 18)], None),
        ({"lost": [BEGAN + 20], "jobs": 2}, [("freeze", "postgres", 5, 18)], "calls survive"),
    ],
)
def test_a_session_ends_as_its_faults_allow(
    changes: dict[str, Any], given: list[tuple[str, str, float, float]], rule: str | None
) -> None:
    assert rules(judge_session(session(**changes), call(), faults(*given))) == ({rule} if rule else set())


def event(seq: int | None, kind: str = "session.started", **data: Any) -> dict[str, Any]:
    return {"id": 100 + (seq or 0), "seq": seq, "type": kind, "room_name": "proj_room", "data": data}


def test_a_log_with_a_gap_a_repeat_or_an_unstamped_event_is_seen() -> None:
    assert judge_events([event(5, session_id=1), event(6, session_id=2)]) == []
    assert rules(judge_events([event(5, session_id=1), event(7, session_id=2)])) == {"the log has no gap"}
    assert rules(judge_events([event(5, session_id=1), event(None, session_id=2)])) == {"the log has no gap"}
    assert rules(judge_events([event(5, session_id=1), event(6, session_id=1)])) == {"each fact once"}


def test_a_webhook_that_did_not_come_is_seen() -> None:
    events = [event(5, session_id=1), event(6, "transcript.line")]
    sent = [{"event_seq": 5, "state": "delivered", "attempts": 2}]
    assert judge_webhooks(events, sent, [("5", b"{}"), ("5", b"{}")]) == []
    for deliveries, received in (([], []), (sent, []), (sent, [("5", b"{}"), ("5", b"[]")])):
        assert rules(judge_webhooks(events, deliveries, received)) == {"every webhook arrives"}
    waits = [{"event_seq": 5, "state": "waiting", "attempts": 1}]
    assert rules(judge_webhooks(events, waits, [])) == {"every webhook arrives"}
