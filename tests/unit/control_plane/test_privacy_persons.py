"""Whom a text names: their numbers, addresses and identities, and nobody whose own are like them."""

from typing import Any

import pytest

from control_plane.privacy.persons import ERASED, Person, names_of
from control_plane.privacy.places import PLACES, SWEPT
from control_plane.privacy.receipts import Receipts
from tests.support.platform import SECRET_KEY

ADA = names_of(Person("+17751234567", "ada@example.org", "customer-4711"), identities=["anna"])


@pytest.mark.parametrize(
    ("value", "erased"),
    [
        ("call +17751234567 back", f"call {ERASED} back"),
        ("17751234567", ERASED),
        (17751234567, ERASED),
        ("sip_+17751234567", ERASED),
        ("in-_+17751234567_x7", f"in-_{ERASED}_x7"),
        ("Ada@Example.org, please", f"{ERASED}, please"),
        ({"to": ["mailto:ada@example.org"], "n": 3}, {"to": [f"mailto:{ERASED}"], "n": 3}),
        ({"customer-4711": True}, {ERASED: True}),
        ("It is seven seven five, one two three, four five six seven.", f"It is {ERASED}."),
        ({"said": ["double seven five 123 four five six seven, thanks"]}, {"said": [f"{ERASED}, thanks"]}),
        ("(775) 123-4567 or +1 775 123 4567", f"{ERASED} or {ERASED}"),
        ({"identity": "anna", "word": "anna"}, {"identity": ERASED, "word": "anna"}),
        ({"a": [{"caller_identity": "anna"}]}, {"a": [{"caller_identity": ERASED}]}),
    ],
)
def test_what_names_them_is_erased(value: Any, erased: Any) -> None:
    assert ADA.erase(value) == erased


@pytest.mark.parametrize(
    "value",
    [
        "+177512345678",
        "+4417751234567",
        "44 1775 123 4567",
        "seven seven five one two three four five six eight",
        "seven seven five one two three four",
        "one two three four five six seven",
        217751234567,
        "nada@example.org",
        "ada@example.org.uk",
        "customer-47110",
        "new-customer-4711",
        "hannah",
        "anna",
        {"name": "anna"},
        True,
        None,
        1775.5,
    ],
)
def test_what_names_others_is_not(value: Any) -> None:
    assert ADA.erase(value) == value


def test_the_same_person_has_the_same_proof_and_no_other() -> None:
    receipts = Receipts(SECRET_KEY)
    one = receipts.person(Person(email="Ada@example.org"), project_id=1)
    assert one == receipts.person(Person(email="ada@example.org"), project_id=1)
    assert one != receipts.person(Person(email="ada@example.org"), project_id=2)
    assert one != receipts.person(Person(identity="ada@example.org"), project_id=1)


def test_tables_are_looked_through_in_an_order_that_lets_events_go_before_what_is_made_of_them() -> None:
    assert SWEPT.index("event") < SWEPT.index("webhook_delivery")
    assert set(SWEPT) <= PLACES.keys()
