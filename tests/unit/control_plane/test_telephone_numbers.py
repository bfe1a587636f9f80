"""Which texts are telephone numbers, and which are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.telephony.numbers import is_possible


@pytest.mark.parametrize("number", ["+17751234567", "+18001234567", "+442071838750", "+4930901820", "+390236618300"])
def test_a_number_that_may_exist_is_possible(number: str) -> None:
    assert is_possible(number)


@pytest.mark.parametrize(
    "number",
    [
        "",
        "+",
        "+1",
        "17751234567",
        "0017751234567",
        "+1 7751234567",
        "+1-775-123-4567",
        "+1775",
        "+9991234567",
        "+0123456",
    ],
)
def test_what_nobody_could_dial_is_not(number: str) -> None:
    assert not is_possible(number)


@given(st.text(max_size=30))
def test_any_text_gets_an_answer(text: str) -> None:
    assert is_possible(text) in (True, False)
