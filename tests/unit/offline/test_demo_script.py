"""The demo's script and company fit together, and the offline models know neither."""

import re
from importlib import resources

import parley.offline
from parley.demo.conversation import Answered, Outcome
from parley.demo.script import Question, load_questions
from parley.offline.words import stem, tokens

COMPANY = (resources.files("parley.demo") / "company.md").read_text(encoding="utf-8")


def test_every_expected_word_stands_in_the_knowledge_and_one_question_is_not_answered_there() -> None:
    known = {stem(word) for word in tokens(COMPANY)}
    answered = [question for question in load_questions() if not question.refused]

    assert len(answered) >= 3
    assert any(question.refused for question in load_questions())
    for question in answered:
        assert {stem(word) for word in question.expect} <= known


def test_a_longer_conversation_repeats_the_questions() -> None:
    few = load_questions()

    assert [question.ask for question in load_questions(len(few) + 1)][-1] == few[0].ask


def test_an_answer_is_right_when_every_expected_word_was_heard() -> None:
    question = Question(ask="How long?", expect=["six", "months"])

    assert question.is_answered_by("the warranty is six months")
    assert not question.is_answered_by("the warranty is sixty months")


def test_the_conversation_succeeds_only_if_everything_was_right() -> None:
    question = Question(ask="How long?", expect=["six"])
    right, wrong = (Answered(question, "heard", verdict, 0.5) for verdict in (True, False))

    assert Outcome(turns=[right, right]).succeeded
    assert not Outcome(turns=[right, wrong]).succeeded
    assert not Outcome(turns=[right], failure="The room was left.").succeeded
    assert not Outcome().succeeded


def test_no_sentence_of_the_demo_is_in_the_models_source() -> None:
    source = "".join(
        file.read_text(encoding="utf-8")
        for file in resources.files(parley.offline).iterdir()
        if file.name.endswith(".py")
    )
    said = [sentence for sentence in re.split(r"[.\n]", COMPANY) if len(sentence) > 20]
    asked = [question.ask for question in load_questions()]

    assert said
    assert not [sentence for sentence in [*said, *asked] if sentence.strip().lower() in source.lower()]
