"""Which texts are telephone numbers, and which are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.phones import is_possible
from control_plane.telephony.numbers import ZOOM_GATEWAY, Callee, find_callee, find_desk, find_number


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


CARRIERS, BRIDGES = {"carrier.example"}, {ZOOM_GATEWAY, "meet.example"}
NUMBER = "+442079460958"


@pytest.mark.parametrize(
    ("address", "callee"),
    [
        (NUMBER, Callee(NUMBER, number=NUMBER)),
        ("+4402079460958", Callee(NUMBER, number=NUMBER)),
        ("tel:+44-20-7946-0958;ext=7", Callee(NUMBER, number=NUMBER)),
        ("tel:+44(0)2079460958;phone-context=+1900", Callee(NUMBER, number=NUMBER)),
        (f"sip:{NUMBER}@Elsewhere.Example.", Callee(NUMBER, "elsewhere.example", NUMBER)),
        (f"sip:{NUMBER};rn=+19005550123;npdi@elsewhere.example", Callee(NUMBER, "elsewhere.example", NUMBER)),
        (f"sip:{NUMBER},,19005550123@CARRIER.example:05060", Callee(NUMBER, "carrier.example:5060", NUMBER)),
        ("sip:%2B4402079460958@carrier.example", Callee(NUMBER, "carrier.example", NUMBER)),
        (f"sip:{NUMBER}@{ZOOM_GATEWAY}", Callee(NUMBER, ZOOM_GATEWAY, NUMBER)),
        ("sip:Room.7@ELSEWHERE.example:5080", Callee("Room.7", "elsewhere.example:5080")),
        ("sip:r%6Fom@elsewhere.example", Callee("room", "elsewhere.example")),
        (f"sip:85123456789.112233@{ZOOM_GATEWAY}", Callee("85123456789.112233", ZOOM_GATEWAY)),
        ("sip:19005550123@Meet.Example.:5061", Callee("19005550123", "meet.example:5061")),
    ],
)
def test_whom_a_line_reaches_is_told_in_one_form_however_it_is_written(address: str, callee: Callee) -> None:
    assert find_callee(address, CARRIERS, BRIDGES) == callee
    assert find_callee(callee.address, CARRIERS, BRIDGES) == callee, "what is dialled is what was judged"


@pytest.mark.parametrize(
    "address",
    [
        "sip:19005550123@elsewhere.example",
        "sip:0019005550123@elsewhere.example",
        "sip:911@elsewhere.example",
        "sip:%31900555%30123@elsewhere.example",
        "sip:room19005550123@elsewhere.example",
        "sip:19005550123;x=@meet.example",
        "sip:19005550123@meet.example.evil.example",
        "sip:19005550123@203.0.113.7",
        "sip:%EF%BC%91%EF%BC%99%EF%BC%90%EF%BC%90@elsewhere.example",
        "sip:a%EF%BC%91%EF%BC%99%EF%BC%90%EF%BC%90%EF%BC%95%EF%BC%95%EF%BC%95@elsewhere.example",
        "sip:room;maddr=10.0.0.1@elsewhere.example",
        "sip:room%0d%0aRoute:x@elsewhere.example",
        "sip:room@else..where.example",
        "sip:room@elsewhere.example:0",
        "sip:room@elsewhere.example:99999",
        "sip:room",
    ],
)
def test_what_a_carrier_may_read_in_a_way_of_its_own_is_called_nowhere(address: str) -> None:
    with pytest.raises(ValueError, match="must"):
        find_callee(address, CARRIERS, BRIDGES)
    with pytest.raises(ValueError, match="must"):
        find_callee("sip:19005550123@meet.example", {"meet.example"}, BRIDGES)


@given(st.text(max_size=60))
def test_any_line_is_dialled_as_it_is_judged_or_not_at_all(text: str) -> None:
    try:
        callee = find_callee(text, CARRIERS, BRIDGES)
    except ValueError:
        return
    assert find_callee(callee.address, CARRIERS, BRIDGES) == callee
