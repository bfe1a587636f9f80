"""The price book, read from `prices.toml`: what a piece of work cost when it was done. Pure; amounts are exact."""

import ipaddress
import tomllib
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

ANY = "*"
LOCAL = "local"
"""The provider of every server in one's own network."""

MILLION = 1_000_000
EXACT = Decimal("1e-10")
"""What the ledger keeps of a dollar."""


class Quantities(BaseModel):
    """How much was done. Prices know tokens, characters and seconds; all but one are usually 0."""

    input_tokens: int = 0
    output_tokens: int = 0
    characters: int = 0
    audio_seconds: float = 0


class Price(BaseModel):
    """US dollars for one kind of work from a day (UTC) on: by million tokens or characters, or by the minute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: str
    provider: str
    model: str
    valid_from: date
    input_tokens: Decimal = Field(Decimal(0), ge=0)
    output_tokens: Decimal = Field(Decimal(0), ge=0)
    characters: Decimal = Field(Decimal(0), ge=0)
    minutes: Decimal = Field(Decimal(0), ge=0)

    def of(self, done: Quantities) -> Decimal:
        """What that much work costs, to ten decimals."""
        by_million = (
            self.input_tokens * done.input_tokens
            + self.output_tokens * done.output_tokens
            + self.characters * done.characters
        )
        by_minute = self.minutes * Decimal(repr(done.audio_seconds))
        return (by_million / MILLION + by_minute / 60).quantize(EXACT)


class PriceBook:
    """Finds the price in force for a piece of work."""

    def __init__(self, prices: Iterable[Price], hosts: dict[str, str]) -> None:
        self._hosts = hosts
        self._prices: dict[tuple[str, str, str], list[Price]] = {}
        for price in sorted(prices, key=lambda price: price.valid_from, reverse=True):
            self._prices.setdefault((price.service, price.provider, price.model), []).append(price)

    def find(self, service: str, provider: str, model: str, *, on: date) -> Price | None:
        """The most particular price that was in force on a day; None for work that nobody has put a price on."""
        for named in ((provider, model), (provider, ANY), (ANY, model), (ANY, ANY)):
            for price in self._prices.get((service, *named), ()):
                if price.valid_from <= on:
                    return price
        return None

    def provider(self, reported: str) -> str:
        """Whose service it was: the provider of a known address, `local` for one's own network."""
        name = reported.strip().lower()
        try:
            host = urlsplit(f"//{name}").hostname or name
        except ValueError:
            return name
        return self._hosts.get(host) or (LOCAL if _is_own(host, with_port=host != name) else host)


def _is_own(host: str, *, with_port: bool) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:  # a name: one without a dot is resolved only inside
        return host == "localhost" or (with_port and "." not in host)


def configure(file: Path | None) -> None:
    """Have this process count by the prices of a file as well, which go before those of this release.

    Raises `ValueError` where it cannot be read.
    """
    global _file
    price_book.cache_clear()
    _file = file
    try:
        price_book()
    except (OSError, ValueError, TypeError, AttributeError) as error:
        _file = None
        price_book.cache_clear()
        raise ValueError(f"PARLEY_PRICES: {file}: {error}") from error


_file: Path | None = None


@cache
def price_book() -> PriceBook:
    """The book of this release, with the operator's own entries."""
    published = (resources.files(__package__) / "prices.toml").read_text()
    texts = [published] if _file is None else [_file.read_text(encoding="utf-8"), published]
    prices, hosts = list[Price](), dict[str, str]()
    for text in texts:
        data: dict[str, Any] = tomllib.loads(text, parse_float=Decimal)
        prices += [Price.model_validate(row) for row in data.get("price", [])]
        hosts = data.get("hosts", {}) | hosts
    return PriceBook(prices, hosts)
