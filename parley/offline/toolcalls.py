"""Decides whether a question asks for a tool, and takes the arguments out of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from parley.offline.schemas import Function
from parley.offline.words import is_grammar, likeness, spoken_numbers, telephone_number, telling, tokens

_ENOUGH: Final = 0.6  # of the question's telling words
_ACTIONS: Final = frozenset(
    telling("get fetch look up lookup check find search read query retrieve call do run status info data")
)
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_QUOTED: Final = re.compile(r"[\"“](.+?)[\"”]")
_OBJECT: Final = re.compile(
    r"\b(?:for|about|to|named|called|in|of|with)\s+(?:the\s+|my\s+|a\s+|an\s+)?(?P<rest>[\w\s'-]+)$", re.I
)
_HEAD: Final = re.compile(r"\w+")
_TELEPHONE: Final = "E.164"
_COUNTED: Final = re.compile(r"(?:number|code|id|phone|digits|pin|order)", re.I)


@dataclass(frozen=True)
class Call:
    """A tool to call."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Missing:
    """A tool that fits, and what the question does not tell, as it is asked for."""

    name: str
    wanted: str


def choose(question: str, functions: Sequence[Function], *, forced: bool = False) -> Call | Missing | None:
    """The tool the question asks for; with `forced` the one that fits best, whatever was asked."""
    asked = telling(question)
    ranked = sorted(functions, key=lambda function: -_fit(asked, function))
    if not ranked or (not forced and _fit(asked, ranked[0]) < _ENOUGH):
        return None
    function = ranked[0]
    arguments, missing = _arguments(question, function)
    if missing and not forced:
        return Missing(function.name, _wanted(missing[0], function.parameters["properties"][missing[0]]))
    return Call(function.name, arguments)


def _fit(asked: Sequence[str], function: Function) -> float:
    """0 to 1: how well the question's words and the function's are the same."""
    names = telling(re.sub(r"[_\-]|(?<=[a-z])(?=[A-Z])", " ", function.name))
    described = telling(function.description)
    subject = [word for word in names if word not in _ACTIONS] or names
    named = [word for word in subject if any(likeness(word, other) for other in asked)]
    if subject and len(named) == len(subject):
        return 1.0 + len(named)
    content = [word for word in asked if not word.isdigit()]
    known = [word for word in content if any(likeness(word, other) for other in (*names, *described))]
    enough_words = len(known) >= (1 if len(content) == 1 else 2)
    return len(known) / len(content) if content and enough_words else 0.0


def _arguments(question: str, function: Function) -> tuple[dict[str, Any], list[str]]:
    properties: dict[str, Any] = function.parameters.get("properties", {})
    required = function.parameters.get("required", list(properties))
    arguments: dict[str, Any] = {}
    numbers = spoken_numbers(question)
    for name, schema in properties.items():
        value = _value(question, name, schema, numbers)
        if value is not None:
            arguments[name] = value
    return arguments, [name for name in required if name in properties and name not in arguments]


def _wanted(name: str, schema: dict[str, Any]) -> str:
    """What a parameter is called by people: its name, or how its description begins where that is `to` or the like."""
    words = name.replace("_", " ")
    described = _HEAD.match(str(schema.get("description", "")))
    return described[0].lower() if is_grammar(words) and described else words


def _value(question: str, name: str, schema: dict[str, Any], numbers: list[str]) -> Any:
    """What the question tells about one parameter; a number is used up by the first parameter that takes it."""
    kinds = schema.get("type", "string")
    kind = next((kind for kind in kinds if kind != "null"), "string") if isinstance(kinds, list) else kinds
    for choice in schema.get("enum", []):
        if set(tokens(str(choice))) <= set(tokens(question)):
            return choice
    if "enum" in schema:
        return None
    if kind in ("integer", "number"):
        return (int if kind == "integer" else float)(numbers.pop(0)) if numbers else None
    if kind == "boolean":
        return bool(set(telling(name.replace("_", " "))) & set(telling(question))) or None
    if kind != "string":
        return None
    if "mail" in name.lower():
        found = _EMAIL.search(question)
        return found[0] if found else None
    if _TELEPHONE in schema.get("description", ""):
        return telephone_number(question)
    if _COUNTED.search(name):
        return numbers.pop(0) if numbers else None
    quoted = _QUOTED.search(question)
    rest = _OBJECT.search(question.strip(" .?!"))
    return quoted[1] if quoted else rest["rest"].strip() if rest else None
