"""The answering model: quotes its context, follows scripted instructions, calls tools, or says that it does not know.

In this order: a tool's result is read out · a scripted reply · what a picture shows, where the question is about that ·
a tool the question asks for · small talk · the sentence of the context that answers · the refusal. Nothing is made up:
an answer's facts stand in the request.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from parley.offline import conversations
from parley.offline.errors import InvalidRequest
from parley.offline.examples import classify
from parley.offline.instructions import Script, read_script
from parley.offline.pictures import describe, is_asked_about
from parley.offline.reading import Encode, answer, summary
from parley.offline.schemas import ChatMessage, ChatRequest, JsonSchema, NamedTool
from parley.offline.toolcalls import Call, Missing, choose
from parley.offline.words import tokens

KNOWLEDGE: Final = "Knowledge:"
_MAY_KNOW: Final = ("system", "developer", "user")
HINT: Final = "Hint:"
"""How a message begins whose paragraphs, but for the first, are what a supervisor knows: read before all passages."""
_CHARACTERS_PER_TOKEN: Final = 4
_THOROUGH: Final = ("medium", "high", "xhigh")
_SUMMARY_SENTENCES: Final = 3
_CUT_OFF: Final = "cut off"
_GREET: Final = frozenset({"greet", "welcome", "greeting", "introduce"})


@dataclass(frozen=True)
class Reply:
    """What the model says, or the tools it calls."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)
    extractive: bool = False
    """Made of pieces of what it was given, and marked so."""


