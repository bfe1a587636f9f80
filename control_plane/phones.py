"""Telephone numbers as they are dialled. Pure."""

import re
from typing import Annotated, Final

import phonenumbers
from pydantic import AfterValidator, Field

E164: Final = re.compile(r"\+[0-9]{2,15}")


def is_possible(number: str) -> bool:
    """Whether a text is a telephone number in E.164 form that may exist."""
    if not E164.fullmatch(number):
        return False
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def _number(given: str) -> str:
    if not is_possible(given):
        raise ValueError("must be a possible number in E.164 form, such as +17751234567")
    return given


PhoneNumber = Annotated[
    str,
    AfterValidator(_number),
    Field(json_schema_extra={"pattern": r"^\+[1-9][0-9]{1,14}$", "examples": ["+17751234567"]}),
]
"""A number as it is dialled: `+`, country, number."""
