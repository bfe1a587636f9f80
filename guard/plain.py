"""Text of strangers as a model may be shown it: what it shows to a reader is what is in it. Pure.

Documents, names, headers of telephones, results of tools and what people type may hold what nobody sees and a model
reads: tags, zero widths, marks that turn the direction of writing, controls of a terminal. None of it is left.
"""

import re
import unicodedata
from typing import Final

_BREAKS: Final = "\n\t"
_IGNORED: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Letters and marks that are drawn as nothing, though Unicode counts them among what is drawn."""
_LINES: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Controls, formats (zero widths, directions, tags), halves of characters, private and unassigned ones."""
_QUOTES: Final = str.maketrans({"«": "‹", "»": "›"})


def plain(text: str) -> str:
    """The text without what is not drawn; of line ends and tabs those that everybody knows."""
    if text.isascii() and text.isprintable():
        return text
    lines = _LINES.sub("\n", text)
    return "".join(
        each
        for each in _IGNORED.sub("", lines)
        if each in _BREAKS or each.isprintable() or unicodedata.category(each) not in _UNSEEN
    )


def one_line(text: str, most: int | None = None) -> str:
    """The same in one line, of at most so many characters."""
    words = " ".join(plain(text).split())
    return words if most is None or len(words) <= most else f"{words[: most - 1]}…"


def quotation(text: str, most: int | None = None) -> str:
    """The same between « and », which the text itself cannot close."""
    return f"«{one_line(text, most).translate(_QUOTES)}»"


def whole(text: str) -> str:
    """The text with halves of characters made whole, and of those without their other half the sign for that: no half
    can be written to a file or sent."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
