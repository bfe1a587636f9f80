"""What is searched when somebody asks."""

import pytest

from agents.persona import with_context

BEFORE = "When does the workshop open?"


@pytest.mark.parametrize("question", ["And on Sundays?", "what about holidays", "Is it open now?", "So how much?"])
def test_a_follow_up_is_searched_with_the_question_before_it(question: str) -> None:
    assert with_context(question, BEFORE) == f"{BEFORE} {question}"


@pytest.mark.parametrize(
    "question",
    [
        "What does parking cost?",
        "Is there a garage?",
        "Android phones are repaired where?",
        "And could you please tell me what a new front tyre for a city bicycle costs?",
    ],
)
def test_a_question_that_says_what_it_is_about_is_searched_alone(question: str) -> None:
    assert with_context(question, BEFORE) == question


def test_the_first_question_has_no_context() -> None:
    assert with_context("And on Sundays?", "") == "And on Sundays?"
