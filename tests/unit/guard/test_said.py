"""A telephone number is found as it is said, in seven languages, and no other number is taken for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.said import Said, forms

NUMBER = "+17751234567"
WHOLE = [
    "seven seven five one two three four five six seven",
    "double seven five, 123 45 67",
    "(775) 123-4567",
    "+1 775 123 4567",
    "one seventy-seven five twelve thirty-four fifty six seven",
    "seven seventy-five one twenty-three forty-five sixty-seven",
    "seven seven five uh one two three um four five six seven",
    "sieben sieben fünf eins zwei drei vier fünf sechs sieben",
    "siebenundsiebzig einundfünfzig dreiundzwanzig fünfundvierzig siebenundsechzig",
    "siete siete cinco uno dos tres cuatro cinco seis siete",
    "setenta y siete cincuenta y uno veintitrés cuarenta y cinco sesenta y siete",
    "sept sept cinq un deux trois quatre cinq six sept",
    "soixante-dix-sept cinquante et un vingt-trois quarante-cinq soixante-sept",
    "sette sette cinque uno due tre quattro cinque sei sette",
    "settantasette cinquantuno ventitré quarantacinque sessantasette",
    "sete sete cinco um dois três quatro cinco seis sete",
    "setenta e sete cinquenta e um vinte e três quarenta e cinco sessenta e sete",
    "zeven zeven vijf een twee drie vier vijf zes zeven",
    "zevenenzeventig eenenvijftig drieëntwintig vijfenveertig zevenenzestig",
]
OTHERS = [
    "seven seven five one two three four five six eight",
    "seven seven five one two three four five six",
    "44 1775 123 4567",
    "775 123 45678",
    "775 123 4568",
    "one two three four five six seven",
    "I was here in 1776, and 1234567 times again",
    "",
]
DIGITS = ("oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.mark.parametrize("words", WHOLE)
def test_it_is_found_as_it_is_said(words: str) -> None:
    assert Said(NUMBER).replace(f"Well: {words}. Thanks!", "*") == "Well: *. Thanks!"


@pytest.mark.parametrize("text", OTHERS)
def test_another_number_is_left(text: str) -> None:
    assert Said(NUMBER).replace(text, "*") == text


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("+33612758096", "zéro six douze soixante-quinze quatre-vingt quatre-vingt-seize"),
        ("+33612758097", "zéro six douze soixante-quinze quatre-vingts quatre-vingt-dix-sept"),
        ("+18005550100", "eight hundred five five five oh one hundred"),
        ("+442079460958", "oh two oh seven nine four six oh nine five eight"),
        ("+442079460958", "plus double four, two oh seven nine four six oh nine five eight"),
    ],
)
def test_it_is_found_as_it_is_dialled_at_home_and_from_abroad(number: str, words: str) -> None:
    assert "*" in Said(number).replace(words, "*")
    assert "six" not in Said(number).replace(words, "*")


def test_a_short_number_is_looked_for_with_its_country_only() -> None:
    assert forms("+49110") == ("0049110", "49110")


@given(st.lists(st.integers(0, 9), min_size=10, max_size=10).map(lambda each: "".join(map(str, each))), st.data())
def test_whatever_its_digits_and_groups(digits: str, data: st.DataObject) -> None:
    number = f"+1{digits}"
    said = [data.draw(st.sampled_from([DIGITS[int(each)], each])) for each in digits]
    text = " ".join(said)
    if text != digits:
        assert Said(number).replace(text, "*") == "*"
    other = f"+1{digits[:-1]}{(int(digits[-1]) + 1) % 10}"
    assert Said(other).replace(text, "*") == text


@given(st.text(max_size=200))
def test_no_text_is_too_much(text: str) -> None:
    Said(NUMBER).replace(text, "*")
