"""What is personal in a line is found, however it is said, and what is not stays."""

import time
from collections.abc import Iterable, Iterator

import pytest

from guard import redaction
from guard.redaction import Redactor, Span
from tests.support.privates import NAMES, leaks, make_harmless, make_secrets
from tests.support.tried import sample, tried

PRIVATE = [
    ("Call me at +1 (415) 555-2671 please", "Call me at [phone] please"),
    ("my number is four one five, double five five, two six seven one", "my number is [phone]"),
    ("Meine Nummer: null eins fünf eins zwei drei vier fünf sechs sieben.", "Meine Nummer: [phone]."),
    ("c'est le zéro six un deux trois quatre cinq six sept huit", "c'est le [phone]"),
    ("c'est le zéro six douze trente-quatre cinquante-six soixante-dix-huit", "c'est le [number]"),
    ("card 4111-1111-1111-1111 thanks", "card [card] thanks"),
    ("card 5109-7004-1915-2032 thanks", "card [card] thanks"),
    ("You can reach me at NL13ABNA0237786. 611 now", "You can reach me at [iban] now"),
    ("four one one one, one one one one, one one one one, one one one one", "[card]"),
    ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN [iban] please"),
    ("mail J.Doe+x@example.org now", "mail [email] now"),
    ("it's john dot smith at gmail dot com, ok", "it's [email], ok"),
    ("j o h n at gmail dot com", "[email]"),
    ("I know Alice  BROWN's dog and Zoe.", "I know [name]'s dog and [name]."),
    ("extension: +14155552671;ext=12", "extension: [phone]"),
    ("٠١٥١٢٣٤٥٦٧٨ is mine", "[phone] is mine"),
    ("4155\u200b552671", "[phone]"),
]


@pytest.mark.parametrize(("line", "redacted"), PRIVATE)
def test_personal_data_is_taken_out(line: str, redacted: str) -> None:
    redactor = Redactor(["Alice Brown", "Zoë"])

    assert redactor.redact(line) == redacted
    assert redactor.redact(redacted) == redacted


def test_no_seeded_secret_is_left_in_a_line_or_across_two() -> None:
    redactor, wrong = Redactor(NAMES), []
    secrets = make_secrets(sample(10_000, 1000))
    for secret in secrets:
        assert leaks(secret, " ".join(secret.lines)), secret
        told = ""
        for line in secret.lines:
            told += "\n" + redactor.redact(line, before=told)
        whole = redactor.redact(" ".join(secret.lines))
        if leaks(secret, told) or leaks(secret, whole) or redactor.redact(told) != told:
            wrong.append((secret, told, whole))
    tried("redaction: seeded lines", len(secrets), len(wrong))
    assert not wrong, wrong[:5]


def test_what_is_not_personal_stays() -> None:
    redactor = Redactor(NAMES)
    lines = make_harmless(1000)
    alarms = [line for line in lines if redactor.redact(line) != line]
    tried("redaction: false alarms", len(lines), max(0, len(alarms) - len(lines) // 100))
    assert len(alarms) <= len(lines) // 100, alarms[:10]


def test_a_time_of_day_and_the_words_after_it_are_no_account_number() -> None:
    redactor = Redactor()
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    lines = [
        f"{said} {hour} {words} {day} again"
        for said, words in (("we meet at", "and then once more on"), ("wir kommen um", "uhr in die stadt und am"))
        for hour in range(10, 25)
        for day in days
    ]

    assert [line for line in lines if redactor.redact(line) != line] == []


def test_while_a_number_is_being_said_its_beginning_is_not_shown() -> None:
    said = ["my", "number", "is", *"4155552671"]
    shown = [Redactor().redact(" ".join(said[: end + 1]), interim=True) for end in range(len(said))]

    assert not any("4 1 5" in line for line in shown)


def test_single_digits_of_one_speaker_in_many_lines_are_one_number() -> None:
    told = ""
    for digit in "4155552671":
        told += "\n" + Redactor().redact(f"{digit}.", before=told)

    assert sum(each.isdigit() for each in told) <= 4


def test_words_are_redacted_by_what_their_line_is() -> None:
    assert Redactor().redact_words(["call", "415", "555", "2671", "now"]) == ["call", "[phone]", "", "", "now"]


def test_values_of_json_are_redacted_with_their_long_numbers() -> None:
    given = {"to": "+14155552671", "n": 4155552671, "few": 12, "all": ["j.doe@example.org", None, True]}

    assert Redactor().redact_all(given) == {"to": "[phone]", "n": "[number]", "few": 12, "all": ["[email]", None, True]}


LONG = ("1 ", "a at b dot ", "john dot ", "DE89 ", "415 555 2671, ", "@", "a", "a.b", "one two three ", "x@y.", "at ")


@pytest.mark.parametrize("part", LONG)
def test_the_time_grows_with_the_length_alone(part: str) -> None:
    redactor = Redactor(NAMES)

    def spent(length: int) -> float:
        text, times = part * (length // len(part)), []
        for _ in range(3):
            began = time.process_time()
            redactor.redact(text)
            times.append(time.process_time() - began)
        return min(times)

    spent(1000)
    assert spent(20_000) < 16 * max(spent(5000), 0.005)


class Shouting:
    """A finder of a customer's own: everything in capitals."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)

    def __call__(self, text: str) -> Iterator[Span]:
        if "fault" in text:
            raise RuntimeError(text)
        yield from (Span(place, place + 1, "name") for place, each in enumerate(text) if each.isupper())


@pytest.fixture
def own_finder() -> Iterator[None]:
    redaction.configure(f"{__name__}:Shouting")
    yield
    redaction.configure("")


@pytest.mark.usefixtures("own_finder")
def test_another_finder_takes_the_place_of_ours_and_a_fault_of_it_tells_nothing() -> None:
    redactor = redaction.build(["X"])

    assert redactor.redact("a B, 4155552671.") == "a [name], 4155552671."
    assert redactor.redact("fault 4155552671") == "[redacted]"


def test_a_finder_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="PARLEY_REDACTOR: there is no nowhere:finder"):
        redaction.configure("nowhere:finder")
