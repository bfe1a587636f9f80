"""Telephone numbers and the addresses of carriers, as they may be written. Pure."""

import ipaddress
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import unquote

import phonenumbers
from pydantic import AfterValidator, Field, StringConstraints

from control_plane.phones import is_possible
from control_plane.telephony.policy import canonical

SEPARATORS: Final = re.compile(r"[-.()]")
"""What may stand between the digits of a number (RFC 3966, 3)."""
MOST_DIGITS: Final = 5
"""Of a name in a SIP address that is no number, such as `desk12`."""
NAME_OF_DESK: Final = "[A-Za-z][A-Za-z0-9._-]{0,63}"
LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
PORT: Final = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
ADDRESS: Final = rf"{LABEL}(\.{LABEL})*(:({PORT}))?"
ZOOM_GATEWAY: Final = "zoomcrc.com"
"""Zoom's way in for SIP: `<id>.<passcode>@…`."""
ROOM_OF_BRIDGE: Final = "[A-Za-z0-9][A-Za-z0-9._*-]{0,99}"


@dataclass(frozen=True, slots=True)
class Callee:
    """Whom an address reaches, in the one form in which they are judged, counted and dialled."""

    user: str
    """A number in E.164 form, a name, or the digits of a meeting."""
    host: str = ""
    """`host[:port]` that is called; empty: the project's own carrier."""
    number: str | None = None
    """The telephone number that it is, if it is one."""

    @property
    def address(self) -> str:
        """It as one text."""
        return f"sip:{self.user}@{self.host}" if self.host else self.user


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


def find_callee(address: str, carriers: Collection[str], bridges: Collection[str]) -> Callee:
    """Whom a line of a meeting reaches. `carriers` and `bridges` are hosts: the project's own, and those of meeting
    services, whose rooms have digits. At any other host digits may be a telephone number that somebody there calls.

    Raises `ValueError`, in words for whoever wrote it, where it does not say which, and for what carriers would read
    in ways of their own.
    """
    if "@" not in address:
        number = find_number(address)
        if number is None:
            raise ValueError("must be an address such as sip:room@sip.example.com")
        return Callee(canonical(number), number=canonical(number))
    scheme, _, rest = address.partition(":")
    user, _, place = rest.rpartition("@")
    host, has_port, port = place.lower().partition(":")
    host = host.rstrip(".")
    place = f"{host}:{port.lstrip('0')}" if has_port else host
    if scheme.lower() not in ("sip", "sips") or not re.fullmatch(ADDRESS, place):
        raise ValueError("must be an address such as sip:room@sip.example.com")
    if host in bridges and host not in carriers and re.fullmatch(ROOM_OF_BRIDGE, user):
        return Callee(user, place)
    number = find_number(address)
    if number is not None:
        return Callee(canonical(number), place, canonical(number))
    name = unquote(user)
    if not re.fullmatch(NAME_OF_DESK, name):
        raise ValueError("must be a plain name, or a number with + and its country")
    return Callee(name, place)


def find_desk(address: str, carriers: Iterable[str]) -> str | None:
    """The address of somebody who has a name, and no number, at one of these carriers (`host` or `host:port`); None
    for any other one. Nothing of what was written goes on but scheme and name."""
    scheme, _, rest = address.partition(":")
    name, at, place = rest.rpartition("@")
    if not at or scheme.lower() not in ("sip", "sips") or not re.fullmatch(NAME_OF_DESK, name):
        return None
    asked = place.lower().rstrip(".")
    known = next((each for each in carriers if asked in (each.lower(), host_of(each))), None)
    return f"{scheme.lower()}:{name}@{known.lower()}" if known else None


def host_of(address: str) -> str:
    """The host of a carrier's address, as names are compared."""
    return address.partition(":")[0].rstrip(".").lower()


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
