"""What an agent can do besides talking: built-in acts, HTTP requests, tools of MCP servers. Kept and listed here."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, WithJsonSchema

from agents.calling import Act, Listed
from control_plane.personas.models import Persona
from control_plane.wire import FREE, NO_NUL, Clean, Exactly, Storable, formed
from guard.outbound import LONGEST_URL, BadAddress, read_url

MOST: Final = 50
TRANSFER: Final = "transfer_call"
SEARCH: Final = "search_kb"
"""Comes with a knowledge base, so no other tool may be called so."""


def _object(required: tuple[str, ...] = (), **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


NOTHING: Final = _object()
BUILTIN: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    SEARCH: (
        "Search the knowledge base",
        _object(("query",), query={"type": "string", "description": "What to look for"}),
    ),
    "end_call": ("End the call; the goodbye is said for you", NOTHING),
    TRANSFER: (
        "Transfer the call to somebody of `transfer_numbers`",
        _object(("to",), to={"type": "string", "description": "One of the agent's transfer_numbers, or its name"}),
    ),
    "send_dtmf": (
        "Press keys of the telephone",
        _object(("digits",), digits={"type": "string", "pattern": "^[0-9*#A-D]{1,32}$"}),
    ),
}
"""What each built-in tool does by default, and its parameters."""


def _address(url: str) -> str:
    try:
        read_url(url)
    except BadAddress as error:
        raise ValueError(error.reason) from error
    return url


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") != "object":
        raise ValueError('must be a JSON schema with "type": "object"')
    properties = schema.get("properties", {})
    if not isinstance(properties, dict) or not all(isinstance(part, dict) for part in properties.values()):
        raise ValueError("properties must be an object of JSON schemas")
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise ValueError("required must be a list of names")
    return schema


ToolName = Annotated[str, formed(r"^[a-zA-Z0-9_-]{1,64}$", "must be 1 to 64 letters, digits, _ and -")]
Description = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True), Clean]
Url = Annotated[
    str,
    StringConstraints(max_length=LONGEST_URL),
    Clean,
    AfterValidator(_address),
    WithJsonSchema({"type": "string", "format": "uri", "pattern": "^https?://[a-z0-9.-]+", "maxLength": LONGEST_URL}),
]
Schema = Annotated[
    dict[str, Any],
    Storable,
    AfterValidator(_schema),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "type": {"const": "object"},
                "properties": {
                    "type": "object",
                    "propertyNames": {"pattern": NO_NUL},
                    "additionalProperties": {
                        "type": "object",
                        "propertyNames": {"pattern": NO_NUL},
                        "additionalProperties": FREE,
                    },
                },
                "required": {"type": "array", "items": {"type": "string", "pattern": NO_NUL}},
            },
            "required": ["type"],
            "propertyNames": {"pattern": NO_NUL},
            "additionalProperties": FREE,
        }
    ),
]


class BuiltinTool(Exactly):
    """Something every worker can do."""

    type: Literal["builtin"]
    name: Literal["end_call", "transfer_call", "send_dtmf"]
    description: Description | None = Field(None, description="When to use it; each has a description of its own.")
    mode: Literal["cold", "warm"] = Field(
        "cold", description="Of transfer_call; warm: a person is called, told of the caller, and takes the call or not."
    )


class HttpTool(Exactly):
    """A request to a server of the customer."""

    type: Literal["http"]
    name: ToolName
    description: Description
    url: Url
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    parameters: Schema = Field(default_factory=lambda: dict(NOTHING), description="JSON schema of an object.")


class McpServer(Exactly):
    """The tools of an MCP server."""

    type: Literal["mcp"]
    name: ToolName
    description: Description
    url: Url


Tool = Annotated[BuiltinTool | HttpTool | McpServer, Field(discriminator="type")]


def _distinct(tools: list[BuiltinTool | HttpTool | McpServer]) -> list[BuiltinTool | HttpTool | McpServer]:
    names = [tool.name for tool in tools]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"names must be unique; there are several called {', '.join(twice)}")
    if SEARCH in names:
        raise ValueError(f"{SEARCH} comes with a knowledge base and cannot be set")
    return tools


Tools = Annotated[
    list[Tool], Field(max_length=MOST, json_schema_extra={"uniqueItems": True}), AfterValidator(_distinct)
]


class ToolsSet(Exactly):
    """`PUT /agents/{id}/tools`."""

    tools: Tools


class ToolList(BaseModel):
    """The tools an agent has."""

    tools: list[dict[str, Any]]


def acts_of(tools: list[dict[str, Any]], numbers: list[Listed]) -> list[Act]:
    """What the persona can do by itself; requests and servers of the customer are others' to ask. `numbers`: the only
    ones it may transfer to, and without any it cannot."""
    builtin = (tool for tool in tools if tool["type"] == "builtin")
    return [
        Act(
            name=tool["name"],
            description=tool.get("description") or BUILTIN[tool["name"]][0],
            warm=tool.get("mode") == "warm",
            numbers=numbers if tool["name"] == TRANSFER else [],
        )
        for tool in builtin
        if tool["name"] != TRANSFER or numbers
    ]


def numbers_of(persona: Persona) -> list[Listed]:
    """Whom a persona may transfer its caller to."""
    listed = [Listed.model_validate(each) for each in persona.transfer_numbers]
    fallback = persona.fallback_number
    if fallback is not None and fallback not in {each.number for each in listed}:
        listed.append(Listed(number=fallback))
    return listed


def listed(tools: list[dict[str, Any]], *, knowledge: bool) -> list[dict[str, Any]]:
    """Every tool with its description and parameters; knowledge brings `search_kb`, first."""
    search = {"type": "builtin", "name": SEARCH}
    shown = []
    for tool in [search, *tools] if knowledge else tools:
        description, parameters = BUILTIN[tool["name"]] if tool["type"] == "builtin" else ("", NOTHING)
        filled = {
            "description": tool.get("description") or description,
            "parameters": tool.get("parameters", parameters),
        }
        shown.append(tool | filled)
    return shown
