"""Telephone numbers and the addresses of carriers, as they may be written. Pure."""

import ipaddress
import re
from typing import Annotated, Final
from urllib.parse import unquote

import phonenumbers
from pydantic import AfterValidator, Field, StringConstraints

E164: Final = re.compile(r"\+[0-9]{2,15}")
SEPARATORS: Final = re.compile(r"[-.()]")
"""What may stand between the digits of a number (RFC 3966, 3)."""
MOST_DIGITS: Final = 5
"""Of a name in a SIP address that is no number, such as `desk12`."""
LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
PORT: Final = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
ADDRESS: Final = rf"{LABEL}(\.{LABEL})*(:({PORT}))?"


def is_possible(number: str) -> bool:
    """Whether a text is a telephone number in E.164 form that may exist."""
    if not E164.fullmatch(number):
        return False
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def find_number(address: str) -> str | None:
    """The number that a number, or a tel: or sip: address, reaches; None for an address that is no number.

    Raises `ValueError`, in words for whoever wrote it, where it may be a number but does not say which: `1900…`,
    `011…` and `*67…` mean what the carrier makes of them.
    """
    is_sip = address.lower().startswith(("sip:", "sips:"))
    rest = address.partition(":")[2] if ":" in address else address
    user, _, host = rest.rpartition("@") if is_sip else (rest, "", "")
    user = unquote(user or host)
    if set(user) & set('@<>"'):
        raise ValueError("must be one address")
    dialled = SEPARATORS.sub("", re.split("[;:,?]", user)[0])
    if is_sip and re.search("[A-Za-z]", dialled):
        if len(re.findall("[0-9]", user)) > MOST_DIGITS:
            raise ValueError("must be a name, or a number with + and its country: carriers read digits in names")
        return None
    if not is_possible(dialled):
        raise ValueError("must name a number with + and its country, such as +17751234567")
    return dialled


def _number(given: str) -> str:
    if not is_possible(given):
        raise ValueError("must be a possible number in E.164 form, such as +17751234567")
    return given


def _address(given: str) -> str:
    if not re.fullmatch(ADDRESS, given):
        raise ValueError("must be a host, or host:port, without sip:")
    return given


def _network(given: str) -> str:
    try:
        ipaddress.ip_network(given, strict=False)
    except ValueError as error:
        raise ValueError("must be an IP address or a network such as 192.0.2.0/24") from error
    return given


def _country(given: str) -> str:
    if given not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("must be a country as ISO 3166 writes it, such as US")
    return given


PhoneNumber = Annotated[
    str,
    AfterValidator(_number),
    Field(json_schema_extra={"pattern": r"^\+[1-9][0-9]{1,14}$", "examples": ["+17751234567"]}),
]
"""A number as it is dialled: `+`, country, number."""

CarrierAddress = Annotated[
    str,
    StringConstraints(min_length=1, max_length=260),
    AfterValidator(_address),
    Field(json_schema_extra={"pattern": rf"^{ADDRESS}$", "examples": ["sip.example.com"]}),
]
"""Where a carrier's SIP server is."""

Country = Annotated[
    str,
    AfterValidator(_country),
    Field(json_schema_extra={"enum": sorted(phonenumbers.SUPPORTED_REGIONS)}),
]
"""A country that has telephone numbers."""

Network = Annotated[
    str,
    StringConstraints(max_length=50),
    AfterValidator(_network),
    Field(json_schema_extra={"examples": ["192.0.2.0/24"]}),
]
"""Whose calls are let in."""
