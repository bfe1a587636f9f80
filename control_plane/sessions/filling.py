"""Variables in what an agent reads and says: as they are where the customer's server gave them, and where somebody
else did, as what they are, a line that was said by somebody."""

import re
from collections.abc import Mapping
from typing import Final

from control_plane.sessions.models import Slot
from guard.plain import one_line, plain, quotation

PLACE: Final = re.compile(r"(\s*)\{\{\s*([\w.-]+)\s*\}\}")
"""A variable, with the space before it."""
LONGEST_SAID: Final = 100
"""Characters of a visitor's variable that are spoken."""
PHONE_NUMBER: Final = "phone_number"
"""Who calls, as their telephone says: anything at all."""
_NUMBER: Final = re.compile(r"\+?[0-9]{1,32}")


def fill(text: str, variables: Mapping[str, object]) -> str:
    """Put variables in the place of `{{name}}`. One that is unknown leaves no trace: nobody should hear braces."""
    return PLACE.sub(lambda found: f"{found[1]}{variables[found[2]]}" if found[2] in variables else "", text)


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