@dataclass(frozen=True)
class Usage:
    """Estimated tokens: a quarter of the characters."""

    prompt_tokens: int
    completion_tokens: int

    @property
    def total_tokens(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens


def reply(request: ChatRequest, encode: Encode) -> Reply:
    """The model's next message."""
    messages = [(message.role, text_of(message)) for message in request.messages]
    system = [text for role, text in messages if role in ("system", "developer")]
    known = [text for role, text in messages if role in _MAY_KNOW and text.startswith(KNOWLEDGE)]
    passages = [passage for text in reversed(known) for passage in _passages(text)]
    messages = [each for each in messages[:-1] if each[0] != "user" or each[1] not in known] + messages[-1:]
    hints = [hint for text in system if text.startswith(HINT) for hint in reversed(text.split("\n\n")[1:])]
    passages = [*hints, *passages]
    instructions = "\n".join(text for text in system if not text.startswith((KNOWLEDGE, HINT)))
    schema = request.response_format.json_schema
    if schema is not None and schema.name == conversations.SCHEMA:
        asked = next((text for role, text in messages if role == "user"), "")
        return Reply(conversations.analyse(asked, encode), extractive=True)
    if request.response_format.type != "text":
        return Reply(_structured(messages, schema, encode))
    if messages[-1][0] == "tool":
        return Reply(_read_out(messages))
    script = read_script(instructions)
    if messages[-1][0] in ("system", "developer") and messages[-1][1] != system[0]:
        last = next((text for role, text in reversed(messages) if role == "assistant"), "")
        return Reply(_prompted(messages[-1][1], script, last))
    question = next((text for role, text in reversed(messages) if role == "user"), None)
    if question is None:
        return Reply(script.always or script.opening)
    return _answered(request, question, passages, instructions, encode)


def estimated_usage(request: ChatRequest, given: Reply) -> Usage:
    """What a bill would be made of."""
    asked = sum(len(text_of(message)) for message in request.messages)
    said = len(given.text) + sum(len(call.name) + len(json.dumps(call.arguments)) for call in given.calls)
    return Usage(asked // _CHARACTERS_PER_TOKEN + 1, said // _CHARACTERS_PER_TOKEN + 1)


def text_of(message: ChatMessage) -> str:
    """The text of a message; what is neither text nor a picture is refused."""
    if isinstance(message.content, list):
        for part in message.content:
            if part.type != "text" and part.image_url is None:
                raise InvalidRequest(
                    f"'{part.type}' parts cannot be read by this model; send text or pictures.", param="messages"
                )
        return "\n".join(part.text for part in message.content if part.type == "text")
    return message.content or ""


def _pictures(request: ChatRequest) -> list[str]:
    """The pictures beside the last question."""
    asked = next((message for message in reversed(request.messages) if message.role == "user"), None)
    parts = asked.content if asked is not None and isinstance(asked.content, list) else []
    return [part.image_url.url for part in parts if part.image_url is not None]


def _answered(request: ChatRequest, question: str, passages: Sequence[str], instructions: str, encode: Encode) -> Reply:
    script = read_script(instructions)
    scripted = script.scripted(question)
    if scripted:
        return Reply(scripted)
    pictures = _pictures(request)
    if pictures and is_asked_about(question):
        return Reply(describe(pictures))
    called = _tool(request, question, instructions, encode)
    if isinstance(called, Call):
        return Reply(calls=[called])
    talk = script.small_talk(question)
    if talk:
        return Reply(talk)
    found = answer(question, passages, encode, thorough=request.reasoning_effort in _THOROUGH)
    if found:
        return Reply(found)
    if isinstance(called, Missing):
        return Reply(f"Please tell me the {called.wanted}.")
    return Reply(script.refusal)


def _tool(request: ChatRequest, question: str, instructions: str, encode: Encode) -> Call | Missing | None:
    functions = [tool.function for tool in request.tools]
    if request.tool_choice == "none":
        return None
    if isinstance(request.tool_choice, NamedTool):
        name = request.tool_choice.function.name
        functions = [function for function in functions if function.name == name]
        if not functions:
            raise InvalidRequest(f"tool_choice names '{name}', which is not among the tools.", param="tool_choice")
    forced = request.tool_choice != "auto"
    labelled = classify(question, instructions, functions, encode) if forced else None
    return labelled or choose(question, functions, forced=forced)


def _passages(knowledge: str) -> list[str]:
    """The passages of a `Knowledge:` message, best first, without their `[n] ` and the mark of the end."""
    paragraphs = ("\n" + knowledge.removeprefix(KNOWLEDGE)).split("\n[")
    return [number_and_text.partition("] ")[2].strip() for number_and_text in paragraphs if "] " in number_and_text]


def _read_out(messages: Sequence[tuple[str, str]]) -> str:
    """The results of the tools that were called last."""
    results: list[str] = []
    for role, text in reversed(messages):
        if role != "tool":
            break
        results.insert(0, _spoken(text))
    return " ".join(results)


def _spoken(result: str) -> str:
    try:
        value = json.loads(result)
    except ValueError:
        return result
    if isinstance(value, dict):
        return " ".join(f"{key.replace('_', ' ').capitalize()}: {part}." for key, part in value.items())
    return ", ".join(str(part) for part in value) if isinstance(value, list) else str(value)


def _prompted(instruction: str, script: Script, last: str) -> str:
    """The answer to an instruction that came last, without a question; `last` was said before."""
    if last and _CUT_OFF in instruction:
        return last  # nobody tells how much of it was heard
    wished = read_script(instruction)
    if wished.always:
        return wished.always
    if wished.greeting or _GREET & set(tokens(instruction)):
        return wished.greeting or script.opening
    return script.always or script.opening


def _structured(messages: Sequence[tuple[str, str]], schema: JsonSchema | None, encode: Encode) -> str:
    """An object of the schema's shape, its texts quoted from the conversation."""
    said = [text for role, text in messages if role == "user" and text]
    points = summary(said, encode, count=_SUMMARY_SENTENCES)
    shape: dict[str, Any] = (
        schema.schema_ if schema else {"type": "object", "properties": {"summary": {"type": "string"}}}
    )
    return json.dumps(_filled(shape, points, shape.get("$defs", {}), depth=8))


def _filled(shape: dict[str, Any], points: list[str], definitions: dict[str, Any], *, depth: int) -> Any:
    if depth == 0:
        return None
    if "$ref" in shape:
        return _filled(definitions.get(shape["$ref"].rpartition("/")[2], {}), points, definitions, depth=depth - 1)
    if "const" in shape:
        return shape["const"]
    if shape.get("enum"):
        return shape["enum"][0]
    for alternatives in ("anyOf", "oneOf", "allOf"):
        if shape.get(alternatives):
            return _filled(shape[alternatives][0], points, definitions, depth=depth - 1)
    kinds = shape.get("type", "string")
    match kinds[0] if isinstance(kinds, list) else kinds:
        case "object":
            properties = shape.get("properties", {})
            return {name: _filled(part, points, definitions, depth=depth - 1) for name, part in properties.items()}
        case "array":
            item = shape.get("items", {"type": "string"})
            return [_filled(item, [point], definitions, depth=depth - 1) for point in points]
        case "integer" | "number":
            return shape.get("minimum", 0)
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return " ".join(points)
