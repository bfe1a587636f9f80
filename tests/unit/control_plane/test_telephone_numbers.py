"""Which texts are telephone numbers, and which are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.phones import is_possible
from control_plane.telephony.numbers import find_desk, find_number


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


@pytest.mark.parametrize(
    "address",
    [
        "+19005551234",
        "tel:+19005551234",
        "TEL:+1-900-555-1234",
        "tel:+19005551234;ext=7",
        "sip:+19005551234@carrier.example",
        "sips:+19005551234@carrier.example:5061;transport=tls",
        "sip:%2B19005551234@carrier.example",
        "sip:+1(900)555.1234@carrier.example",
        "sip:+19005551234:secret@carrier.example",
        "sip:+19005551234;phone-context=x@carrier.example",
        "sip:+19005551234",
    ],
)
def test_the_number_in_an_address_is_found_however_it_is_written(address: str) -> None:
    assert find_number(address) == "+19005551234"


@pytest.mark.parametrize("address", ["sip:desk@example.org", "sip:line-7@192.0.2.1:5060", "sips:a%2Bb@example.org"])
def test_an_address_with_a_name_is_no_number(address: str) -> None:
    assert find_number(address) is None


@pytest.mark.parametrize(
    "address",
    [
        "tel:19005551234",
        "tel:911",
        "sip:19005551234@carrier.example",
        "sip:01119005551234@carrier.example",
        "sip:%30119005551234@carrier.example",
        "sip:0019005551234@carrier.example",
        "sip:*6719005551234@carrier.example",
        "sip:%2A67+19005551234@carrier.example",
        "sip:19005551234",
        "sip:@19005551234",
        "sip:100@pbx.example",
        "sip:desk@19005551234@carrier.example",
        "sip:desk%40+19005551234@carrier.example",
        "sip:<sip:+19005551234@carrier.example>",
        "+1",
    ],
)
def test_an_address_that_may_be_a_number_but_does_not_say_which_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="must"):
        find_number(address)


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("sip:desk@sip.example.com", "sip:desk@sip.example.com:5061"),
        ("SIP:Desk-7@SIP.Example.com.", "sip:Desk-7@sip.example.com:5061"),
        ("sips:desk@sip.example.com:5061", "sips:desk@sip.example.com:5061"),
        ("sip:desk@192.0.2.7", "sip:desk@192.0.2.7"),
        ("sip:desk@sip.example.com:5060", None),
        ("sip:desk@192.0.2.7:22", None),
        ("sip:desk@example.com", None),
        ("sip:desk@evil.example;sip.example.com", None),
        ("sip:desk@sip.example.com;transport=tcp", None),
        ("sip:desk@sip.example.com?Subject=hello", None),
        ("sip:desk;x@sip.example.com", None),
        ("sip:desk%40evil.example@sip.example.com", None),
        ("sip:sip.example.com", None),
        ("tel:desk@sip.example.com", None),
        ("sip:@sip.example.com", None),
        ("sip:desk@", None),
    ],
)
def test_a_desk_is_found_at_the_carriers_that_are_ours_and_nothing_else_goes_on(address: str, sent: str | None) -> None:
    assert find_desk(address, ["sip.example.com:5061", "192.0.2.7"]) == sent


@given(st.text(max_size=60))
def test_any_address_is_a_desk_of_ours_or_none(text: str) -> None:
    found = find_desk(text, ["sip.example.com"])
    assert found is None or found.endswith("@sip.example.com")
