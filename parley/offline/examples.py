"""Classifies a text as the instructions' own examples do: by the one that is nearest in meaning; where none is near,
and the function has the label `uncertain`, it is that."""

import re
from collections.abc import Sequence
from typing import Any, Final

from parley.offline.reading import Encode
from parley.offline.schemas import Function
from parley.offline.toolcalls import Call

_EXAMPLE: Final = re.compile(r'Input:\s*"(?P<input>[^"]+)"\s*Output:\s*(?P<output>[\w-]+)')
_MOST: Final = 100
_UNKNOWN: Final = "uncertain"
_LIKE: Final = 0.33
"""Likeness to an example below which a text is like none: words that were not understood are below 0.3."""


def classify(text: str, instructions: str, functions: Sequence[Function], encode: Encode) -> Call | None:
    """The call of a function that takes a label, by examples such as `Input: "Hello?"`, `Output: human`."""
    examples = [(found["input"], found["output"]) for found in _EXAMPLE.finditer(instructions)][:_MOST]
    labelling = next((found for function in functions if (found := _labels(function))), None)
    if not examples or labelling is None:
        return None
    function, parameter, labels = labelling
    known = [(given, label) for given, label in examples if label in labels]
    if not known:
        return None
    vectors = encode([text, *(given for given, _ in known)])
    likeness = vectors[1:] @ vectors[0]
    nearest = int(likeness.argmax())
    told = likeness[nearest] >= _LIKE or _UNKNOWN not in labels
    return Call(function.name, {parameter: known[nearest][1] if told else _UNKNOWN})


def _labels(function: Function) -> tuple[Function, str, list[str]] | None:
    """A function's one parameter that must be of some labels."""
    definitions: dict[str, Any] = function.parameters.get("$defs", {})
    for name, schema in function.parameters.get("properties", {}).items():
        alternatives = (schema, *schema.get("allOf", ()), *schema.get("anyOf", ()))
        named = (part.get("$ref", "").rpartition("/")[2] for part in alternatives)
        for shape in (*alternatives, *(definitions.get(each, {}) for each in named)):
            if shape.get("enum"):
                return function, name, [str(label) for label in shape["enum"]]
    return None
