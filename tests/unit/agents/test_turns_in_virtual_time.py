"""What the platform itself costs a turn: the same models and the same person, with the bare session and with ours."""

from pathlib import Path

import pytest

from agents.retrieval import LIMIT
from tests.support.turns import Knowledge, Line, Models, Played, lines_of, play_bare, play_ours, play_whole

LEAST = 0.6
"""Seconds of the models: 200 ms to recognise, 300 to answer, 100 to speak."""
TURNS = 12
BARGE_IN_WITHIN = 0.06
ONE_LINE: list[Line] = [(1.0, 2.0, 1)]


def added(ours: Played, bare: Played) -> list[float]:
    """Seconds that each turn of ours takes longer."""
    return [round(our - their, 6) for our, their in zip(ours.answered, bare.answered, strict=False)]


@pytest.fixture(scope="module")
def bare() -> Played:
    return play_bare(lines_of(50))


@pytest.fixture(scope="module")
def short() -> Played:
    return play_bare(lines_of(TURNS))


def test_the_platform_adds_nothing_to_fifty_turns(bare: Played, tmp_path: Path) -> None:
    ours = play_ours(lines_of(50), tmp_path)
    assert len(bare.answered) == 50
    assert max(bare.answered) < 1.5, "the models take 0.6 s, the end of the turn 0.2"
    assert added(ours, bare) == [0.0] * 50


def test_a_whole_conversation_is_heard_as_the_bare_session_is(short: Played, tmp_path: Path) -> None:
    ours = play_whole(lines_of(TURNS), tmp_path)
    assert added(ours, short) == [0.0] * TURNS
    assert ours.heard == short.heard, "each answer begins and is cut off at the same moments"


def test_an_answer_is_thought_of_before_the_turn_is_over_and_only_once(short: Played, tmp_path: Path) -> None:
    ours = play_whole(lines_of(TURNS), tmp_path)
    assert ours.asked == short.asked
    assert ours.asked == TURNS
    assert min(ours.answered) < LEAST + 0.1, "the pause that ends a turn is over while the answer is thought of"


def test_the_first_sentence_is_heard_while_the_rest_is_thought_of(tmp_path: Path) -> None:
    word = 0.1
    their = play_bare(ONE_LINE, Models.usual(each=word))
    ours = play_whole(ONE_LINE, tmp_path, Models.usual(each=word))
    assert ours.heard == their.heard
    assert ours.answered[0] < LEAST + 11 * word, "it has twelve words"


@pytest.mark.parametrize("after", [0.0, 0.15, 0.35])
def test_knowledge_costs_a_turn_no_more_than_its_own_time(after: float, bare: Played, tmp_path: Path) -> None:
    ours = play_ours(lines_of(12), tmp_path, knowledge=Knowledge(after))
    assert all(late <= after + 1e-6 for late in added(ours, bare))


@pytest.mark.parametrize(("after", "costs"), [(0.15, 0.0), (0.35, 0.15)])
def test_knowledge_costs_nothing_for_as_long_as_recognition_makes_sure(
    after: float, costs: float, short: Played, tmp_path: Path
) -> None:
    ours = play_whole(lines_of(TURNS), tmp_path, Models.usual(guesses=True), Knowledge(after))
    assert all(late <= costs + 1e-6 for late in added(ours, short))


def test_knowledge_that_hangs_costs_no_turn_anything(bare: Played, tmp_path: Path) -> None:
    ours = play_ours(lines_of(12), tmp_path, knowledge=Knowledge(None))
    assert added(ours, bare) == [0.0] * 12


def test_a_main_process_that_freezes_in_mid_call_costs_no_turn_anything(short: Played, tmp_path: Path) -> None:
    lines = lines_of(TURNS)
    ours = play_whole(lines, tmp_path, stuck=lines[4][0] + 1.1)
    assert added(ours, short) == [0.0] * TURNS
    assert ours.heard == short.heard


@pytest.mark.parametrize(("moment", "costs"), [(0.0, 0.0), (1.1, LIMIT), (2.4, 0.0)])
def test_a_database_that_freezes_in_mid_call_costs_at_most_the_turn_whose_last_words_are_looked_up(
    moment: float, costs: float, short: Played, tmp_path: Path
) -> None:
    lines = lines_of(TURNS)
    frozen = lines[4][0] + moment
    ours = play_whole(lines, tmp_path, knowledge=Knowledge(0.0, frozen=frozen), stuck=frozen)
    late = added(ours, short)
    assert late.pop(4) <= costs + 1e-6
    assert late == [0.0] * (TURNS - 1)


@pytest.mark.parametrize("least", [0.05, 0.25, 0.5])
def test_the_persona_falls_silent_as_soon_as_speech_is_long_enough_to_interrupt(least: float, tmp_path: Path) -> None:
    begins = 4.6
    lines: list[Line] = [*ONE_LINE, (begins, 2.0, 2)]
    turns = {"detection": "vad", "vad_min_silence": 0.1, "interruption_min_duration": least}
    their = play_bare(lines, turn_taking=turns)
    ours = play_whole(lines, tmp_path, turn_taking=turns)
    silent = next(end for begin, end in ours.heard if begin < begins < end)
    assert 0 <= round(silent - begins - least, 6) <= BARGE_IN_WITHIN
    assert ours.heard == their.heard
