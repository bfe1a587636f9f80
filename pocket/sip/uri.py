"""SIP addresses (RFC 3261, 19.1 and 20.10)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

_URI: Final = re.compile(
    r"(sips?|tel):(?:([^@;?>\s]{0,256})@)?(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.\-_+*#()]{1,255})(?::(\d{1,5}))?((?:;[^?>\s]*)?)(?:\?\S*)?"
)
# Possessive (`*+`): a stranger's header must not make the search go back over it.
_NAMED: Final = re.compile(r'\s*+(?:"((?:[^"\\]|\\.)*+)"\s*+|([^<"]*+))<([^>]{1,1024})>(.*)')


class SipError(ValueError):
    """Text that is not SIP, or more of it than anybody needs."""


@dataclass(frozen=True, slots=True)
class Uri:
    """`sip:user@host:port;parameters`. `user` has no password, the number of a `tel:` is its user."""

    scheme: str
    user: str
    host: str
    port: int | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `SipError`."""
        match = _URI.fullmatch(text.strip())
        if match is None:
            raise SipError("not a URI")
        scheme, user, host, port, rest = match.groups()
        if port is not None and not 0 < int(port) < 65536:
            raise SipError("not a port")
        if scheme == "tel":
            user, host = host, ""
        return cls(scheme, (user or "").split(":")[0], host, int(port) if port else None, _parameters(rest))

    @property
    def transport(self) -> str | None:
        """What the URI asks for: UDP, TCP or TLS; None where it does not say."""
        if self.scheme == "sips":
            return "TLS"
        named = self.parameters.get("transport", "").upper()
        return named if named in ("UDP", "TCP", "TLS") else None


@dataclass(frozen=True, slots=True)
class Address:
    """The value of From, To, Contact, Refer-To: a display name, a URI as it was written, parameters."""

    display: str
    uri: str
    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises nothing: whether the URI is one shows when it is read."""
        match = _NAMED.match(text)
        if match is None:
            uri, _, rest = text.strip().partition(";")
            return cls("", uri.strip(), _parameters(rest))
        quoted, plain, uri, rest = match.groups()
        return cls(quoted if quoted is not None else (plain or "").strip(), uri.strip(), _parameters(rest))

    @property
    def tag(self) -> str:
        """Empty where there is none."""
        return self.parameters.get("tag", "")


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs if name.strip()}


def quote(display: str) -> str:
    """A display name as a quoted string, with the space that follows; nothing for nothing."""
    if not display:
        return ""
    escaped = re.sub(r'([\\"])', r"\\\1", re.sub(r"[\x00-\x1f\x7f]", " ", display))
    return f'"{escaped}" '
