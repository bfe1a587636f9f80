"""The price book: which price was in force, what work costs, whose service it was."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from control_plane.metering import prices
from control_plane.metering.prices import EXACT, Price, PriceBook, Quantities, price_book
from parley.stack.doctor import Verdict, _telephone_price

WORK = Quantities(input_tokens=1000, output_tokens=200)


def price(model: str, since: str, dollars: str, *, provider: str = "openai") -> Price:
    return Price(
        service="llm",
        provider=provider,
        model=model,
        valid_from=date.fromisoformat(since),
        input_tokens=Decimal(dollars),
    )


def test_work_costs_what_the_price_of_its_day_says() -> None:
    book = PriceBook([price("m", "2025-01-01", "5"), price("m", "2025-06-01", "2")], {})
    in_force = {
        day: book.find("llm", "openai", "m", on=date.fromisoformat(day)) for day in ("2025-05-31", "2025-06-01")
    }
    assert [found and found.of(WORK) for found in in_force.values()] == [Decimal("0.005"), Decimal("0.002")]


def test_before_its_first_price_work_has_none() -> None:
    book = PriceBook([price("m", "2025-01-01", "5")], {})
    assert book.find("llm", "openai", "m", on=date(2024, 12, 31)) is None


def test_a_price_of_the_model_goes_before_one_of_all_models() -> None:
    book = PriceBook([price("*", "2025-06-01", "9"), price("m", "2025-01-01", "5")], {})
    day = date(2025, 7, 1)
    assert book.find("llm", "openai", "m", on=day) == price("m", "2025-01-01", "5")
    assert book.find("llm", "openai", "other", on=day) == price("*", "2025-06-01", "9")
    assert book.find("tts", "openai", "m", on=day) is None


def test_the_units_are_millions_and_minutes() -> None:
    dear = Price(
        service="tts",
        provider="p",
        model="m",
        valid_from=date(2025, 1, 1),
        input_tokens=Decimal(1),
        output_tokens=Decimal(10),
        characters=Decimal(100),
        minutes=Decimal("0.6"),
    )
    done = Quantities(input_tokens=1_000_000, output_tokens=500_000, characters=10_000, audio_seconds=90)
    assert dear.of(done) == Decimal("1") + Decimal("5") + Decimal("1") + Decimal("0.9")


def test_the_published_prices_are_in_the_book() -> None:
    book, day = price_book(), date(2025, 11, 1)
    million = Quantities(input_tokens=1_000_000, output_tokens=1_000_000, characters=1_000_000, audio_seconds=60)
    costs = {
        name: found and found.of(million)
        for name, found in {
            "gpt-4o": book.find("llm", "openai", "gpt-4o", on=day),
            "gpt-4o-mini": book.find("llm", "openai", "gpt-4o-mini", on=day),
            "gpt-4o in September 2024": book.find("llm", "openai", "gpt-4o", on=date(2024, 9, 1)),
            "tts-1": book.find("tts", "openai", "tts-1", on=day),
            "whisper-1": book.find("stt", "openai", "whisper-1", on=day),
            "nova-3": book.find("stt", "deepgram", "nova-3", on=day),
            "offline": book.find("llm", "local", "extractive-1", on=day),
            "unknown": book.find("llm", "openai", "gpt-none", on=day),
        }.items()
    }
    assert costs == {
        "gpt-4o": Decimal("12.5"),
        "gpt-4o-mini": Decimal("0.75"),
        "gpt-4o in September 2024": Decimal(20),
        "tts-1": Decimal(15),
        "whisper-1": Decimal("0.006"),
        "nova-3": Decimal("0.0077"),
        "offline": Decimal(0),
        "unknown": None,
    }


@pytest.mark.parametrize(
    ("reported", "provider"),
    [
        ("api.openai.com", "openai"),
        ("api.openai.com:443", "openai"),
        ("OpenAI", "openai"),
        ("127.0.0.1:9101", "local"),
        ("10.1.2.3", "local"),
        ("[::1]:8000", "local"),
        ("localhost:8000", "local"),
        ("models:9000", "local"),
        ("llm.example.org:8443", "llm.example.org"),
        ("sip", "sip"),
        ("", ""),
        ("[", "["),
    ],
)
def test_a_provider_is_named_after_the_address_that_was_called(reported: str, provider: str) -> None:
    assert price_book().provider(reported) == provider


def test_a_wrong_unit_in_the_book_is_refused() -> None:
    with pytest.raises(ValidationError):
        Price.model_validate(price("m", "2025-01-01", "1").model_dump() | {"per_hour": 3})
    with pytest.raises(ValidationError):
        price("m", "2025-01-01", "-1")


@given(
    tokens=st.integers(0, 10**9),
    seconds=st.floats(0, 1e6, allow_nan=False),
    dollars=st.decimals(0, 1000, places=4),
)
def test_a_cost_is_never_further_from_the_truth_than_the_ledger_can_hold(
    tokens: int, seconds: float, dollars: Decimal
) -> None:
    both = Price(
        service="llm", provider="p", model="m", valid_from=date(2025, 1, 1), input_tokens=dollars, minutes=dollars
    )
    cost = both.of(Quantities(input_tokens=tokens, audio_seconds=seconds))
    truth = dollars * tokens / 1_000_000 + dollars * Decimal(repr(seconds)) / 60
    assert abs(cost - truth) <= EXACT
    assert cost == cost.quantize(EXACT)


CARRIER = """
[[price]]
service = "telephony"
provider = "{provider}"
model = "*"
valid_from = 2020-01-01
minutes = 0.0125
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """A file for prices of one's own, which nobody reads any more afterwards."""
    yield tmp_path / "prices.toml"
    prices.configure(None)


def a_minute(provider: str) -> Decimal:
    found = price_book().find("telephony", provider, "*", on=date(2026, 1, 1))
    assert found is not None
    return found.minutes


def test_prices_of_ones_own_go_before_those_of_the_release(own: Path) -> None:
    own.write_text(CARRIER.format(provider="*") + '[hosts]\n"llm.example" = "openai"\n')
    prices.configure(own)
    assert a_minute("sip.example") == Decimal("0.0125")
    assert price_book().find("stt", "openai", "whisper-1", on=date(2026, 1, 1)) is not None
    assert (price_book().provider("llm.example"), price_book().provider("api.openai.com")) == ("openai", "openai")
    prices.configure(None)
    assert a_minute("sip.example") == 0


@pytest.mark.parametrize("text", [None, "[[price", "price = 3", "[[price]]\nservice = 'x'", "hosts = 3", "\xff"])
def test_a_file_that_says_nothing_clear_is_refused_and_the_release_holds(own: Path, text: str | None) -> None:
    if text is not None:
        own.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="PARLEY_PRICES"):
        prices.configure(own)
    assert a_minute("sip.example") == 0


def test_the_doctor_tells_that_a_minute_costs_nothing(own: Path) -> None:
    assert _telephone_price(None).verdict is Verdict.NOTE
    assert "PARLEY_PRICES" in _telephone_price(None).mend
    assert _telephone_price(str(own)).verdict is Verdict.BAD
    own.write_text(CARRIER.format(provider="sip.example"))
    assert _telephone_price(str(own)).verdict is Verdict.NOTE, "every other carrier's costs nothing yet"
    own.write_text(CARRIER.format(provider="*"))
    assert (_telephone_price(str(own)).verdict, _telephone_price(str(own)).found) == (
        Verdict.GOOD,
        "0.0125 US dollars a minute",
    )
