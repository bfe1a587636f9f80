"""Languages by their names in any language, or by BCP 47 tags."""

from typing import Annotated

import langcodes
from pydantic import AfterValidator, StringConstraints

from control_plane.wire import Clean


def tag_of(given: str) -> str:
    """The BCP 47 tag of a language: `English`, `Deutsch` and `de-AT` are understood. Raises `ValueError`."""
    try:
        if langcodes.tag_is_valid(given):
            return langcodes.standardize_tag(given)
        return langcodes.find(given).to_tag()
    except (LookupError, ValueError) as error:
        raise ValueError("must be the name of a language, or a BCP 47 tag such as en-GB") from error


Language = Annotated[str, StringConstraints(min_length=2, max_length=60), Clean, AfterValidator(tag_of)]
"""Read into its tag."""
