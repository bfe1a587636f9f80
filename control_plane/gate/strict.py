"""What is read leniently by the framework and refused here: keys that occur twice, NaN, query fields nobody reads."""

import json
from math import isfinite
from typing import Any, Final, NoReturn, get_args, get_origin

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query

from control_plane.errors import InvalidRequest

EXACT: Final = 2**53
LONGEST_SHOWN: Final = 60
"""Characters of an unknown name that are repeated in the answer."""


class StrictRequest(Request):
    """A request whose JSON says one thing only: each key once, numbers that JSON knows."""

    async def json(self) -> Any:
        """The body. Raises `json.JSONDecodeError`, which the framework turns into the documented answer."""
        body = await self.body()
        return json.loads(body, object_pairs_hook=_object, parse_constant=_constant, parse_float=_number)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise json.JSONDecodeError("a key occurs twice", "", 0)
    return made


def _number(written: str) -> float | int:
    """JSON knows one kind of number: 5.0 is 5. One that is infinite to us is none that we could write again."""
    value = float(written)
    if not isfinite(value):
        raise json.JSONDecodeError("a number is too large", "", 0)
    return int(value) if abs(value) <= EXACT and value.is_integer() else value


def _constant(_name: str) -> NoReturn:
    raise json.JSONDecodeError("NaN and Infinity are no JSON", "", 0)


class QueryNames:
    """The query fields of one operation."""

    def __init__(self, dependant: Dependant) -> None:
        fields = [field for field in get_flat_params(dependant) if isinstance(field.field_info, Query)]
        self.known = {field.alias for field in fields}
        known = f"known are {', '.join(sorted(self.known))}" if self.known else "there are none here"
        self._unknown = f"unknown query parameter; {known}"
        self.repeatable = {field.alias for field in fields if _is_list(field.field_info.annotation)}

    def check(self, request: Request) -> None:
        """Raise `InvalidRequest` for a field that nobody would read: a misspelt filter must not pass for none."""
        seen = set()
        for name, _value in request.query_params.multi_items():
            if name not in self.known:
                raise InvalidRequest.field(name[:LONGEST_SHOWN], self._unknown)
            if name in seen and name not in self.repeatable:
                raise InvalidRequest.field(name, "must occur once")
            seen.add(name)


def _is_list(annotation: object) -> bool:
    return any(get_origin(part) is list for part in (annotation, *get_args(annotation)))
