"""Identities that only the platform gives out, and what looks like one. Pure.

LiveKit compares identities byte by byte; people who read a list of participants do not. So a name is judged by how it
looks: letters of other alphabets that are drawn alike count as the Latin ones, and what is not drawn at all as nothing.
"""

import unicodedata
from typing import Final

from agents.attendance import HOST_PREFIX
from agents.audience import SUPERVISOR_PREFIX
from agents.contract import PERSONA_PREFIX

BY_SOCKET: Final = "p_"
"""People of meetings who come by a socket, which tells when they come and go; LiveKit does of the others."""
VISITOR: Final = "visitor-"
"""Visitors of pages with a button."""
TESTER: Final = "tester-"
"""Whoever tries an agent as it is being written."""
RESERVED: Final = (PERSONA_PREFIX, HOST_PREFIX, SUPERVISOR_PREFIX, "sip_", "EG_", BY_SOCKET, VISITOR, TESTER)
"""How the identities begin that only the platform gives out."""
RESERVED_ATTRIBUTES: Final = ("lk.", "parley.", "sip.")
"""How the names of attributes begin by which LiveKit, its telephone and the platform tell what somebody is."""

HIDDEN: Final = (
    r"\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
)
"""Most of the characters that `is_drawn` refuses, for a regular expression's brackets."""
UNSEEN: Final = "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""Letters that are drawn as nothing, though Unicode counts them as letters or signs."""
_ALIKE: Final = {
    "a": "\u0430\u0251\u03b1\u237a\u1d00",
    "b": "\u042c\u0184\u0412\u0299\u13cf",
    "e": "\u0435\u04bd\u212e\u1d07",
    "g": "\u0261\u0581\u0262\u018d",
    "i": "\u0456\u0131\u0269\u03b9\u04cf|1l\u01c0",
    "n": "\u0578\u057c\u0274",
    "o": "\u043e\u03bf\u0585\u1d0f\u05e1\u0665\u06f50",
    "p": "\u0440\u03c1\u03f1\u1d18\u2374",
    "r": "\u0433\u1d26\u2c85\u0280",
    "s": "\u0455\u01bd\ua731",
    "t": "\u0442\u03c4\u1d1b",
    "u": "\u03c5\u057d\u1d1c\u028b",
    "v": "\u03bd\u0475\u1d20\u2228",
    "k": "\u043a\u03ba\u1d0b",
    "y": "\u0443\u03b3\u028f\u04af\u10e7",
    "-": "\u2212\u2043\u02d7\u0640\u30fc\u3161\u4e00",
    "_": "\u02cd",
}
"""Letters of the reserved beginnings, each with those of other alphabets that a reader takes for it."""
_LATIN: Final = {ord(other): letter for letter, others in _ALIKE.items() for other in others + others.casefold()}
_UNDRAWN: Final = frozenset({"Cc", "Cf", "Mn", "Me", "Mc", "Zs", "Zl", "Zp"})


def _seen(text: str) -> str:
    """How a text looks to somebody who reads quickly."""
    decomposed = unicodedata.normalize("NFKD", text)
    drawn = (
        "-" if category == "Pd" else "_" if category == "Pc" else letter
        for letter in decomposed
        if (category := unicodedata.category(letter)) not in _UNDRAWN and letter not in UNSEEN
    )
    return "".join(drawn).casefold().translate(_LATIN)


_SEEN: Final = tuple(_seen(prefix) for prefix in RESERVED)
_SEEN_ATTRIBUTES: Final = tuple(_seen(prefix) for prefix in RESERVED_ATTRIBUTES)


def is_reserved(identity: str) -> bool:
    """Whether an identity is one that only the platform gives out, or looks like one."""
    return _seen(identity).startswith(_SEEN)


def is_drawn(identity: str) -> bool:
    """Whether nothing in it is hidden: no control characters, none that only change how others are drawn."""
    return not any(unicodedata.category(letter) in ("Cc", "Cf") for letter in identity)


def is_own_attribute(name: str) -> bool:
    """Whether an attribute of this name is not a caller's to choose."""
    return _seen(name).startswith(_SEEN_ATTRIBUTES)


def any_case(prefix: str) -> str:
    """A beginning as a regular expression for either case."""
    return "".join(f"[{letter.upper()}{letter.lower()}]" if letter.isalpha() else letter for letter in prefix)
