"""Variables in what an agent reads and says: as they are where the customer's server gave them, and where somebody
else did, as what they are, a line that was said by somebody."""

import re
from collections.abc import Mapping
from typing import Final

from control_plane.sessions.models import Slot
from guard.plain import one_line, plain, quotation

PLACE: Final = re.compile(r"(?<!\s)(\s*)\{\{\s*([\w.-]+)\s*\}\}")
"""A variable, with all the space before it: each space is looked at once, however many there are."""
MOST_FILLED: Final = 100_000
"""Characters that variables may add to a text: they may be long, and stand in it any number of times."""
LONGEST_SAID: Final = 100
"""Characters of a visitor's variable that are spoken."""
PHONE_NUMBER: Final = "phone_number"
"""Who calls, as their telephone says: anything at all."""
_NUMBER: Final = re.compile(r"\+?[0-9]{1,32}")


def fill(text: str, variables: Mapping[str, object]) -> str:
    """Put variables in the place of `{{name}}`, up to `MOST_FILLED`. One that is unknown leaves no trace: nobody should
    hear braces."""
    left = MOST_FILLED

    def put(found: re.Match[str]) -> str:
        nonlocal left
        if left == 0 or found[2] not in variables:
            return ""
        value = str(variables[found[2]])[:left]
        left -= len(value)
        return found[1] + value

    return PLACE.sub(put, text)


def read_variables(slot: Slot) -> dict[str, object]:
    """For instructions: what a visitor of a page chose is a quotation of one line, which cannot end itself."""
    by_visitor = slot.embed_key_id is not None
    return {
        name: quotation(str(value)) if by_visitor or _is_strange(name, value) else _as_given(value)
        for name, value in slot.variables.items()
    }


def said_variables(slot: Slot) -> dict[str, object]:
    """For what is spoken: the same without quotation marks, which nobody should hear, and short."""
    by_visitor = slot.embed_key_id is not None
    return {
        name: one_line(str(value), LONGEST_SAID) if by_visitor or _is_strange(name, value) else _as_given(value)
        for name, value in slot.variables.items()
    }


def _is_strange(name: str, value: object) -> bool:
    return name == PHONE_NUMBER and not _NUMBER.fullmatch(str(value))


def _as_given(value: object) -> object:
    return plain(value) if isinstance(value, str) else value
