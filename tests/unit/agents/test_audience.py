"""Who hears whom: what must hold of the matrix, whatever else changes in it."""

import json
from pathlib import Path

import pytest

from agents.audience import MODES, PARTIES, REACHES, Mode, hears, is_voice, may_speak, place_of, voice_of

PICTURES = Path(__file__).parents[3] / "web/src/live/matrix.json"


@pytest.mark.parametrize("mode", MODES)
def test_the_supervisor_and_the_persona_hear_the_caller_in_every_mode(mode: Mode) -> None:
    assert REACHES[mode]["caller"] == {"persona", "supervisor"}


@pytest.mark.parametrize("mode", MODES)
def test_nobody_hears_themselves(mode: Mode) -> None:
    assert not any(hears(mode, party, party) for party in PARTIES)


def test_a_caller_hears_a_supervisor_who_speaks_in_the_call_alone() -> None:
    assert [mode for mode in MODES if hears(mode, "caller", "supervisor")] == ["barge", "takeover"]
    assert [place_of(mode) for mode in MODES] == ["nowhere", "aside", "call", "call"]


def test_the_persona_is_silent_in_a_takeover_alone() -> None:
    assert [mode for mode in MODES if not may_speak(mode, "persona")] == ["takeover"]


def test_the_pages_draw_the_same_matrix() -> None:
    drawn = json.loads(PICTURES.read_text())
    assert {mode: {who: set(by) for who, by in row.items()} for mode, row in drawn.items()} == {
        mode: {who: set(by) for who, by in row.items()} for mode, row in REACHES.items()
    }


@pytest.mark.parametrize(
    ("identity", "speaks"),
    [(voice_of("supervisor-7"), True), ("supervisor-7", False), ("agent-7-voice", False), ("ada-voice", False)],
)
def test_a_voice_is_known_by_its_identity(identity: str, speaks: bool) -> None:
    assert is_voice(identity) is speaks
